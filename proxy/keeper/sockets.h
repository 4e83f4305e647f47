/*
 * The listening sockets. The keeper has them for as long as a configuration in effect names their
 * addresses, whatever becomes of the service; the service gets descriptors of the same sockets. One
 * thread.
 */
#ifndef MAILMUX_SOCKETS_H
#define MAILMUX_SOCKETS_H

#include "mailmux/config.h"

struct sockets_item {
    struct address at;
    int fd;
};

/* {0} is empty. End it with sockets_close. Its members are private, but for reading. */
struct sockets {
    size_t count;
    struct sockets_item *items;
};

/*
 * Returns a descriptor of the socket of a "LISTENER ADDRESS" that the configuration names, for the
 * caller to close; the socket is opened unless it is open. Returns a negative errno on failure:
 * -EPERM if the configuration does not name it.
 */
int sockets_get(struct sockets *sockets, const struct config *config, const char *name);

/* Closes all whose addresses the configuration does not name. */
void sockets_keep(struct sockets *sockets, const struct config *config);

/* Takes a descriptor from another process; closes it if it is no listening socket. */
void sockets_take(struct sockets *sockets, int fd);

/* Closes all. */
void sockets_close(struct sockets *sockets);

#endif
