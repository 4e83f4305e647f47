#include "keeper_state.h"
#include "systemd.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* ---- Requests ---- */

static void answer(const struct generation *generation, int fd, int failure)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", failure);
    (void)word_send(generation->requests, WORD_ANSWER, text, fd);
}

/* Answers with a descriptor, which is closed here, or with a negative errno. */
static void hand_over(const struct generation *generation, int fd)
{
    answer(generation, fd < 0 ? -1 : fd, fd < 0 ? -fd : 0);
    if (fd >= 0)
        (void)close(fd);
}

void requests_answer(struct keeper *keeper, struct generation *generation, const struct word *word)
{
    const struct permit *permit = keeper->coming ? keeper->coming : keeper->current;
    enum file_kind kind = FILE_CONFIG;
    bool is_late = generation->state == GENERATION_RETIRED ||
                   (generation->state == GENERATION_SERVING && keeper->state == KEEPER_REPLACING);

    while (kind < FILE_WATCH && word->letter != (char)word_for_file(kind))
        kind++;
    if (!permit || is_late)
        answer(generation, -1, EPERM);
    else if (word->letter == (char)word_for_file(kind))
        hand_over(generation, permit_open(permit, kind, word->text));
    else if (word->letter == WORD_BIND)
        hand_over(generation, sockets_get(&keeper->sockets, permit_config(permit), word->text));
    else if (word->letter == WORD_COMMIT)
        answer(generation, -1, changes_commit(keeper, generation) ? 0 : EPERM);
    else
        answer(generation, -1, EINVAL);
}

/* ---- News ---- */

static void take_status(struct generation *generation, const char *text)
{
    (void)snprintf(
        generation->status, sizeof(generation->status), "%.*s", GENERATION_STATUS_MAX - 1, text);
    for (char *at = generation->status; *at; at++) {
        if (*at < ' ' || *at > '~') /* it would begin a line of its own for systemd */
            *at = '?';
    }
    if (generation->state == GENERATION_SERVING)
        systemd_notify("WATCHDOG=1\nSTATUS=%s\n", generation->status);
}

void requests_take_news(
    struct keeper *keeper, struct generation *generation, const struct word *word)
{
    if (word->letter == WORD_SERVING)
        changes_serving(keeper, generation, word->text);
    else if (word->letter == WORD_REFUSED)
        changes_refused(keeper, generation, word->text);
    else if (word->letter == WORD_STATUS)
        take_status(generation, word->text);
}
