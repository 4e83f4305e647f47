/*
 * Logs the state of the process on demand. The workers log their sessions. The listeners, the
 * backends and their servers are logged here, on the main thread, one of them in each turn of the
 * loop.
 */
#ifndef MAILMUX_STATE_DUMP_H
#define MAILMUX_STATE_DUMP_H

#include "snapshot.h"
#include <uv.h>

struct worker;

/* In the caller's memory; its members are private. */
struct state_dump {
    uv_idle_t idle;
    struct snapshot *snapshot; /* its listeners and backends are being logged; NULL: none are */
    size_t next;               /* the index of the next one: the listeners, then the backends */
    struct worker **workers;
    size_t worker_count;
};

/* Close it with state_dump_close before the loop ends. */
void state_dump_init(struct state_dump *dump, uv_loop_t *loop);

/*
 * Begins. snapshot: the one in effect, to which it takes a reference; NULL: there is none yet. The
 * workers must live until state_dump_close.
 * Where the backends of an earlier call are still being logged, only the sessions are logged anew.
 */
void state_dump_begin(struct state_dump *dump, struct snapshot *snapshot, struct worker **workers,
    size_t worker_count);

/*
 * Closes its handle and gives the snapshot back. Lines that are not written yet are left out. May
 * be called twice.
 */
void state_dump_close(struct state_dump *dump);

#endif
