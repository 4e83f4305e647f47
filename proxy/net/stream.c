#include "stream.h"

#include "tls.h"
#include "tls_client.h"
#include "tls_kept.h"
#include "tls_lean_parts.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/*
 * Returns whether an end that was read is really a reset. A send that fails takes the error from
 * the socket, so that the end after a reset looks like any other end. The error of the send tells
 * them apart: EPIPE means that the peer's FIN had come before, and the end is clean.
 */
static bool is_reset_behind_write(const struct stream *stream)
{
    return stream->unwritable && stream->wire->error != EPIPE;
}

static enum io note_read(struct stream *stream, enum io status)
{
    if (status == IO_EOF && is_reset_behind_write(stream))
        status = IO_ERR;
    if (status == IO_ERR)
        stream->failure = STREAM_RESET;
    return status;
}

static enum io plain_read(struct stream *stream, char *into, size_t cap, size_t *got)
{
    return note_read(stream, wire_receive(stream->wire, into, cap, got));
}

/* After a write has failed: drops all output that waits. */
static void lose_output(struct stream *stream)
{
    stream->unwritable = true;
    stream->finish_due = false;
    buffer_give(stream->context->pool, &stream->held);
}

static enum io note_write(struct stream *stream, enum io status)
{
    if (status == IO_ERR)
        lose_output(stream);
    return status;
}

static enum io plain_write(struct stream *stream, struct slice bytes, size_t *put)
{
    return note_write(stream, wire_send(stream->wire, bytes, put));
}

static void on_wire_event(void *owner, unsigned events)
{
    struct stream *stream = owner;

    if (stream->on_event)
        stream->on_event(stream->owner, stream, events);
}

void stream_open(struct stream *stream, const struct stream_context *context, struct wire *wire,
    stream_callback *on_event, void *owner)
{
    *stream =
        (struct stream){.wire = wire, .context = context, .on_event = on_event, .owner = owner};
    wire->on_event = on_wire_event;
    wire->owner = stream;
}

void stream_watch(struct stream *stream, unsigned events)
{
    wire_watch(stream->wire, events);
}

unsigned stream_watched(const struct stream *stream)
{
    return stream->wire->watched;
}

enum io stream_connected(struct stream *stream)
{
    return wire_connected(stream->wire);
}

bool stream_local_address(const struct stream *stream, struct address *out)
{
    return stream->wire->ops->local_address(stream->wire, out);
}

void stream_set_patience(struct stream *stream, uint64_t ms)
{
    stream->wire->ops->set_patience(stream->wire, ms);
}

enum io stream_handshake(struct stream *stream)
{
    /* Output that did not fit goes first: the peer says nothing before it has all of it. */
    if (stream_flush(stream) == IO_ERR && stream->failure == STREAM_FINE)
        stream->failure = STREAM_RESET;
    if (stream->failure != STREAM_FINE)
        return IO_ERR;
    return stream->ssl ? tls_handshake(stream) : IO_OK;
}

enum io stream_read(struct stream *stream, char *into, size_t cap, size_t *got)
{
    *got = 0;
    if (stream->failure != STREAM_FINE)
        return IO_ERR;
    if (stream->leaves)
        tls_take_over(stream);
    if (stream->lean)
        return tls_lean_read(stream, into, cap, got);
    return stream->ssl ? tls_read(stream, into, cap, got) : plain_read(stream, into, cap, got);
}

enum io stream_write(struct stream *stream, struct slice bytes, size_t *put)
{
    *put = 0;
    if (stream->failure != STREAM_FINE || stream->finished || stream->unwritable)
        return IO_ERR;
    if (bytes.n == 0)
        return IO_OK;
    if (stream->held)
        return IO_AGAIN;
    if (stream->lean)
        return tls_lean_write(stream, bytes, put);
    return stream->ssl ? tls_write(stream, bytes, put) : plain_write(stream, bytes, put);
}

size_t stream_waiting(const struct stream *stream)
{
    return stream->wire->ops->waiting(stream->wire);
}

enum io stream_read_into(struct stream *stream, struct duct *duct, size_t cap, size_t *got)
{
    *got = 0;
    if (stream->failure != STREAM_FINE)
        return IO_ERR;
    return note_read(stream, wire_receive_into(stream->wire, duct, cap, got));
}

enum io stream_write_from(struct stream *stream, struct duct *duct, size_t *put)
{
    *put = 0;
    if (stream->failure != STREAM_FINE || stream->finished || stream->unwritable)
        return IO_ERR;
    return note_write(stream, wire_send_from(stream->wire, duct, put));
}

