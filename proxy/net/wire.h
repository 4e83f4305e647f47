/*
 * A wire carries bytes to and from one peer without blocking: a socket (net/socket.h), or memory in
 * tests. Streams stand on it, so that a whole session runs without a socket. Outside net a wire is
 * made, handed to a stream and closed by that; whatever else is to be known is asked of the stream.
 *
 * It belongs to one worker thread. The readiness bits are the wire's memory of what the kernel said
 * last: a call that would only learn EAGAIN is answered here, and a short read clears the bit
 * because the poll is level-triggered and will say when there is more.
 */
#ifndef MAILMUX_WIRE_H
#define MAILMUX_WIRE_H

#include "mailmux/address.h"
#include "mailmux/slice.h"

/* The answer of every call that moves bytes; how many, by pointer. */
enum io {
    IO_OK,    /* at least one byte moved, or the step is complete */
    IO_AGAIN, /* nothing moved: wait for readiness */
    IO_EOF,   /* the peer has ended its direction */
    IO_ERR    /* the connection is unusable */
};

enum wire_event {
    WIRE_READABLE = 1,
    WIRE_WRITABLE = 2,
    WIRE_HANGUP = 4, /* the peer is gone both ways, or has reset the connection */
    WIRE_FIN = 8     /* the peer has ended its direction; reported once, where HANGUP is watched */
};

struct wire;

/* What an implementation does. IO_ERR: errno says why. */
struct wire_ops {
    enum io (*receive)(struct wire *wire, char *into, size_t cap, size_t *got);
    enum io (*send)(struct wire *wire, struct slice bytes, size_t *sent);
    /* Ends our direction (FIN); the peer may still send. */
    void (*finish)(struct wire *wire);
    /* How it went with connecting, once it is writable: 0, or an errno. */
    int (*connect_result)(const struct wire *wire);
    /* Our own end; false where it is not known. */
    bool (*local_address)(const struct wire *wire, struct address *out);
    /* How many octets of what was sent the peer has not acknowledged. */
    size_t (*unacknowledged)(const struct wire *wire);
    /* The connection fails when the peer acknowledges nothing of what waits for it for so long. */
    void (*set_patience)(struct wire *wire, uint64_t ms);
    /* From now on report these events (a mask of enum wire_event), and no other. */
    void (*watch)(struct wire *wire, unsigned events);
    /* The end: nothing is reported any more, and the memory is freed when the loop allows it. With
     * reset the peer gets RST, not FIN. */
    void (*close)(struct wire *wire, bool reset);
};

/* events: what became true. May close the wire. */
typedef void wire_callback(void *owner, unsigned events);

/* The first member of every implementation. All of it is private to wire.c and the stream. */
struct wire {
    const struct wire_ops *ops;
    wire_callback *on_event;
    void *owner;
    unsigned ready;   /* READABLE and WRITABLE: worth a try; FIN: it was reported */
    unsigned watched; /* what ops->watch was last given */
    bool ended;       /* receive has said IO_EOF or IO_ERR */
    int error;        /* errno behind the last failure, or 0 */
    uint64_t received;
    uint64_t sent;
};

/* ---- For the stream ---- */

/*
 * Both wrap the operation of the same name with the readiness bits and the byte counts. A send that
 * fails does not end the other direction: what the peer said before is still received.
 */
enum io wire_receive(struct wire *wire, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));
enum io wire_send(struct wire *wire, struct slice bytes, size_t *sent)
    __attribute__((warn_unused_result));

/* IO_AGAIN: not yet. IO_ERR: it is not, and wire->error says why; what came may still be read. */
enum io wire_connected(struct wire *wire) __attribute__((warn_unused_result));

/*
 * Calls ops->watch when the mask differs: each change costs libuv two system calls. After the end
 * READABLE is left out: the end stays readable, and would be reported for ever.
 */
void wire_watch(struct wire *wire, unsigned events);

/* Nothing is reported any more. Also for a wire that no stream has taken. */
void wire_close(struct wire *wire, bool reset);

/* ---- For an implementation ---- */

/* ready: what is worth a try at once. */
void wire_init(struct wire *wire, const struct wire_ops *ops, unsigned ready);

/* The kernel (or the test) reports: sets the bits, and calls back, by which the wire may close. */
void wire_report(struct wire *wire, unsigned events);

/* Nothing is watched any more, because of an error: an errno, or 0 where it is not known. */
void wire_fail(struct wire *wire, int error);

#endif
