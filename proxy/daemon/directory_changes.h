/*
 * Hears of changes in the directories of certificate sets, and of answers of authorities beside
 * their certificates, and has them read again. The kernel tells of them (inotify), through
 * descriptors that the keeper has made; what it cannot tell of is read every few seconds. Main
 * thread.
 */
#ifndef MAILMUX_DIRECTORY_CHANGES_H
#define MAILMUX_DIRECTORY_CHANGES_H

#include "certificate_warmup.h"
#include "snapshot.h"
#include <uv.h>

struct directory_watched;

/* In the caller's memory; its members are private. */
struct directory_changes {
    uv_timer_t timer;
    struct certificate_warmup warmup;
    struct snapshot *snapshot; /* NULL: none */
    size_t count;
    struct directory_watched *watched; /* one for each set, and the last for all answers */
    uint64_t settled_ms;               /* when the first of the changes has waited long enough */
    uint64_t last_ms;                  /* what the last reading has cost */
};

/* Close it with directory_changes_close before the loop ends. */
void directory_changes_init(struct directory_changes *changes, uv_loop_t *loop);

/*
 * From now on watches what this snapshot was made from; it takes a reference. All is read once
 * more, since it may have changed after the snapshot was made.
 */
void directory_changes_follow(struct directory_changes *changes, struct snapshot *snapshot);

/* Closes its handles and gives the snapshot back. May be called twice. */
void directory_changes_close(struct directory_changes *changes);

#endif
