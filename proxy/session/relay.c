#include "relay.h"

#include <string.h>

/* reads of one direction before the other one, and other sessions, have their turn */
enum { PUMP_TURNS = 4, PUMP_TURNS_TLS = 2 /* they are larger, and each octet costs more */ };

/*
 * A duct takes less of the processor if much goes through it at once, and more if little does. So
 * it is taken where a read took all that it may so many times in a row, and no longer once so
 * little has come. The numbers are in docs/developer/decisions/0029-ducts.md.
 */
enum { SPLICE_AFTER = 16, SPLICE_LEAST = 16 * 1024 };

static void note_end(struct pipe *pipe, enum io status)
{
    pipe->ended = true;
    pipe->truncated = status != IO_EOF;
}

bool pipe_fill(struct pipe *pipe, struct stream *source, struct buffer_pool *pool)
{
    enum io status;
    size_t room;
    size_t got;
    char *space;

    if (pipe->ended || pipe->fault == PIPE_NO_MEMORY)
        return false;
    if (!pipe->in)
        pipe->in = buffer_take(pool);
    if (!pipe->in) {
        pipe->fault = PIPE_NO_MEMORY;
        return true; /* the caller looks at the fault */
    }
    space = buffer_space(pipe->in, &room);
    if (room == 0)
        return false;
    status = stream_read(source, space, room, &got);
    if (status == IO_AGAIN)
        return false;
    if (status == IO_OK) {
        buffer_filled(pipe->in, got);
        pipe->bytes += got;
    } else {
        note_end(pipe, status);
    }
    return true;
}

bool pipe_has_room(const struct pipe *pipe)
{
    return !pipe->in || buffer_room(pipe->in) > 0;
}

bool pipe_reserve(struct pipe *pipe, struct engine *engine, size_t octets)
{
    if (!pipe->out)
        pipe->out = buffer_take(&engine->replies);
    return pipe->out && buffer_room(pipe->out) >= octets;
}

/* Writes until the sink takes no more. Returns what is left. */
static struct slice write_to(struct pipe *pipe, struct stream *sink, struct slice bytes)
{
    if (!stream_is_open(sink))
        pipe->fault = PIPE_SINK_GONE;
    while (bytes.n > 0 && pipe->fault == PIPE_FINE) {
        size_t put;
        enum io status = stream_write(sink, bytes, &put);

        if (status == IO_AGAIN)
            break;
        if (status != IO_OK)
            pipe->fault = PIPE_SINK_GONE;
        bytes = slice_after(bytes, put);
        pipe->sent += put;
    }
    return bytes;
}

/* Writes the last octets, and with them our end. Returns what is left; then it has not ended. */
static struct slice write_last(
    struct pipe *pipe, struct stream *sink, struct slice bytes, bool truncated)
{
    size_t put;
    enum io status = stream_write_last(sink, bytes, truncated, &put);

    pipe->sent += put;
    if (status == IO_ERR)
        pipe->fault = PIPE_SINK_GONE;
    else if (put == bytes.n)
        pipe->told = PIPE_SHUT;
    return slice_after(bytes, put);
}

void pipe_send(struct pipe *pipe, struct stream *sink, struct slice bytes)
{
    if (pipe_waiting(pipe) == 0)
        bytes = write_to(pipe, sink, bytes);
    pipe_hold(pipe, bytes);
}

void pipe_hold(struct pipe *pipe, struct slice bytes)
{
    if (bytes.n > 0 && pipe->fault == PIPE_FINE && !buffer_append(pipe->out, bytes))
        pipe->fault = PIPE_NO_MEMORY;
}

void pipe_note_tail(struct pipe *pipe, struct slice passed)
{
    size_t added = passed.n < PIPE_TAIL ? passed.n : PIPE_TAIL;
    size_t room = PIPE_TAIL - added;
    size_t kept = pipe->tail_len < room ? pipe->tail_len : room;

    if (added == 0)
        return;
    memmove(pipe->tail, pipe->tail + pipe->tail_len - kept, kept);
    memcpy(pipe->tail + kept, passed.p + passed.n - added, added);
    pipe->tail_len = kept + added;
}

size_t pipe_waiting(const struct pipe *pipe)
{
    return buffer_held(pipe->out).n + duct_held(pipe->duct);
}

void pipe_drop_output(struct pipe *pipe, struct engine *engine)
{
    buffer_give_cleansed(&engine->replies, &pipe->out);
    duct_give(&engine->ducts, &pipe->duct);
}

