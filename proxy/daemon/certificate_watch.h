/*
 * Watches the lifetime of the certificates in effect, and logs when a third of it is left, when a
 * tenth is, each day of the last week, and each day after the end (`own-certificate`). What holds
 * already when a configuration is loaded stands in its report. Main thread.
 */
#ifndef MAILMUX_CERTIFICATE_WATCH_H
#define MAILMUX_CERTIFICATE_WATCH_H

#include "snapshot.h"
#include <uv.h>

/* In the caller's memory; its members are private. */
struct certificate_watch {
    uv_timer_t timer;
    struct snapshot *snapshot; /* NULL: none */
    int64_t judged_s;          /* what was news up to then has been said; since 1970 */
};

/* Close it with certificate_watch_close before the loop ends. */
void certificate_watch_init(struct certificate_watch *watch, uv_loop_t *loop);

/* From now on watches the certificates of this snapshot, to which it takes a reference. */
void certificate_watch_follow(struct certificate_watch *watch, struct snapshot *snapshot);

/* Closes its handle and gives the snapshot back. May be called twice. */
void certificate_watch_close(struct certificate_watch *watch);

#endif
