/*
 * A worker: one thread, one loop, its sessions and free lists. It shares nothing with other workers
 * but the process's counters. What others want of it is a message in its inbox.
 */
#ifndef MAILMUX_WORKER_H
#define MAILMUX_WORKER_H

#include "mailmux/error.h"
#include "snapshot.h"
#include "totals.h"

struct worker;

/* Called on the worker's thread when its last session is over while it drains: its thread ends. */
typedef void worker_done(void *owner);

/* Starts the thread; NULL with the error's text. number: its name in the log. */
struct worker *worker_start(
    unsigned number, struct totals *totals, worker_done *on_done, void *owner, struct error *error);

/*
 * Any thread. An accepted connection (the descriptor is taken) for the n-th listener of the
 * snapshot, of which a reference is taken. False without memory: the descriptor is closed.
 */
bool worker_give(struct worker *worker, int fd, const struct address *client,
    struct snapshot *snapshot, size_t listener);

/* Sessions given and not over yet. Any thread. */
size_t worker_load(const struct worker *worker);

/* Any thread. Drain: sessions end at their next boundary. Cut: now. The thread ends after both. */
void worker_drain(struct worker *worker);
void worker_cut(struct worker *worker);

/*
 * Any thread. The worker's own thread logs the state of its sessions (sessions_log_state). Nothing
 * happens when that thread is at its end.
 */
void worker_log_state(struct worker *worker);

/* Waits for the thread's end and frees it; nobody may give it anything any more. */
void worker_join(struct worker **worker);

#endif