/* Sends what the duct holds until the sink takes no more. An empty duct goes back. */
static void empty_duct(struct pipe *pipe, struct stream *sink, struct engine *engine)
{
    while (duct_held(pipe->duct) > 0 && pipe->fault == PIPE_FINE) {
        size_t put;
        enum io status = stream_write_from(sink, pipe->duct, &put);

        if (status == IO_AGAIN)
            return;
        if (status != IO_OK)
            pipe->fault = PIPE_SINK_GONE;
        pipe->sent += put;
    }
    duct_give(&engine->ducts, &pipe->duct);
}

bool pipe_flush(struct pipe *pipe, struct stream *sink, struct engine *engine)
{
    struct slice waiting = buffer_held(pipe->out);
    enum pipe_fault before = pipe->fault;
    uint64_t sent = pipe->sent;
    struct slice rest;
    bool moved = false;

    if (!stream_is_open(sink) || (!pipe->out && !pipe->duct && !stream_has_held(sink)))
        return false;
    if (pipe->fault == PIPE_FINE && stream_has_held(sink)) {
        enum io status = stream_flush(sink);

        if (status == IO_AGAIN)
            return false;
        if (status != IO_OK)
            pipe->fault = PIPE_SINK_GONE;
        moved = true;
    }
    rest = write_to(pipe, sink, waiting);
    if (rest.n == 0 || pipe->fault != PIPE_FINE)
        buffer_give_cleansed(&engine->replies, &pipe->out);
    else
        buffer_consume(pipe->out, waiting.n - rest.n);
    empty_duct(pipe, sink, engine);
    return moved || pipe->sent > sent || pipe->fault != before;
}

void pipe_flush_last(struct pipe *pipe, struct stream *sink, struct engine *engine)
{
    struct slice waiting = buffer_held(pipe->out);

    if (waiting.n > 0 && pipe->fault == PIPE_FINE && pipe->told == PIPE_UNTOLD &&
        !pipe->is_opaque && stream_is_open(sink) && !stream_has_held(sink))
        buffer_consume(pipe->out, waiting.n - write_last(pipe, sink, waiting, false).n);
    (void)pipe_flush(pipe, sink, engine);
}

bool pipe_has_output(const struct pipe *pipe, const struct stream *sink)
{
    return pipe->fault == PIPE_FINE &&
           (pipe_waiting(pipe) > 0 || (stream_is_open(sink) && stream_has_held(sink)));
}

bool pipe_is_cut(const struct pipe *pipe, const struct stream *sink)
{
    return pipe->told == PIPE_TORN || pipe->fault == PIPE_NO_MEMORY ||
           (pipe->is_opaque && pipe->told == PIPE_UNTOLD) || pipe_has_output(pipe, sink);
}

/* Returns whether the end of the source is passed on as an end, clean or (in TLS) truncated. */
static bool is_shut(const struct pipe *pipe, const struct stream *sink)
{
    return !pipe->truncated || !pipe->resets || stream_is_tls(sink);
}

/*
 * Passes on what was read, and the source's end if it is known already. What the sink does not take
 * is queued, and then nothing more is read.
 */
static void pass_on(struct pipe *pipe, struct stream *sink, struct engine *engine, struct slice got)
{
    struct slice rest = got;

    if (pipe->ended && pipe->told == PIPE_UNTOLD && pipe->fault == PIPE_FINE &&
        stream_is_open(sink) && is_shut(pipe, sink))
        rest = write_last(pipe, sink, rest, pipe->truncated);
    if (pipe->told != PIPE_SHUT)
        rest = write_to(pipe, sink, rest);
    if (rest.n > 0 && pipe->fault == PIPE_FINE &&
        (!pipe_reserve(pipe, engine, rest.n) || !buffer_append(pipe->out, rest)))
        pipe->fault = PIPE_NO_MEMORY;
}

/* Passes the end of the source on to the sink, once. */
static void pass_end_on(struct pipe *pipe, struct stream *sink)
{
    if (pipe->told != PIPE_UNTOLD || pipe->fault != PIPE_FINE)
        return;
    pipe->told = is_shut(pipe, sink) ? PIPE_SHUT : PIPE_TORN;
    if (pipe->told == PIPE_SHUT)
        stream_shutdown(sink, pipe->truncated);
}

static bool is_in_clear(const struct stream *source, const struct stream *sink)
{
    return !stream_is_tls(source) && !stream_is_tls(sink);
}

