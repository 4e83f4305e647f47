/*
 * A wire carries bytes to and from one peer without blocking: a socket (net/socket.h), or memory in
 * tests. Streams stand on it, TLS too, so that a whole session runs without a socket.
 *
 * It belongs to one worker thread. The readiness bits are the wire's memory of what the kernel said
 * last: a call that would only learn EAGAIN is answered here, and a short read clears the bit
 * because the poll is level-triggered and will say when there is more.
 */
#ifndef MAILMUX_WIRE_H
#define MAILMUX_WIRE_H

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
    WIRE_HANGUP = 4, /* the peer is gone both ways, or reset */
    WIRE_FIN = 8     /* the peer has ended its direction; told once to whoever watches HANGUP */
};

struct wire;

struct wire_ops {
    enum io (*receive)(struct wire *wire, char *into, size_t cap, size_t *got);
    enum io (*send)(struct wire *wire, struct slice bytes, size_t *sent);
    /* Ends our direction (FIN); the peer may still send. */
    void (*finish)(struct wire *wire);
    /* How many octets of what was sent the peer has not acknowledged. */
    size_t (*unacknowledged)(const struct wire *wire);
    /* The connection fails when the peer acknowledges nothing of what waits for it for so long. */
    void (*set_patience)(struct wire *wire, uint64_t ms);
    /* From now on report these events (a mask of enum wire_event), and no other. */
    void (*watch)(struct wire *wire, unsigned events);
    /* The end: no further callback, the memory is freed when the loop allows. reset: RST, not FIN.
     */
    void (*close)(struct wire *wire, bool reset);
};

/* events: what became true. May close the wire. */
typedef void wire_callback(void *owner, struct wire *wire, unsigned events);

struct wire {
    const struct wire_ops *ops;
    wire_callback *on_event;
    void *owner;
    unsigned ready;   /* READABLE and WRITABLE: worth a try; FIN: it was told */
    unsigned watched; /* what ops->watch was last told */
    bool ended;       /* receive has said IO_EOF or IO_ERR */
    int error;        /* errno behind the last IO_ERR, or 0 */
    uint64_t received;
    uint64_t sent;
};

/*
 * Both wrap the operation of the same name with the readiness bits and the byte counts. A send that
 * fails does not end the other direction: what the peer said before is still received.
 */
enum io wire_receive(struct wire *wire, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));
enum io wire_send(struct wire *wire, struct slice bytes, size_t *sent)
    __attribute__((warn_unused_result));

/* What has reached the peer so far; more of it is progress. */
uint64_t wire_delivered(const struct wire *wire);

/* Calls ops->watch when the mask differs: each change costs libuv two system calls. */
void wire_watch(struct wire *wire, unsigned events);

/* What an implementation calls when the kernel (or the test) reports: sets the bits, calls back. */
void wire_report(struct wire *wire, unsigned events);

#endif
