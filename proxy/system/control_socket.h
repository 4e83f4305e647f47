/*
 * The socket `control` in the state directory, at which the keeper takes orders from the command
 * line: a word (words.h) with an order, which a word with its outcome answers. One thread.
 */
#ifndef MAILMUX_CONTROL_SOCKET_H
#define MAILMUX_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/un.h>

enum control_order { CONTROL_RELOAD = 'r', CONTROL_UPGRADE = 'u', CONTROL_STATUS = 's' };
enum control_outcome { CONTROL_DONE = '0', CONTROL_FAILED = '1' };

/* Writes the address of the socket. Returns false if its path is too long. */
bool control_socket_path(const char *directory, struct sockaddr_un *out);

/*
 * Listens there, without waiting; a socket that no process listens at any more is replaced. Returns
 * a descriptor, or -1 with errno set: EADDRINUSE if another keeper listens there.
 */
int control_socket_listen(const struct sockaddr_un *at);

/*
 * Connects, and waits so many seconds at most for a keeper that is busy: 0 does not wait. Returns a
 * descriptor, or -1 with errno set: EAGAIN if that time is over.
 */
int control_socket_connect(const struct sockaddr_un *at, unsigned patience_s);

/* From now on what is received from the descriptor is waited for so many seconds at most. */
void control_socket_limit(int fd, unsigned patience_s);

/*
 * Returns whether the other side of the connection is root, this process's own account, or `also`
 * unless that is NULL.
 */
bool control_socket_is_trusted(int fd, const char *also);

#endif
