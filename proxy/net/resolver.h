/*
 * Who answers questions about names: the system as it is configured (resolv.conf, nsswitch.conf,
 * /etc/hosts), or DNS servers of one's own. c-ares on a libuv loop, without threads; a channel and
 * its sockets exist only while something is looked up, so that a change of the system's
 * configuration is seen by the next lookup. One thread: that of the loop.
 */
#ifndef MAILMUX_RESOLVER_H
#define MAILMUX_RESOLVER_H

#include "mailmux/address.h"
#include <uv.h>

struct resolver;

/*
 * With servers, only they are asked, and names are taken as they are, without search domains. The
 * servers are copied. NULL: no memory.
 */
struct resolver *resolver_new(uv_loop_t *loop, const struct address *servers, size_t count);

/*
 * Ends every lookup without a callback. May be called from a lookup's callback. Sets the pointer to
 * NULL; NULL is allowed. The memory goes when the loop has closed the handles.
 */
void resolver_free(struct resolver **resolver);

/* The version of c-ares that is linked. */
const char *resolver_version(void);

#endif
