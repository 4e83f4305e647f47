/*
 * All listening sockets, on one thread: accepts, keeps to the limit of sessions, and hands each
 * connection to the worker with the fewest. When descriptors run out it pauses: a descriptor held
 * in reserve lets it take and close what waits, so that running out neither spins nor kills.
 */
#ifndef MAILMUX_ACCEPTOR_H
#define MAILMUX_ACCEPTOR_H

#include "snapshot.h"
#include "worker.h"

struct acceptor;

/*
 * Opens every listening socket of the snapshot's configuration, of which it takes a reference. Each
 * bind that fails is logged; NULL when any did.
 */
struct acceptor *acceptor_open(struct snapshot *snapshot, size_t session_limit);

/*
 * Starts accepting on a thread of its own, for the workers, which must outlive it. False: no thread
 * can be had.
 */
bool acceptor_start(struct acceptor *acceptor, struct worker *const *workers, size_t worker_count);

/* Closes all listening sockets, waits for the thread, and frees it. NULL is allowed. */
void acceptor_stop(struct acceptor **acceptor);

#endif
