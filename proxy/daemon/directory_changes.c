#include "directory_changes.h"

#include "mailmux/clock.h"
#include "mailmux/file_tree.h"
#include "mailmux/files.h"
#include "mailmux/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SETTLE_MS = 300,      /* a renewal writes several files; they are read when it is quiet */
    SETTLE_MAX_MS = 1500, /* it need not be quiet for ever */
    BLIND_MS = 3000       /* how often directories are read of which nothing is heard */
};

/* What the kernel tells of through one descriptor. */
struct watcher {
    uv_poll_t poll;
    int fd;
    struct directory_watched *of;
    struct watcher *next;
};

/* The directories of a set, or the answers beside the certificates of all sets. */
struct directory_watched {
    struct directory_changes *changes;
    struct watcher *watchers;
    bool is_due;     /* it has changed, or is not heard of */
    bool has_failed; /* and that was said */
};

/* ---- Hearing of changes ---- */

static void wait_for_more(struct directory_changes *changes);

static void on_closed(uv_handle_t *handle)
{
    struct watcher *watcher = (struct watcher *)(void *)handle; /* its first member */

    (void)close(watcher->fd);
    free(watcher);
}

static void stop_hearing(struct directory_watched *watched)
{
    struct watcher *watcher = watched->watchers;

    watched->watchers = NULL;
    while (watcher) {
        struct watcher *next = watcher->next;

        uv_close((uv_handle_t *)&watcher->poll, on_closed);
        watcher = next;
    }
}

/* What has changed of it does not matter. */
static void on_change(uv_poll_t *poll, int status, int events)
{
    const struct watcher *watcher = (const struct watcher *)(void *)poll;
    char unused[4096];

    (void)status;
    (void)events;
    while (read(watcher->fd, unused, sizeof(unused)) > 0)
        continue;
    watcher->of->is_due = true;
    wait_for_more(watcher->of->changes);
}

/* Returns false if nothing will be heard of these names. */
static bool hear(struct directory_watched *watched, const char *names)
{
    struct watcher *watcher = calloc(1, sizeof(*watcher));

    if (!watcher)
        return false;
    watcher->fd = files_open(FILE_WATCH, names);
    if (watcher->fd < 0 ||
        uv_poll_init(watched->changes->timer.loop, &watcher->poll, watcher->fd) != 0) {
        if (watcher->fd >= 0)
            (void)close(watcher->fd);
        free(watcher);
        return false;
    }
    watcher->of = watched;
    watcher->next = watched->watchers;
    watched->watchers = watcher;
    (void)uv_poll_start(&watcher->poll, UV_READABLE, on_change);
    return true;
}

static bool hear_directories(struct directory_watched *watched, const struct config_tls *tls)
{
    bool hears_all = true;

    for (size_t i = 0; i < tls->directories.count; i++)
        hears_all = hear(watched, tls->directories.text[i]) && hears_all;
    return hears_all;
}

/* As many files for one descriptor as can be named at once: of these a user has few. */
static bool hear_answers(struct directory_watched *watched, const struct config *config)
{
    char names[FILE_TREE_NAMES_MAX] = "";
    size_t used = 0;
    bool hears_all = true;

    for (size_t i = 0; i < config->tls_count; i++) {
        const struct config_strings *files = &config->tls[i].certificates;

        for (size_t j = 0; j < files->count; j++) {
            size_t n = strlen(files->text[j]) + sizeof(FILES_STAPLE);

            if (used > 0 && used + n + 1 > sizeof(names)) {
                hears_all = hear(watched, names) && hears_all;
                used = 0;
            }
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s" FILES_STAPLE,
                used > 0 ? "\n" : "", files->text[j]);
            if (used >= sizeof(names))
                return false;
        }
    }
    return (used == 0 || hear(watched, names)) && hears_all;
}

/* ---- Reading again ---- */

static void log_failure(const char *set, const struct error *error)
{
    struct log_line line;

    log_open(&line, LOG_ERROR, "certificate-problem");
    log_text(&line, "set", slice_from(set));
    log_text(&line, "why", slice_from(error->text));
    log_write(&line);
}

static void read_directories(struct directory_watched *watched, size_t set)
{
    const struct snapshot *snapshot = watched->changes->snapshot;
    struct error error;
    bool is_fine = snapshot_refresh(snapshot, set, &error);

    if (!is_fine && !watched->has_failed)
        log_failure(snapshot_config(snapshot)->tls[set].name, &error);
    watched->has_failed = !is_fine;
}

/* What is new is heard of before it is read, so that no change is missed. */
static void read_again(struct directory_changes *changes, size_t index)
{
    struct directory_watched *watched = &changes->watched[index];
    const struct config *config = snapshot_config(changes->snapshot);

    stop_hearing(watched);
    if (index < config->tls_count) {
        watched->is_due = !hear_directories(watched, &config->tls[index]);
        read_directories(watched, index);
    } else {
        watched->is_due = !hear_answers(watched, config);
        snapshot_refresh_answers(changes->snapshot);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct directory_changes *changes = timer->data;
    uint64_t began_ms = clock_monotonic_ms();
    bool is_blind = false;

    for (size_t i = 0; i < changes->count; i++) {
        if (changes->watched[i].is_due)
            read_again(changes, i);
        is_blind = is_blind || changes->watched[i].is_due;
    }
    certificate_warmup_follow(&changes->warmup, changes->snapshot);
    changes->last_ms = clock_monotonic_ms() - began_ms;
    changes->settled_ms = 0;
    if (is_blind)
        (void)uv_timer_start(timer, on_timer, BLIND_MS + changes->last_ms, 0);
}

static void wait_for_more(struct directory_changes *changes)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t quiet_ms = SETTLE_MS + changes->last_ms;
    uint64_t left_ms;

    if (changes->settled_ms == 0)
        changes->settled_ms = now_ms + SETTLE_MAX_MS;
    left_ms = changes->settled_ms > now_ms ? changes->settled_ms - now_ms : 0;
    (void)uv_timer_start(&changes->timer, on_timer, quiet_ms < left_ms ? quiet_ms : left_ms, 0);
}

/* ---- Beginning and ending ---- */

void directory_changes_init(struct directory_changes *changes, uv_loop_t *loop)
{
    *changes = (struct directory_changes){0};
    (void)uv_timer_init(loop, &changes->timer);
    changes->timer.data = changes;
    certificate_warmup_init(&changes->warmup, loop);
}

static void forget(struct directory_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        stop_hearing(&changes->watched[i]);
    free(changes->watched);
    changes->watched = NULL;
    changes->count = 0;
    snapshot_unref(&changes->snapshot);
}

void directory_changes_follow(struct directory_changes *changes, struct snapshot *snapshot)
{
    size_t count = snapshot_config(snapshot)->tls_count + 1;
    struct directory_watched *watched = calloc(count, sizeof(*watched));

    (void)uv_timer_stop(&changes->timer);
    (void)snapshot_ref(snapshot);
    forget(changes);
    changes->snapshot = snapshot;
    if (!watched)
        return;
    changes->watched = watched;
    changes->count = count;
    for (size_t i = 0; i < count; i++)
        watched[i] = (struct directory_watched){.changes = changes, .is_due = true};
    (void)uv_timer_start(&changes->timer, on_timer, 0, 0);
}

void directory_changes_close(struct directory_changes *changes)
{
    forget(changes);
    certificate_warmup_close(&changes->warmup);
    if (!uv_is_closing((uv_handle_t *)&changes->timer))
        uv_close((uv_handle_t *)&changes->timer, NULL);
}
