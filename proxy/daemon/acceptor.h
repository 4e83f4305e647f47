/*
 * All listening sockets, on one thread: accepts, keeps to the limit of sessions, and hands each
 * connection to the worker with the fewest. When descriptors run out it pauses: a descriptor held
 * in reserve lets it take and close what waits, so that running out neither spins nor kills.
 *
 * What is to be open is a plan, made from a snapshot on the main thread: there the sockets are
 * bound, so that a plan that cannot be carried out changes nothing. All calls here: main thread.
 */
#ifndef MAILMUX_ACCEPTOR_H
#define MAILMUX_ACCEPTOR_H

#include "plan.h"
#include "worker.h"

struct acceptor;

/* The totals count who is turned away, and must outlive it. NULL without memory, logged. */
struct acceptor *acceptor_new(struct totals *totals);

/* A plan for the snapshot beside what is open now; NULL where a bind fails, logged. */
struct plan *acceptor_plan(
    const struct acceptor *acceptor, struct snapshot *snapshot, size_t session_limit);

/*
 * Starts accepting on a thread of its own, for the workers, which must outlive it, by the first
 * plan, which is taken. False: no thread can be had; the plan is still the caller's.
 */
bool acceptor_start(struct acceptor *acceptor, struct worker *const *workers, size_t worker_count,
    struct plan **plan);

/*
 * Goes over to another plan, which is taken and must be the last one made: connections that come
 * from now on are served by its snapshot; sockets that it does not want are closed when their queue
 * is empty.
 */
void acceptor_switch(struct acceptor *acceptor, struct plan **plan);

/* Closes all listening sockets, waits for the thread, and frees it. NULL is allowed. */
void acceptor_stop(struct acceptor **acceptor);

#endif
