/*
 * Logs the state of the process on demand. The lines of backends and servers are written here, on
 * the main thread, for one backend in each turn of the loop; those of sessions by their workers.
 */
#ifndef MAILMUX_STATE_DUMP_H
#define MAILMUX_STATE_DUMP_H

#include "snapshot.h"
#include <uv.h>

struct worker;

/* In the caller's memory, private. */
struct state_dump {
    uv_idle_t idle;
    struct snapshot *snapshot; /* its backends are being logged; NULL: none are */
    size_t next;               /* the index of the next backend */
};

void state_dump_init(struct state_dump *dump, uv_loop_t *loop);

/*
 * Begins. snapshot: the one in effect, of which a reference is taken; NULL: there is none yet.
 * While lines of backends are still being written no second round of them begins.
 */
void state_dump_begin(struct state_dump *dump, struct snapshot *snapshot, struct worker **workers,
    size_t worker_count);

/* Closes its handle; lines that are not written yet are left out. May be called twice. */
void state_dump_close(struct state_dump *dump);

#endif
