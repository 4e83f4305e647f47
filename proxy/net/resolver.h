/*
 * What answers questions about names: the system as it is configured (resolv.conf, nsswitch.conf,
 * /etc/hosts), or DNS servers that the caller names. It is c-ares on a libuv loop, without threads.
 * A channel and its sockets exist only while something is looked up, so that the next lookup sees a
 * change of the system's configuration. One thread: that of the loop.
 */
#ifndef MAILMUX_RESOLVER_H
#define MAILMUX_RESOLVER_H

#include "mailmux/address.h"
#include <uv.h>

struct resolver;

/*
 * A resolver that the caller frees; NULL without memory. Where servers are given (they are copied),
 * only they are asked, and names are taken as they are, without search domains.
 */
struct resolver *resolver_new(uv_loop_t *loop, const struct address *servers, size_t count);

/*
 * Ends every lookup without a callback. May be called from a lookup's callback. Sets the pointer to
 * NULL; NULL is allowed. The memory goes when the loop has closed the handles.
 */
void resolver_free(struct resolver **resolver);

/* The version of c-ares that is linked, as a constant text. */
const char *resolver_version(void);

#endif
