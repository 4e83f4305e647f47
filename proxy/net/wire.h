/*
 * A wire carries bytes to and from one peer without blocking. It is a socket (net/socket.h), or
 * memory in tests, so that a whole session runs without a socket. A stream stands on it. Code
 * outside net makes a wire and hands it to a stream, which owns and closes it; everything else is
 * asked of the stream.
 *
 * A wire belongs to one worker thread. Its readiness bits remember what the kernel said last, and
 * it says each change once: a call that could only learn EAGAIN is answered without a system call.
 * A short read or write clears the bit, because the kernel then reports when there is more.
 */
#ifndef MAILMUX_WIRE_H
#define MAILMUX_WIRE_H

#include "duct.h"
#include "mailmux/address.h"
#include "mailmux/slice.h"

/* The result of a call that moves bytes. The number of bytes goes out by pointer. */
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

/* The operations of an implementation. After IO_ERR errno says why. */
struct wire_ops {
    enum io (*receive)(struct wire *wire, char *into, size_t cap, size_t *got);
    enum io (*send)(struct wire *wire, struct slice bytes, size_t *sent);
    /*
     * The same by way of a duct: up to cap octets from the wire into one that is empty, and all
     * that one holds to the wire.
     */
    enum io (*receive_into)(struct wire *wire, struct duct *duct, size_t cap, size_t *got);
    enum io (*send_from)(struct wire *wire, struct duct *duct, size_t *sent);
    /* Ends our direction (FIN); the peer may still send. */
    void (*finish)(struct wire *wire);
    /* The result of connecting, once the wire is writable: 0 or an errno. */
    int (*connect_result)(const struct wire *wire);
    /* Writes our own address. Returns false if it is not known. */
    bool (*local_address)(const struct wire *wire, struct address *out);
    /* Returns how many octets a receive would find now, at least. */
    size_t (*waiting)(const struct wire *wire);
    /* Returns how many octets the peer has not acknowledged yet. */
    size_t (*unacknowledged)(const struct wire *wire);
    /*
     * From now on the connection fails when octets wait for the peer and it acknowledges nothing
     * for `ms` milliseconds.
     */
    void (*set_patience)(struct wire *wire, uint64_t ms);
    /*
     * Reports these events from now on (a mask of enum wire_event), and no others. Called when the
     * mask has changed, or when some of it is ready already, which is then reported in the next
     * turn of the loop.
     */
    void (*watch)(struct wire *wire, unsigned events);
    /*
     * Closes the connection, with RST instead of FIN if reset, and frees the memory. Nothing is
     * reported afterwards.
     */
    void (*close)(struct wire *wire, bool reset);
};

/* events: what became true. The callback may close the wire. */
typedef void wire_callback(void *owner, unsigned events);

/* The first member of every implementation. It is private to wire.c and the stream. */
struct wire {
    const struct wire_ops *ops;
    wire_callback *on_event;
    void *owner;
    unsigned ready;   /* READABLE, WRITABLE: worth a try; FIN: it was reported */
    unsigned watched; /* what ops->watch was last given */
    bool ended;       /* receive has said IO_EOF or IO_ERR */
    bool is_last;     /* the peer has ended, or marked octets as urgent: see wire_receive */
    bool ends_next;   /* our end follows what is sent: it may wait for that, to go with it */
    int error;        /* errno of the last failure, or 0 */
    uint64_t received;
    uint64_t sent;
};

/* ---- For the stream ---- */

/*
 * These two call the operation of the same name if the readiness bits allow it, and count the
 * bytes. A send that fails does not end the other direction: what the peer has sent before can
 * still be received. Behind a short read there may be the end, or octets behind urgent ones, which
 * are not reported again: with is_last the next call looks.
 */
enum io wire_receive(struct wire *wire, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));
enum io wire_send(struct wire *wire, struct slice bytes, size_t *sent)
    __attribute__((warn_unused_result));

/*
 * The same by way of a duct, whose count they keep. It must be empty for the first, and hold
 * something for the second. A short read or write says less than those of wire_receive and
 * wire_send: the duct may have been full. So only IO_AGAIN clears the readiness. Not for a wire
 * with is_last, as a splice stops at an urgent octet. IO_OK with nothing received: the kernel
 * cannot do it, and nothing has changed.
 */
enum io wire_receive_into(struct wire *wire, struct duct *duct, size_t cap, size_t *got)
    __attribute__((warn_unused_result));
enum io wire_send_from(struct wire *wire, struct duct *duct, size_t *sent)
    __attribute__((warn_unused_result));

/*
 * Returns IO_OK when the wire is connected, and IO_AGAIN while it still connects. IO_ERR: it is not
 * connected, and wire->error says why; what the peer has sent before can still be received.
 */
enum io wire_connected(struct wire *wire) __attribute__((warn_unused_result));

/*
 * From now on these events are reported, and no others. What is ready is reported in the next turn;
 * an owner that has left something of it undone calls this again, with the same events. READABLE is
 * left out once the peer has ended: the end stays readable, and would be reported for ever.
 */
void wire_watch(struct wire *wire, unsigned events);

/*
 * Closes the wire and frees it. Nothing is reported afterwards. This is also the way to close a
 * wire that no stream has taken.
 */
void wire_close(struct wire *wire, bool reset);

/* ---- For an implementation ---- */

/* Initialises the base. ready: which calls are worth a try at once. */
void wire_init(struct wire *wire, const struct wire_ops *ops, unsigned ready);

/*
 * Sets the readiness bits and calls back. The callback may close the wire, so the caller must not
 * touch it afterwards.
 */
void wire_report(struct wire *wire, unsigned events);

/* Says that an error has stopped all watching. error: an errno, or 0 if it is not known. */
void wire_fail(struct wire *wire, int error);

#endif
