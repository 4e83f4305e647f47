#include "leg.h"

#include "socket.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct wire *leg_connect(
    struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure)
{
    return socket_connect(&engine->poller, to, keepalive_s, failure);
}

bool leg_lacks_means(int failure)
{
    switch (failure) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
    case EADDRNOTAVAIL:
        return true;
    default:
        return false;
    }
}

bool leg_reserve_output(struct engine *engine, struct buffer **output)
{
    if (!*output)
        *output = buffer_take(&engine->lines);
    return *output != NULL;
}

enum io leg_flush(struct engine *engine, struct stream *leg, struct buffer **output)
{
    enum io status = IO_OK;

    if (stream_has_held(leg))
        status = stream_flush(leg);
    while (status == IO_OK && buffer_held(*output).n > 0) {
        size_t put;

        status = stream_write(leg, buffer_held(*output), &put);
        if (status == IO_OK)
            buffer_consume(*output, put);
    }
    if (status == IO_OK)
        buffer_give_if_empty(&engine->lines, output);
    return status;
}

enum io leg_read(struct engine *engine, struct stream *leg, struct buffer **input)
{
    size_t room;
    size_t got;
    char *space;
    enum io status;

    if (!*input)
        *input = buffer_take(&engine->replies);
    if (!*input)
        return IO_ERR;
    space = buffer_space(*input, &room);
    if (room == 0)
        return IO_ERR;
    status = stream_read(leg, space, room, &got);
    if (status == IO_OK)
        buffer_filled(*input, got);
    return status == IO_EOF ? IO_ERR : status;
}

static unsigned writable_if_held(const struct stream *leg)
{
    return stream_has_held(leg) ? (unsigned)WIRE_WRITABLE : 0;
}

void leg_wait(struct engine *engine, struct stream *leg, struct buffer **input,
    struct buffer **output, bool for_output)
{
    buffer_give_if_empty(&engine->replies, input);
    buffer_give_if_empty(&engine->lines, output);
    stream_watch(leg,
        for_output ? (unsigned)WIRE_WRITABLE : (unsigned)WIRE_READABLE | writable_if_held(leg));
}

enum io leg_handshake(struct stream *leg)
{
    enum io status = stream_has_held(leg) ? stream_flush(leg) : IO_OK;

    if (status != IO_ERR)
        status = stream_handshake(leg);
    if (status == IO_AGAIN)
        stream_watch(leg, (unsigned)WIRE_READABLE | writable_if_held(leg));
    return status;
}

const char *leg_why(const struct stream *leg, const char *what, char out[LEG_WHY_MAX])
{
    if (leg->detail)
        (void)snprintf(out, LEG_WHY_MAX, "%s: %s", what, leg->detail);
    else if (leg->failure == STREAM_NOT_TLS)
        (void)snprintf(out, LEG_WHY_MAX, "%s: it answers in clear", what);
    else if (stream_error(leg) != 0)
        (void)snprintf(out, LEG_WHY_MAX, "%s: %s", what, strerror(stream_error(leg)));
    else
        (void)snprintf(out, LEG_WHY_MAX, "%s", what);
    return out;
}
