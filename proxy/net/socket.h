/*
 * TCP sockets: wires over a non-blocking descriptor and one uv_poll_t, and the calls that make
 * descriptors. Such a wire owns both; it lives until wire_close, and its memory until the loop has
 * run the close callback. One worker thread (the loop's); the functions that take or give a bare
 * descriptor: any thread.
 *
 * Polls are level-triggered, and libuv 1.44 calls back for ever where nothing is consumed. So
 * HANGUP is reported once, and after an error of the poll nothing is armed until the owner watches
 * again. An end of one direction alone is no WIRE_HANGUP, but WIRE_FIN, which is reported once too.
 */
#ifndef MAILMUX_SOCKET_H
#define MAILMUX_SOCKET_H

#include "mailmux/address.h"
#include "mailmux/error.h"
#include "wire.h"
#include <uv.h>

/*
 * A wire on a connected descriptor, which is taken in every case. keepalive_s: idle seconds before
 * the kernel probes a silent peer, 0 for never. NULL without memory or descriptors.
 */
struct wire *socket_from_accepted(uv_loop_t *loop, int fd, unsigned keepalive_s);

/*
 * Begins to connect. When WIRE_WRITABLE is reported it is connected, or has failed
 * (stream_connected). Where it fails at once: NULL, and *failure is an errno.
 */
struct wire *socket_connect(
    uv_loop_t *loop, const struct address *to, unsigned keepalive_s, int *failure);

/* Our own end of the connection; false when the kernel does not know it any more. */
bool socket_name(int fd, struct address *out);

/*
 * A listening descriptor (SO_REUSEADDR, IPV6_V6ONLY, close-on-exec, non-blocking), or -1 with the
 * error text and, in *failure, the errno.
 */
int socket_listen(const struct address *at, int backlog, int *failure, struct error *error);

/*
 * Takes the next connection off a listening descriptor: a non-blocking, close-on-exec descriptor,
 * or a negative errno. -EAGAIN: none is waiting (errors of one connection that is already gone are
 * skipped). -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: none can be taken now.
 */
int socket_accept(int listener, struct address *peer);

/* Closes a descriptor that never became a socket, with RST if asked. */
void socket_discard(int fd, bool reset);

#endif
