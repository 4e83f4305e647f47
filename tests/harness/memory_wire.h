/*
 * A wire in memory, with the test (or another wire) as the peer. What each receive and send moves,
 * and when it says IO_AGAIN, is scripted or drawn from a seed; what the stream's side does is
 * recorded. One thread. The memory is the test's: closing only marks it, memory_wire_deinit frees
 * what is inside.
 *
 * Readiness is told as the kernel tells it, level-triggered, but only when the test asks for it:
 * memory_wire_poll reports what is watched and true now.
 */
#ifndef MAILMUX_MEMORY_WIRE_H
#define MAILMUX_MEMORY_WIRE_H

#include "wire.h"

/* Bytes on their way, growing as needed. */
struct memory_bytes {
    char *data;
    size_t n;
    size_t cap;
};

/*
 * How many bytes a call moves at most. With `sizes` they are taken in turn, the last for ever (or,
 * as a cycle, from the first again); 0 is one IO_AGAIN. Otherwise with `random` (a seed, not 0): 0
 * to `most` bytes, where 0 is IO_AGAIN. Neither: no bound.
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
    struct wire wire;           /* first */
    struct memory_wire *peer;   /* NULL: the test feeds and takes */
    struct memory_bytes inbox;  /* what receive will give */
    struct memory_bytes outbox; /* what was sent; empty where there is a peer */
    struct memory_script receives;
    struct memory_script sends;
    size_t window; /* send takes no more while so much waits unread; 0: no bound */
    bool inbox_ended;
    int failure; /* errno of every receive (behind the inbox) and send; 0: none */
    int refusal; /* errno of connecting; 0: it is connected */
    /* What was seen: */
    unsigned receive_calls;
    unsigned send_calls;
    unsigned watch_calls;
    uint64_t patience_ms;
    bool finished;
    bool closed;
    bool closed_with_reset;
};

/* Readable and writable at once, as an accepted socket that has been written to. */
void memory_wire_init(struct memory_wire *wire);
/* The same, but the kernel has still to decide whether it is connected. */
void memory_wire_init_connecting(struct memory_wire *wire, int refusal);
/* Two ends of one connection. */
void memory_wire_init_pair(struct memory_wire *a, struct memory_wire *b);
void memory_wire_deinit(struct memory_wire *wire);

/* The peer says something, ends its direction, or vanishes with an errno (ECONNRESET). */
void memory_wire_feed(struct memory_wire *wire, struct slice bytes);
void memory_wire_feed_end(struct memory_wire *wire);
void memory_wire_fail(struct memory_wire *wire, int failure);

/* What has been sent and not dropped yet; valid until the wire is next used. */
struct slice memory_wire_sent(const struct memory_wire *wire);
/* The peer reads n bytes of it. */
void memory_wire_drop(struct memory_wire *wire, size_t n);

/* Both directions at once: one byte per call; or 0 (IO_AGAIN) to most bytes, drawn from the seed.
 */
void memory_wire_set_one_byte(struct memory_wire *wire);
void memory_wire_set_random(struct memory_wire *wire, uint64_t seed, size_t most);

/* What is true now, as enum wire_event. */
unsigned memory_wire_state(const struct memory_wire *wire);

/*
 * One turn of the loop: reports what is watched and true. Returns that, 0 when nothing was
 * reported. The callback may close the wire.
 */
unsigned memory_wire_poll(struct memory_wire *wire);

/* The bits as the kernel would have them, without a callback: for streams that no session owns. */
void memory_wire_refresh(struct memory_wire *wire);

/* The next number of a generator (xorshift); *state must not be 0. */
uint64_t memory_random(uint64_t *state);

#endif
