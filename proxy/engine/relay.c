#include "relay.h"

/* Reads of one direction before the other, and other sessions, have their turn. */
enum { PUMP_TURNS = 4 };

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

    if (pipe->ended || pipe->failed)
        return false;
    if (!pipe->in)
        pipe->in = buffer_take(pool);
    if (!pipe->in) {
        pipe->failed = true;
        return true;
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

void pipe_send(struct pipe *pipe, struct stream *sink, struct slice bytes)
{
    while (bytes.n > 0 && !pipe->failed && buffer_held(pipe->out).n == 0) {
        size_t put;
        enum io status = stream_write(sink, bytes, &put);

        if (status == IO_AGAIN)
            break;
        if (status != IO_OK) {
            pipe->failed = true;
            return;
        }
        bytes = slice_after(bytes, put);
    }
    if (bytes.n > 0 && !pipe->failed)
        pipe->failed = !buffer_append(pipe->out, bytes);
}

bool pipe_flush(struct pipe *pipe, struct stream *sink, struct engine *engine)
{
    struct slice waiting = buffer_held(pipe->out);
    bool moved = false;

    if (pipe->failed || !sink->ops)
        return false;
    if (stream_has_held(sink)) {
        enum io status = stream_flush(sink);

        if (status == IO_AGAIN)
            return false;
        pipe->failed = status != IO_OK;
        moved = true;
    }
    while (waiting.n > 0 && !pipe->failed) {
        size_t put;
        enum io status = stream_write(sink, waiting, &put);

        if (status == IO_AGAIN)
            return moved;
        if (status != IO_OK) {
            pipe->failed = true;
            return true;
        }
        buffer_consume(pipe->out, put);
        waiting = buffer_held(pipe->out);
        moved = true;
    }
    if (pipe->out && waiting.n == 0)
        buffer_give_cleansed(&engine->replies, &pipe->out);
    return moved;
}

bool pipe_has_output(const struct pipe *pipe, const struct stream *sink)
{
    return !pipe->failed && (buffer_held(pipe->out).n > 0 || (sink->ops && stream_has_held(sink)));
}

/* What the sink does not take at once is held, and then nothing more is read. */
static void pass_on(struct pipe *pipe, struct stream *sink, struct engine *engine, struct slice got)
{
    while (got.n > 0) {
        size_t put;
        enum io status = stream_write(sink, got, &put);

        if (status == IO_AGAIN)
            break;
        if (status != IO_OK) {
            pipe->failed = true;
            return;
        }
        got = slice_after(got, put);
    }
    if (got.n > 0)
        pipe->failed = !pipe_reserve(pipe, engine, got.n) || !buffer_append(pipe->out, got);
}

bool pipe_pump(struct pipe *pipe, struct stream *source, struct stream *sink, struct engine *engine)
{
    for (int turn = 0; turn < PUMP_TURNS; turn++) {
        enum io status;
        size_t got;

        (void)pipe_flush(pipe, sink, engine);
        if (pipe->failed || pipe_has_output(pipe, sink))
            return false;
        if (pipe->ended) {
            if (!pipe->shut)
                stream_shutdown(sink, pipe->truncated);
            pipe->shut = true;
            return false;
        }
        status = stream_read(source, engine->scratch, sizeof(engine->scratch), &got);
        if (status == IO_AGAIN)
            return false;
        if (status != IO_OK) {
            note_end(pipe, status);
            continue;
        }
        pipe->bytes += got;
        pass_on(pipe, sink, engine, slice_of(engine->scratch, got));
    }
    return true;
}

void pipe_deinit(struct pipe *pipe, struct buffer_pool *in_pool, struct engine *engine)
{
    buffer_give_cleansed(in_pool, &pipe->in);
    buffer_give_cleansed(&engine->replies, &pipe->out);
}
