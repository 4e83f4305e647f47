/*
 * The listening sockets. The keeper has them for as long as a configuration in effect names their
 * addresses, whatever becomes of the service; the service gets descriptors of the same sockets. One
 * thread.
 */
#ifndef MAILMUX_SOCKETS_H
#define MAILMUX_SOCKETS_H

#include "listening_set.h"
#include "mailmux/config.h"

/*
 * Returns a descriptor of the socket of a "LISTENER ADDRESS" that the configuration names, for the
 * caller to close; the socket is opened unless it is open. Returns a negative errno on failure:
 * -EPERM if the configuration does not name it.
 */
int sockets_get(struct listening_set *sockets, const struct config *config, const char *name);

/* Closes all whose addresses the configuration does not name. */
void sockets_keep(struct listening_set *sockets, const struct config *config);

#endif
