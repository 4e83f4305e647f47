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
 * caller to close; the socket is bound unless it is open. Returns a negative errno on failure:
 * -EPERM if the configuration does not name it.
 */
int sockets_get(struct listening_set *sockets, const struct config *config, const char *name);

/*
 * Listens where the configuration, which comes into effect, says so, and closes all other sockets.
 * Returns false, having logged why, if nothing has changed since one could not.
 */
bool sockets_keep(struct listening_set *sockets, const struct config *config);

#endif
