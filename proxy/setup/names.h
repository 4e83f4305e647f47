/*
 * The host names of servers. They are looked up at the start and every resolve_interval, and their
 * addresses go to the pools. A name whose lookup fails keeps its last addresses; so does each host
 * of a service. Main thread.
 */
#ifndef MAILMUX_NAMES_H
#define MAILMUX_NAMES_H

#include "snapshot.h"

struct names;

/* Called when the first lookup of each name has an answer or has failed. */
typedef void names_ready(void *owner);

/*
 * Begins with all servers of the snapshot that have a host name or a service; takes a reference to
 * the snapshot. A server that `before` has, of the same name and host in a backend of the same
 * name, begins with the addresses that it had there; `before` may be NULL. on_ready is called once;
 * when there is nothing to wait for, before this returns. Returns NULL without memory.
 */
struct names *names_start(uv_loop_t *loop, struct snapshot *snapshot, const struct names *before,
    names_ready *on_ready, void *owner);

/*
 * Ends all lookups; on_ready is not called any more. Sets the pointer to NULL; NULL is allowed. The
 * memory is freed when the loop has closed the handles.
 */
void names_stop(struct names **names);

#endif