/* Reads up to cap octets into the scratch memory, on to the end if the kernel has it already. */
static enum io read_some(
    struct pipe *pipe, struct stream *source, struct engine *engine, size_t cap, size_t *got)
{
    enum io first = stream_read(source, engine->scratch, cap, got);
    enum io status = first;

    while (status == IO_OK && stream_is_last(source) && *got < cap) {
        size_t more;

        status = stream_read(source, engine->scratch + *got, cap - *got, &more);
        *got += more;
    }
    if (status == IO_EOF || status == IO_ERR)
        note_end(pipe, status);
    return first;
}

static enum io copy(
    struct pipe *pipe, struct stream *source, struct stream *sink, struct engine *engine)
{
    size_t cap = is_in_clear(source, sink) ? (size_t)PIPE_READ_CLEAR : sizeof(engine->scratch);
    size_t got;
    enum io status = read_some(pipe, source, engine, cap, &got);

    pipe->full_reads = got == cap ? pipe->full_reads + 1 : 0;
    if (status != IO_OK)
        return status;
    pipe->bytes += got;
    pipe_note_tail(pipe, slice_of(engine->scratch, got));
    pass_on(pipe, sink, engine, slice_of(engine->scratch, got));
    return IO_OK;
}

/*
 * How many octets the next splice may take. Those that wait last stay where they are, for one of
 * them may be the last of all: then they are copied, and the tail is known.
 */
static size_t splice_cap(const struct pipe *pipe, const struct stream *source)
{
    size_t waiting;

    if (!pipe->keeps_tail)
        return DUCT_READ;
    waiting = stream_waiting(source);
    if (waiting < SPLICE_LEAST + PIPE_TAIL)
        return 0;
    waiting -= PIPE_TAIL;
    return waiting < DUCT_READ ? waiting : DUCT_READ;
}

/* What the sink does not take stays in the duct. A kernel that cannot do it is not asked again. */
static enum io splice_on(struct pipe *pipe, struct stream *source, struct stream *sink,
    struct engine *engine, size_t cap)
{
    size_t got;
    enum io status = stream_read_into(source, pipe->duct, cap, &got);

    if (status == IO_OK && got == 0) {
        pipe->may_splice = false;
        duct_give(&engine->ducts, &pipe->duct);
        return copy(pipe, source, sink, engine);
    }
    if (got > 0)
        pipe->tail_len = 0; /* what stands there is not the end any more */
    if (got < SPLICE_LEAST)
        pipe->full_reads = 0;
    pipe->bytes += got;
    empty_duct(pipe, sink, engine);
    return status;
}

/* Takes a duct if there is use for one. Returns how many octets may go into it, or 0. */
static size_t take_duct(struct pipe *pipe, const struct stream *source, const struct stream *sink,
    struct engine *engine)
{
    size_t cap;

    if (!pipe->may_splice || pipe->full_reads < SPLICE_AFTER || pipe->fault != PIPE_FINE ||
        !is_in_clear(source, sink) || stream_is_last(source))
        return 0; /* by splice an urgent octet would stand in the way of all behind it */
    cap = splice_cap(pipe, source);
    if (cap > 0)
        pipe->duct = duct_take(&engine->ducts);
    if (!pipe->duct)
        pipe->full_reads = 0; /* perhaps later */
    return pipe->duct ? cap : 0;
}

bool pipe_pump(struct pipe *pipe, struct stream *source, struct stream *sink, struct engine *engine)
{
    int turns = is_in_clear(source, sink) ? PUMP_TURNS : PUMP_TURNS_TLS;

    for (int turn = 0; turn < turns; turn++) {
        enum io status;
        size_t cap;

        (void)pipe_flush(pipe, sink, engine);
        if (pipe->fault == PIPE_NO_MEMORY || pipe_has_output(pipe, sink))
            return false;
        if (pipe->ended) {
            pass_end_on(pipe, sink);
            return false;
        }
        cap = take_duct(pipe, source, sink, engine);
        status =
            cap > 0 ? splice_on(pipe, source, sink, engine, cap) : copy(pipe, source, sink, engine);
        if (status == IO_AGAIN)
            return false;
        if (status != IO_OK)
            note_end(pipe, status); /* what is held goes out before the end */
    }
    return true;
}

void pipe_deinit(struct pipe *pipe, struct buffer_pool *in_pool, struct engine *engine)
{
    buffer_give_cleansed(in_pool, &pipe->in);
    pipe_drop_output(pipe, engine);
    explicit_bzero(pipe->tail, sizeof(pipe->tail));
    pipe->tail_len = 0;
}
