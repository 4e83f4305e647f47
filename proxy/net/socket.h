/*
 * TCP sockets: a wire over a non-blocking descriptor and one uv_poll_t, and the calls that make
 * descriptors. A socket owns both; it lives from its constructor until wire.ops->close, and its
 * memory until the loop has run the close callback. One worker thread (the loop's); the functions
 * that take or give a bare descriptor: any thread.
 *
 * Polls are level-triggered, and libuv 1.44 calls back for ever where nobody consumes. So: READABLE
 * is refused after the end, HANGUP is reported once, and after an error of the poll nothing is
 * armed until the owner says so again. An end of one direction alone is no WIRE_HANGUP, but
 * WIRE_FIN, and told as rarely.
 */
#ifndef MAILMUX_SOCKET_H
#define MAILMUX_SOCKET_H

#include "mailmux/address.h"
#include "mailmux/error.h"
#include "wire.h"
#include <uv.h>

struct socket {
    struct wire wire; /* first: a wire of sockets is its socket */
    uv_poll_t poll;
    int fd;
    unsigned polled;  /* the mask the poll has, in enum wire_event */
    bool fin_is_told; /* one-shot, as are hang-ups */
    bool hangup_is_told;
    int failure; /* errno that a poll has found: the kernel gives each but once */
};

/*
 * A socket on a connected descriptor, which is taken in every case. keepalive_s: idle seconds
 * before the kernel probes a silent peer, 0 for never. NULL without memory or descriptors.
 * The caller sets wire.on_event and wire.owner before it watches anything.
 */
struct socket *socket_from_accepted(uv_loop_t *loop, int fd, unsigned keepalive_s);

/*
 * Begins to connect. Watch WIRE_WRITABLE; when it is reported ask socket_connect_result. Where it
 * fails at once: NULL, and *failure is an errno.
 */
struct socket *socket_connect(
    uv_loop_t *loop, const struct address *to, unsigned keepalive_s, int *failure);

/* 0: connected. Otherwise why not, as an errno (ECONNREFUSED, ETIMEDOUT ...). */
int socket_connect_result(struct socket *socket);

/* Our own end; false when the kernel does not know it any more. */
bool socket_local_address(const struct socket *socket, struct address *out);
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
