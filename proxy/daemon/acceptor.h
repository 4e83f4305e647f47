/*
 * The acceptor has all listening sockets, on a thread of its own. It accepts connections, keeps to
 * the limit of sessions, and hands each connection to the worker with the fewest sessions. When
 * descriptors run out it closes its reserve descriptor, so that it can accept and close one
 * connection, and then pauses. So it neither spins on a queue that it cannot empty nor exits.
 *
 * A plan says which sockets are to be open. The main thread makes it from a snapshot and binds the
 * new sockets first. So if a bind fails, nothing has changed. Call all functions here on the main
 * thread.
 */
#ifndef MAILMUX_ACCEPTOR_H
#define MAILMUX_ACCEPTOR_H

#include "plan.h"
#include "worker.h"

struct acceptor;

/*
 * Returns a new acceptor without a thread; end it with acceptor_stop. It counts refused clients in
 * the totals. The totals and the binder's owner must outlive it. Without memory it logs this and
 * returns NULL.
 */
struct acceptor *acceptor_new(struct totals *totals, const struct plan_binder *binder);

/*
 * Returns a plan for the snapshot (see plan_new). Sockets that are open already are not bound
 * again. session_limit: how many sessions may be open at once. The caller gives the plan to
 * acceptor_start or acceptor_switch, or frees it with plan_free. If a bind fails, it is logged and
 * NULL is returned.
 */
struct plan *acceptor_plan(
    const struct acceptor *acceptor, struct snapshot *snapshot, size_t session_limit);

/*
 * Starts the thread. It accepts on the sockets of *plan and hands the connections to the workers,
 * which must outlive it. Takes the plan and sets *plan to NULL. Returns false when no thread can be
 * started; the plan is then still the caller's.
 */
bool acceptor_start(struct acceptor *acceptor, struct worker *const *workers, size_t worker_count,
    struct plan **plan);

/*
 * Changes to another plan, which must be the last one made. Takes it and sets *plan to NULL, and
 * waits until the acceptor's thread has carried it out: then the plan's snapshot serves new
 * connections. Sockets that the plan does not have were closed after the connections in their
 * queues had been accepted, so that the next plan may bind what collides with them.
 */
void acceptor_switch(struct acceptor *acceptor, struct plan **plan);

/* What becomes of connections in the queues of the sockets when the acceptor stops. */
enum acceptor_end {
    ACCEPTOR_TURN_AWAY, /* they get a farewell: no other process accepts them */
    ACCEPTOR_LEAVE      /* they stay: another process accepts from the same sockets */
};

/*
 * Closes its listening sockets, waits for the thread, frees the acceptor and sets the pointer to
 * NULL. NULL is allowed.
 */
void acceptor_stop(struct acceptor **acceptor, enum acceptor_end end);

#endif
