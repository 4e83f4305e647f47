/* Listening sockets. Any thread. */
#ifndef MAILMUX_LISTENING_H
#define MAILMUX_LISTENING_H

#include "mailmux/address.h"

enum { LISTENING_BACKLOG = 1024 }; /* connections that may wait at one socket */

/*
 * Returns a descriptor that is bound to the address, and gets no connection before listening_begin
 * (close-on-exec, non-blocking, IPv6 alone where
 * it is IPv6), which the caller closes, or a negative errno. is_shared: the kernel lets it stand
 * beside sockets whose addresses collide with it, if they are shared at this moment, too. is_free:
 * no interface needs to have the address yet.
 */
int listening_bind(const struct address *at, bool is_shared, bool is_free);

/* Listens. Returns false with errno set, such as when another program was quicker. */
bool listening_begin(int fd);

/*
 * Lets other sockets of this user be opened beside this one, or no longer. The sockets that stand
 * there go on.
 */
void listening_share(int fd, bool is_shared);

/*
 * Finds the address of a descriptor that came from elsewhere, and makes it close-on-exec and
 * non-blocking. Returns false if it is no listening socket.
 */
bool listening_check(int fd, struct address *out);

#endif
