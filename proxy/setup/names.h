/*
 * The host names of servers: looked up at the start and every resolve_interval, and told to the
 * pools. A name that fails keeps its last addresses, and so does a host of a service that could not
 * be asked. Main thread.
 */
#ifndef MAILMUX_NAMES_H
#define MAILMUX_NAMES_H

#include "snapshot.h"

struct names;

/* Every name has been looked up once, or has failed to. */
typedef void names_ready(void *owner);

/*
 * Begins for all named servers of the snapshot, of which it takes a reference. Servers that were
 * known before, by the same name in the same backend, begin with the addresses that they had;
 * before may be NULL. on_ready is called once, from inside when there is no name at all. NULL
 * without memory.
 */
struct names *names_start(uv_loop_t *loop, struct snapshot *snapshot, const struct names *before,
    names_ready *on_ready, void *owner);

/* No callback comes any more; the memory goes when the loop allows. NULL is allowed. */
void names_stop(struct names **names);

#endif
