/*
 * A worker: one thread with a loop, sessions and free lists of its own. With other workers it
 * shares the totals and, through snapshots, pools and certificates. Other threads reach it by its
 * inbox.
 */
#ifndef MAILMUX_WORKER_H
#define MAILMUX_WORKER_H

#include "mailmux/error.h"
#include "snapshot.h"
#include "tally.h"
#include "totals.h"

struct worker;

/* Called once, on the worker's thread right before that ends: no session is left. */
typedef void worker_done(void *owner);

/*
 * Starts a worker, which the caller ends with worker_drain, worker_cut or worker_retire, and then
 * worker_join.
 * number: its name in the log. The totals and the owner must outlive it. Returns NULL with the
 * error's text.
 */
struct worker *worker_start(
    unsigned number, struct totals *totals, worker_done *on_done, void *owner, struct error *error);

/*
 * Any thread. Gives it an accepted connection of the n-th listener of the snapshot, which has the
 * options of its service (service_client_options). Takes the descriptor, and a reference to the
 * snapshot until the session is over. Returns false without memory; the connection is then reset.
 * The worker begins when worker_deliver is called: once for all that were accepted together.
 */
bool worker_give(struct worker *worker, int fd, const struct address *client,
    struct snapshot *snapshot, size_t listener);
void worker_deliver(struct worker *worker);

/* Any thread. Returns how many connections it was given whose sessions are not over. */
size_t worker_load(const struct worker *worker);

/*
 * Any thread. After drain each session ends at its next boundary, after cut at once. When none is
 * left the thread ends. Connections that are given later are closed.
 */
void worker_drain(struct worker *worker);
void worker_cut(struct worker *worker);

/*
 * Any thread. When no session is left the thread ends; sessions go on to their end. Call it when no
 * connection can be given any more.
 */
void worker_retire(struct worker *worker);

/*
 * Any thread. The worker's own thread logs the state of its sessions (sessions_log_state). Nothing
 * happens when that thread is at its end.
 */
void worker_log_state(struct worker *worker);

/* Any thread. Adds what the worker has counted of a listener to sum. */
void worker_sum(const struct worker *worker, const char *listener, uint64_t sum[TALLY_KINDS]);

/* The main thread. Returns the counts of the acceptor that shares the totals; may be NULL. */
const struct tallies *worker_doors(const struct worker *worker);

/*
 * Waits for the end of the thread, frees the worker and sets the pointer to NULL. No other thread
 * may use the worker any more.
 */
void worker_join(struct worker **worker);

#endif
