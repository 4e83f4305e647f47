/*
 * A wire in memory, whose peer is the test or another wire. A script or a seed decides how many
 * bytes each receive and send moves, and when it returns IO_AGAIN. The wire records what the stream
 * does with it. One thread. The struct is in the test's memory: close only marks it as closed, and
 * memory_wire_deinit frees what is inside.
 *
 * Readiness is level-triggered, as that of the kernel, but it is reported only when the test calls
 * memory_wire_poll.
 */
#ifndef MAILMUX_MEMORY_WIRE_H
#define MAILMUX_MEMORY_WIRE_H

#include "wire.h"

/* Bytes that have been sent and not been read; they grow as needed. */
struct memory_bytes {
    char *data;
    size_t n;
    size_t cap;
};

/*
 * How many bytes a call moves at most; 0 is an IO_AGAIN. With `sizes` each call takes the next one.
 * Behind the last one it begins anew if is_cycle, or else stays at the last. Without sizes, with
 * `random` (a seed, not 0), it draws a number from 0 to `most`. Without both there is no bound.
 */
struct memory_script {
    const size_t *sizes;
    size_t count;
    size_t next;
    bool is_cycle;
    uint64_t random;
    size_t most;
};

struct memory_wire {
    struct wire wire;           /* must be the first member */
    struct memory_wire *peer;   /* NULL: the test feeds and takes */
    struct memory_bytes inbox;  /* what receive will give */
    struct memory_bytes outbox; /* what was sent; empty where there is a peer */
    struct memory_script receives;
    struct memory_script sends;
    size_t window; /* send takes nothing while so many bytes wait unread; 0: no bound */
    bool inbox_ended;
    int failure;       /* errno of each send, and of each receive behind the inbox; 0: none */
    int refusal;       /* errno of connecting; 0: it succeeds */
    bool lacks_splice; /* its kernel has no way for a duct */
    /* What the stream has done: */
    unsigned receive_calls;
    unsigned send_calls;
    unsigned duct_calls; /* those of the receive calls that were by way of a duct */
    unsigned watch_calls;
    uint64_t patience_ms;
    bool finished;
    bool closed;
    bool closed_with_reset;
};

/* A connected wire, which the stream takes for readable and writable until it says IO_AGAIN. */
void memory_wire_init(struct memory_wire *wire);
/* A wire that is still connecting; refusal: see the member. */
void memory_wire_init_connecting(struct memory_wire *wire, int refusal);
/* Two wires that are the ends of one connection. */
void memory_wire_init_pair(struct memory_wire *a, struct memory_wire *b);
void memory_wire_deinit(struct memory_wire *wire);

/* The peer sends bytes, ends its direction, or breaks the connection with an errno (ECONNRESET). */
void memory_wire_feed(struct memory_wire *wire, struct slice bytes);
void memory_wire_feed_end(struct memory_wire *wire);
void memory_wire_fail(struct memory_wire *wire, int failure);

/* What was sent and not dropped yet; valid until the wire is used again. */
struct slice memory_wire_sent(const struct memory_wire *wire);
/* Drops n bytes of what was sent, as if the peer had read them. */
void memory_wire_drop(struct memory_wire *wire, size_t n);

/* Sets the scripts of both directions: one byte a call; or 0 to `most` bytes, by the seed. */
void memory_wire_set_one_byte(struct memory_wire *wire);
void memory_wire_set_random(struct memory_wire *wire, uint64_t seed, size_t most);

/* The events that are true now, bits of enum wire_event. */
unsigned memory_wire_state(const struct memory_wire *wire);

/*
 * One turn of the loop: reports the events that are watched and true, and returns them; 0: none.
 * The callback may close the wire.
 */
unsigned memory_wire_poll(struct memory_wire *wire);

/* Sets the wire's ready bits to what is true, without a callback: for streams without a session. */
void memory_wire_refresh(struct memory_wire *wire);

/* The next number of a generator (xorshift); *state must not be 0. */
uint64_t memory_random(uint64_t *state);

#endif
