/*
 * Moving bytes between the two streams of a session. A pipe is one direction: what was read and not
 * consumed (only a dialog leaves any), and what is to be written and was not taken yet. Buffers
 * come from the engine's free lists when there is something to hold, and go back when there is not.
 * Back-pressure: while something is held for a side, the other side is not read.
 */
#ifndef MAILMUX_RELAY_H
#define MAILMUX_RELAY_H

#include "engine.h"

enum pipe_fault {
    PIPE_FINE,
    PIPE_SINK_GONE, /* the sink takes nothing: what is for it is dropped, the source still read */
    PIPE_NO_MEMORY  /* something for the sink was lost */
};

struct pipe {
    struct buffer *in;  /* read from the source; a dialog has not used it yet */
    struct buffer *out; /* for the sink */
    enum pipe_fault fault;
    bool ended;     /* the source has ended its direction */
    bool truncated; /* ... but not cleanly: by RST, or TLS without close_notify */
    bool is_opaque; /* a relay: only its source knows where a message in it ends */
    bool resets;    /* a truncated end is shown to a sink in clear by RST, as it cannot be by FIN */
    bool shut;      /* the end was passed on to the sink */
    bool is_torn;   /* ... but is still to be shown as none, by a reset at the sink's close */
    uint64_t bytes; /* read from the source */
    uint64_t sent;  /* taken by the sink's stream */
};

/*
 * Reads from the source into `in` once, a buffer of the given pool. Returns true when something
 * came: bytes, the end, or a failure.
 */
bool pipe_fill(struct pipe *pipe, struct stream *source, struct buffer_pool *pool);

/* pipe_fill could take something; else the source must not be watched. */
bool pipe_has_room(const struct pipe *pipe);

/* Room for so many octets in `out`, which is taken when there is none. False: not now, or never. */
bool pipe_reserve(struct pipe *pipe, struct engine *engine, size_t octets);

/* Queues or writes the bytes; there must be room for them. */
void pipe_send(struct pipe *pipe, struct stream *sink, struct slice bytes);

/* Writes what is queued. Returns true when something moved. */
bool pipe_flush(struct pipe *pipe, struct stream *sink, struct engine *engine);

/* Something waits for the sink, and may still get there. */
bool pipe_has_output(const struct pipe *pipe, const struct stream *sink);

/*
 * One turn of a relay in this direction: source to sink through the engine's scratch, and the end
 * passed on behind the last byte. Where the sink is gone the source is read on and its bytes are
 * dropped: it may not listen before it has said all. A truncated end of the server is passed on to
 * a client in clear by no FIN but the reset of its close. Returns true when it stopped for
 * fairness, with more to do.
 */
bool pipe_pump(
    struct pipe *pipe, struct stream *source, struct stream *sink, struct engine *engine);

/* Ended here the sink would have a part and take it for the whole: its end must not look clean. */
bool pipe_is_cut(const struct pipe *pipe, const struct stream *sink);

/* Gives the buffers back; what they held may be secret. */
void pipe_deinit(struct pipe *pipe, struct buffer_pool *in_pool, struct engine *engine);

#endif
