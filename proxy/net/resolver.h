/*
 * Answers questions about names, from the system as it is configured (resolv.conf, nsswitch.conf,
 * /etc/hosts) or from DNS servers that the caller names. It is c-ares on a libuv loop, without
 * threads. A channel of c-ares and its sockets exist only while something is looked up, so that the
 * next lookup sees a change of the system's configuration. One thread: that of the loop.
 */
#ifndef MAILMUX_RESOLVER_H
#define MAILMUX_RESOLVER_H

#include "mailmux/address.h"
#include <uv.h>

struct resolver;

/*
 * Returns a resolver, which the caller frees with resolver_free, or NULL without memory. If servers
 * are given (they are copied), only they are asked, and search domains are not added to names.
 */
struct resolver *resolver_new(uv_loop_t *loop, const struct address *servers, size_t count);

/*
 * Ends every lookup without a callback, and sets the pointer to NULL. NULL is allowed. It may be
 * called from a lookup's callback. The memory is freed when the loop has closed the handles.
 */
void resolver_free(struct resolver **resolver);

/* Returns the version of the linked c-ares, a constant. */
const char *resolver_version(void);

#endif
