/*
 * TCP and unix sockets: wires over a non-blocking descriptor in a poller, and the calls that make
 * descriptors. A socket wire owns its descriptor, lives until wire_close, and belongs to the thread
 * of its poller. socket_name, socket_accept and socket_discard may be called on any thread.
 *
 * The kernel tells each change once, whether it is watched or not, and the wire keeps it until it
 * is. WIRE_HANGUP is reported once, and after an error nothing is reported until the owner calls
 * wire_watch again. If only the peer's direction has ended, WIRE_FIN is reported, once, too.
 */
#ifndef MAILMUX_SOCKET_H
#define MAILMUX_SOCKET_H

#include "mailmux/address.h"
#include "mailmux/error.h"
#include "poller.h"
#include "wire.h"

/* What the kernel does by itself with a connection whose peer is silent. */
struct socket_options {
    unsigned keepalive_s; /* seconds of silence after which it probes the peer; 0: never */
    uint64_t patience_ms; /* see set_patience in net/wire.h; 0: the kernel's own */
};

/*
 * Gives the options to all connections that this listening descriptor will get: on Linux they have
 * them from it. Returns how many wait there already, which have those of before: the caller gives
 * them theirs by socket_set_options. It may return too many, never too few. Any thread.
 */
unsigned socket_prepare(int listener, const struct socket_options *options);

/* Gives a connection its options. Any thread. */
void socket_set_options(int fd, const struct socket_options *options);

/*
 * Returns a wire on a connected, non-blocking descriptor, or NULL without memory or descriptors.
 * The descriptor is taken in both cases: the wire owns it, or it is closed. options: those that it
 * has, by socket_prepare or socket_set_options.
 */
struct wire *socket_from_accepted(
    struct poller *poller, int fd, const struct socket_options *options);

/*
 * Begins to connect. Returns a wire, which the caller gives to a stream or closes with wire_close.
 * WIRE_WRITABLE is reported when the wire is connected or has failed (see stream_connected).
 * Returns NULL with an errno in *failure if it fails at once; EBUSY: the queue of a unix socket is
 * full. keepalive_s: as in struct socket_options.
 */
struct wire *socket_connect(
    struct poller *poller, const struct address *to, unsigned keepalive_s, int *failure);

/*
 * Writes our own address of the connection to *out. Returns false if the kernel does not know it
 * any more.
 */
bool socket_name(int fd, struct address *out);

/*
 * Takes the next connection off a listening descriptor. Returns its descriptor (non-blocking,
 * close-on-exec), which the caller owns, with the peer's address in *peer; or a negative errno.
 * -EAGAIN: no connection waits. -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: none can be taken now, because
 * descriptors or memory are lacking. A connection that is already gone is skipped.
 */
int socket_accept(int listener, struct address *peer);

/* Closes a descriptor that no wire has taken, with RST if reset. */
void socket_discard(int fd, bool reset);

#endif