enum io stream_flush(struct stream *stream)
{
    while (stream->held) {
        size_t sent = 0;
        enum io status = wire_send(stream->wire, buffer_held(stream->held), &sent);

        if (status == IO_ERR)
            lose_output(stream);
        if (status != IO_OK)
            return status;
        buffer_consume(stream->held, sent);
        if (buffer_held(stream->held).n == 0)
            buffer_give(stream->context->pool, &stream->held);
    }
    if (stream->finish_due) {
        stream->finish_due = false;
        stream->wire->ops->finish(stream->wire);
    }
    return stream->unwritable ? IO_ERR : IO_OK;
}

size_t stream_held(const struct stream *stream)
{
    return buffer_held(stream->held).n;
}

bool stream_is_tls(const struct stream *stream)
{
    return stream->ssl || stream->lean;
}

void stream_leave_library(struct stream *stream)
{
    stream->leaves = stream->secrets != NULL;
}

void stream_set_secret(struct stream *stream, bool is_secret)
{
    if (stream->ssl)
        tls_set_secret(stream, is_secret);
}

bool stream_awaits_hello(const struct stream *stream)
{
    return stream->ssl && stream->service && !stream->handshaken && !stream->hello &&
           stream->failure == STREAM_FINE;
}

int stream_error(const struct stream *stream)
{
    return stream->wire ? stream->wire->error : 0;
}

const char *stream_said_in_clear(const struct stream *stream)
{
    return stream->clear;
}

bool stream_peer_finished(const struct stream *stream)
{
    return (stream->wire->ready & WIRE_FIN) != 0;
}

bool stream_is_last(const struct stream *stream)
{
    return stream->wire->is_last;
}

bool stream_has_ended(const struct stream *stream)
{
    return stream->wire->ended;
}

uint64_t stream_received(const struct stream *stream)
{
    return stream->wire->received;
}

uint64_t stream_delivered(const struct stream *stream)
{
    size_t under_way = stream->wire->ops->unacknowledged(stream->wire);

    return stream->wire->sent > under_way ? stream->wire->sent - under_way : 0;
}

uint64_t stream_unacknowledged(const struct stream *stream)
{
    return stream->wire->ops->unacknowledged(stream->wire);
}

bool stream_is_delivered(const struct stream *stream)
{
    return !stream->held && stream_unacknowledged(stream) == 0;
}

void stream_note_reset(struct stream *stream)
{
    if (stream->failure == STREAM_FINE)
        stream->failure = STREAM_RESET;
}

enum io stream_read_raw(struct stream *stream, char *into, size_t cap, size_t *got)
{
    return wire_receive(stream->wire, into, cap, got);
}

void stream_shutdown(struct stream *stream, bool truncated)
{
    if (stream->finished)
        return;
    stream->wire->ends_next = true;
    if (!truncated && stream->failure == STREAM_FINE && stream->lean)
        tls_lean_shut_down(stream);
    else if (!truncated && stream->failure == STREAM_FINE && stream->handshaken)
        tls_shut_down(stream);
    stream->wire->ends_next = false;
    stream->finished = true;
    stream->finish_due = true;
    /* IO_AGAIN: stream_flush sends the FIN later. IO_ERR: no peer is left to read it. */
    if (stream_flush(stream) == IO_ERR)
        stream->finish_due = false;
}

enum io stream_write_last(struct stream *stream, struct slice bytes, bool truncated, size_t *put)
{
    enum io status;

    stream->gathers = stream_is_tls(stream);
    stream->wire->ends_next = true;
    status = stream_write(stream, bytes, put);
    stream->gathers = false;
    if (stream_is_tls(stream) && (truncated || status != IO_OK || *put < bytes.n))
        (void)tls_cork_flush(stream); /* the stream notes a failure */
    stream->wire->ends_next = false;
    if (status == IO_OK && *put == bytes.n)
        stream_shutdown(stream, truncated);
    return status;
}

void stream_close(struct stream *stream, bool reset)
{
    if (!stream->wire)
        return;
    SSL_free(stream->ssl);
    tls_lean_free(stream, &stream->lean);
    tls_secrets_free(&stream->secrets);
    tls_place_leave(&stream->place);
    tls_client_unref(&stream->client);
    free(stream->detail);
    free(stream->server_name);
    free(stream->hello);
    free(stream->hint);
    free(stream->clear);
    buffer_give(stream->context->pool, &stream->held);
    buffer_give_cleansed(stream->context->pool, &stream->prefix);
    wire_close(stream->wire, reset);
    *stream = (struct stream){0};
}
