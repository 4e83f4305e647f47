/*
 * Moves bytes between the two streams of a session. A pipe is one direction, from its source to its
 * sink. It holds what was read and not used yet (only a dialog leaves any) and what the sink has
 * not taken yet. Buffers come from the engine's free lists when there is something to hold, and go
 * back when there is not. While something is held for a sink, its source is not read. One thread,
 * the session's.
 */
#ifndef MAILMUX_RELAY_H
#define MAILMUX_RELAY_H

#include "engine.h"

enum pipe_fault {
    PIPE_FINE,
    PIPE_SINK_GONE, /* the sink takes nothing; its output is dropped, the source is still read */
    PIPE_NO_MEMORY  /* something for the sink was lost */
};

/* What the sink has been told of the source's end. */
enum pipe_told {
    PIPE_UNTOLD,
    PIPE_SHUT, /* our end, behind the last byte */
    PIPE_TORN  /* nothing: the sink's close must be a reset, to pass a truncated end on */
};

enum {
    PIPE_TAIL = 160,            /* octets at the end of what a relay has passed that are kept */
    PIPE_READ_CLEAR = 48 * 1024 /* one read without TLS; what is more than that goes by a duct */
};

struct pipe {
    struct buffer *in;  /* read from the source, but not used by the dialog yet */
    struct buffer *out; /* waits for the sink */
    struct duct *duct;  /* waits for the sink, in the kernel; never beside `out` */
    enum pipe_fault fault;
    bool ended;      /* the source has ended its direction */
    bool truncated;  /* the end was not clean: RST, or TLS without close_notify */
    bool is_plain;   /* what stands in `in` is a message, and no command that may have a secret */
    bool is_opaque;  /* a relay: it is not known where its messages end */
    bool resets;     /* a truncated end reaches a sink in clear as RST: a FIN would look clean */
    bool may_splice; /* a relay, and the kernel can */
    bool keeps_tail; /* the tail will be looked at, so that the last octets are not spliced */
    enum pipe_told told;
    unsigned full_reads;  /* of a source in clear, one after the other; see relay.c */
    uint64_t bytes;       /* read from the source */
    uint64_t sent;        /* taken by the sink's stream */
    char tail[PIPE_TAIL]; /* see pipe_note_tail */
    size_t tail_len;
};

/*
 * Reads once from the source into `in`, which is taken from the pool if needed. Returns true if
 * anything came: bytes, the end, or a failure.
 */
bool pipe_fill(struct pipe *pipe, struct stream *source, struct buffer_pool *pool);

/* Returns whether pipe_fill has room. If not, the source must not be watched. */
bool pipe_has_room(const struct pipe *pipe);

/*
 * Makes sure that `out` has room for so many octets. Returns false if it has not: it is too full,
 * or there is no memory.
 */
bool pipe_reserve(struct pipe *pipe, struct engine *engine, size_t octets);

/* Writes or queues the bytes. There must be room for them (pipe_reserve). */
void pipe_send(struct pipe *pipe, struct stream *sink, struct slice bytes);

/* Queues the bytes, so that pipe_flush writes them with what follows them. As pipe_send. */
void pipe_hold(struct pipe *pipe, struct slice bytes);

/*
 * Keeps the last octets of what the relay passes on, for they tell how a session has ended. The
 * cost does not grow with the octets.
 */
void pipe_note_tail(struct pipe *pipe, struct slice passed);

/* Writes what is queued. Returns true if anything moved. */
bool pipe_flush(struct pipe *pipe, struct stream *sink, struct engine *engine);

/*
 * Writes what is queued, and ends our direction behind it, with TLS in one write (told is
 * PIPE_SHUT). If that cannot be, because not all is taken or nothing waits, it is pipe_flush.
 */
void pipe_flush_last(struct pipe *pipe, struct stream *sink, struct engine *engine);

/* Returns how many octets wait for the sink, without those that its stream holds. */
size_t pipe_waiting(const struct pipe *pipe);

/* Drops what waits for the sink, cleansed. */
void pipe_drop_output(struct pipe *pipe, struct engine *engine);

/* Returns whether something waits for the sink and may still get there. */
bool pipe_has_output(const struct pipe *pipe, const struct stream *sink);

/*
 * One turn of a relay in this direction: from source to sink, through the engine's scratch memory,
 * or through a duct where that takes less of the processor.
 * The end is passed on after the last byte. If the sink is gone, the source is still read and its
 * bytes are dropped, because a peer may begin to read only after it has sent all. A truncated end
 * of the server is not passed on by FIN to a client in clear, but by a reset when the client's leg
 * is closed. Returns true if it stopped to be fair, with more to do.
 */
bool pipe_pump(
    struct pipe *pipe, struct stream *source, struct stream *sink, struct engine *engine);

/*
 * Returns whether an end here would cut something off that the sink could take for the whole. Then
 * the end must not look clean.
 */
bool pipe_is_cut(const struct pipe *pipe, const struct stream *sink);

/* Gives the buffers back and cleanses them and the tail: they may have held secrets. */
void pipe_deinit(struct pipe *pipe, struct buffer_pool *in_pool, struct engine *engine);

#endif
