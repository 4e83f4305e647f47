#include "directory_changes.h"

#include "mailmux/clock.h"
#include "mailmux/files.h"
#include "mailmux/log.h"
#include <stdlib.h>
#include <unistd.h>

enum {
    SETTLE_MS = 300,      /* a renewal writes several files; they are read when it is quiet */
    SETTLE_MAX_MS = 1500, /* it need not be quiet for ever */
    BLIND_MS = 3000       /* how often directories are read of which nothing is heard */
};

struct directory_watcher {
    uv_poll_t poll;
    int fd;
    struct directory_watcher *next;
};

/* ---- Hearing of changes ---- */

static void wait_for_more(struct directory_changes *changes);

static void on_closed(uv_handle_t *handle)
{
    struct directory_watcher *watcher =
        (struct directory_watcher *)(void *)handle; /* its first member */

    (void)close(watcher->fd);
    free(watcher);
}

static void stop_hearing(struct directory_changes *changes)
{
    struct directory_watcher *watcher = changes->watchers;

    changes->watchers = NULL;
    while (watcher) {
        struct directory_watcher *next = watcher->next;

        uv_close((uv_handle_t *)&watcher->poll, on_closed);
        watcher = next;
    }
}

/* What has changed does not matter: all of it is read again. */
static void on_change(uv_poll_t *poll, int status, int events)
{
    char unused[4096];
    int fd = ((struct directory_watcher *)(void *)poll)->fd;

    (void)status;
    (void)events;
    while (read(fd, unused, sizeof(unused)) > 0)
        continue;
    wait_for_more(poll->data);
}

/* Returns false if nothing will be heard of the directory. */
static bool hear(struct directory_changes *changes, const char *directory)
{
    struct directory_watcher *watcher = calloc(1, sizeof(*watcher));

    if (!watcher)
        return false;
    watcher->fd = files_open(FILE_WATCH, directory);
    if (watcher->fd < 0 || uv_poll_init(changes->timer.loop, &watcher->poll, watcher->fd) != 0) {
        if (watcher->fd >= 0)
            (void)close(watcher->fd);
        free(watcher);
        return false;
    }
    watcher->poll.data = changes;
    watcher->next = changes->watchers;
    changes->watchers = watcher;
    (void)uv_poll_start(&watcher->poll, UV_READABLE, on_change);
    return true;
}

static void hear_all(struct directory_changes *changes)
{
    const struct config *config = snapshot_config(changes->snapshot);

    changes->is_blind = false;
    for (size_t i = 0; i < config->tls_count; i++) {
        for (size_t j = 0; j < config->tls[i].directories.count; j++) {
            if (!hear(changes, config->tls[i].directories.text[j]))
                changes->is_blind = true;
        }
    }
}

/* ---- Reading again ---- */

static void log_failure(
    struct directory_changes *changes, const char *set, const struct error *error)
{
    struct log_line line;

    if (changes->has_failed)
        return;
    log_open(&line, LOG_ERROR, "certificate-problem");
    log_text(&line, "set", slice_from(set));
    log_text(&line, "why", slice_from(error->text));
    log_write(&line);
}

static void read_all(struct directory_changes *changes)
{
    const struct config *config = snapshot_config(changes->snapshot);
    bool has_failed = false;
    struct error error;

    for (size_t i = 0; i < config->tls_count; i++) {
        if (config->tls[i].directories.count == 0 || snapshot_refresh(changes->snapshot, i, &error))
            continue;
        log_failure(changes, config->tls[i].name, &error);
        has_failed = true;
    }
    changes->has_failed = has_failed;
}

/* New directories are heard of before they are read, so that no change is missed. */
static void on_timer(uv_timer_t *timer)
{
    struct directory_changes *changes = timer->data;
    uint64_t began_ms = clock_monotonic_ms();

    stop_hearing(changes);
    hear_all(changes);
    read_all(changes);
    certificate_warmup_follow(&changes->warmup, changes->snapshot);
    changes->last_ms = clock_monotonic_ms() - began_ms;
    changes->settled_ms = 0;
    if (changes->is_blind)
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

static bool has_directories(const struct config *config)
{
    for (size_t i = 0; i < config->tls_count; i++) {
        if (config->tls[i].directories.count > 0)
            return true;
    }
    return false;
}

void directory_changes_init(struct directory_changes *changes, uv_loop_t *loop)
{
    *changes = (struct directory_changes){0};
    (void)uv_timer_init(loop, &changes->timer);
    changes->timer.data = changes;
    certificate_warmup_init(&changes->warmup, loop);
}

void directory_changes_follow(struct directory_changes *changes, struct snapshot *snapshot)
{
    struct snapshot *before = changes->snapshot;

    changes->snapshot = snapshot_ref(snapshot);
    snapshot_unref(&before);
    stop_hearing(changes);
    (void)uv_timer_stop(&changes->timer);
    if (has_directories(snapshot_config(snapshot)))
        (void)uv_timer_start(&changes->timer, on_timer, 0, 0);
}

void directory_changes_close(struct directory_changes *changes)
{
    stop_hearing(changes);
    certificate_warmup_close(&changes->warmup);
    snapshot_unref(&changes->snapshot);
    if (!uv_is_closing((uv_handle_t *)&changes->timer))
        uv_close((uv_handle_t *)&changes->timer, NULL);
}
