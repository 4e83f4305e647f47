/* Reading and writing of a stream that has left the library. */
#include "tls_lean.h"

#include "mailmux/check.h"
#include "tls.h"
#include "tls_lean_parts.h"
#include <stdlib.h>
#include <string.h>

enum {
    IDLE_RESTS = 16,
    EMPTY_RECORDS_MAX = 32, /* records without data in a row that the wire has at once */
    WRITE_ROOM = RECORD_CONTENT_MAX + RECORD_OVERHEAD + LEAN_MESSAGE_KEPT + RECORD_OVERHEAD
};

struct tls_lean_tools *tls_lean_tools_new(void)
{
    struct tls_lean_tools *tools = malloc(sizeof(*tools)); /* wire is not touched before its use */

    if (!tools)
        return NULL;
    if (!record_tools_init(&tools->records)) {
        free(tools);
        return NULL;
    }
    buffer_pool_init(&tools->rests, RECORD_WIRE_MAX, IDLE_RESTS);
    return tools;
}

void tls_lean_tools_free(struct tls_lean_tools *tools)
{
    if (!tools)
        return;
    record_tools_deinit(&tools->records);
    buffer_pool_deinit(&tools->rests);
    free(tools);
}

void tls_lean_free(struct stream *stream, struct tls_lean **pointer)
{
    struct tls_lean *lean = *pointer;

    *pointer = NULL;
    if (!lean)
        return;
    traffic_end(&lean->in, &stream->context->lean->records);
    traffic_end(&lean->out, &stream->context->lean->records);
    buffer_give_cleansed(&stream->context->lean->rests, &lean->rest);
    free(lean);
}

/*
 * Seals a record behind what the cork holds. There must be room. Returns false, and the stream has
 * failed, if the library fails.
 */
static bool seal(struct stream *stream, enum record_type type, struct slice content)
{
    struct cork *cork = stream->context->cork;
    size_t n = 0;

    if (check_holds(CORK_SIZE - cork->n >= content.n + RECORD_OVERHEAD))
        n = record_seal(&stream->lean->out, &stream->context->lean->records, type, content,
            cork->bytes + cork->n);
    cork->n += n;
    if (n == 0 && stream->failure == STREAM_FINE) {
        stream->failure = STREAM_TLS_PROTOCOL;
        tls_set_detail(stream, "a record could not be sealed", "");
    }
    return n > 0;
}

/* Fails the stream: says the alert to the peer and keeps the text for the log. */
static void fail(struct stream *stream, unsigned char alert, const char *text)
{
    const char record[] = {2 /* fatal */, (char)alert};

    if (stream->failure != STREAM_FINE)
        return;
    if (!stream->unwritable && !stream->finished)
        (void)seal(stream, RECORD_TYPE_ALERT, slice_of(record, sizeof(record)));
    stream->failure = STREAM_TLS_PROTOCOL;
    tls_set_detail(stream, text, "");
}

/*
 * Sends our KeyUpdate if it is due. It may wait for the next octets that are sent [RFC 8446 4.6.3],
 * and one answers all of the peer's.
 */
static void answer(struct stream *stream)
{
    static const char update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_NOT_REQUESTED};
    struct tls_lean *lean = stream->lean;

    if (!lean->answer_due)
        return;
    lean->answer_due = false;
    if (seal(stream, RECORD_TYPE_HANDSHAKE, slice_of(update, sizeof(update))) &&
        !traffic_update(&lean->out, &stream->context->lean->records))
        fail(stream, SSL_AD_INTERNAL_ERROR, "the next keys could not be made");
}

/* Fails the stream with a record that cannot be opened. */
static void refuse(struct stream *stream, enum record_result result)
{
    static const struct {
        unsigned char alert;
        const char *text;
    } faults[] = {[RECORD_BAD_FAMILY] = {SSL_AD_PROTOCOL_VERSION, "wrong version number"},
        [RECORD_BAD_VERSION] = {SSL_AD_DECODE_ERROR, "wrong version number"},
        [RECORD_BAD_TYPE] = {SSL_AD_UNEXPECTED_MESSAGE, "unexpected message"},
        [RECORD_TOO_LARGE] = {SSL_AD_RECORD_OVERFLOW, "a record is too long"},
        [RECORD_FORGED] = {SSL_AD_BAD_RECORD_MAC, "bad record mac"},
        [RECORD_BROKEN] = {SSL_AD_INTERNAL_ERROR, "a record could not be opened"}};

    fail(stream, faults[result].alert, faults[result].text);
}

/* Does what a message says. Returns false if no more is read. */
static bool heed(struct stream *stream, struct lean_verdict verdict)
{
    switch (verdict.what) {
    case LEAN_TAKEN:
        break;
    case LEAN_UPDATED:
        stream->lean->empty = 0; /* they have a limit of their own */
        tls_count_key_update(stream);
        break;
    case LEAN_CLOSES:
        stream->lean->end = LEAN_CLOSED;
        break;
    case LEAN_ALERTED:
        stream->failure = STREAM_TLS_PROTOCOL;
        tls_set_detail(stream, "tlsv1.3 alert ", verdict.text);
        break;
    case LEAN_REFUSED:
        fail(stream, verdict.alert, verdict.text);
        break;
    }
    return stream->failure == STREAM_FINE && stream->lean->end == LEAN_GOES_ON;
}

/* Keeps octets for the next read, behind those that are kept already. */
static bool keep(struct stream *stream, struct slice bytes)
{
    struct tls_lean *lean = stream->lean;

    if (bytes.n == 0)
        return true;
    if (!lean->rest)
        lean->rest = buffer_take(&stream->context->lean->rests);
    if (lean->rest && buffer_append(lean->rest, bytes))
        return true;
    fail(stream, SSL_AD_INTERNAL_ERROR, "no memory for a part of a record");
    return false;
}

/* Gives content that had no room at the read before. Nothing of it stays behind. */
static void give_ready(struct stream *stream, char *into, size_t cap, size_t *got)
{
    struct tls_lean *lean = stream->lean;
    size_t n = lean->ready < cap - *got ? lean->ready : cap - *got;
    char *content;

    if (n == 0)
        return;
    content = lean->rest->data + lean->rest->head;
    memcpy(into + *got, content, n);
    explicit_bzero(content, n);
    buffer_consume(lean->rest, n);
    *got += n;
    lean->ready -= n;
    if (buffer_held(lean->rest).n == 0)
        buffer_give(&stream->context->lean->rests, &lean->rest);
}

/* Takes content of the type data: as much as there is room for, and keeps the rest. */
static bool take_data(
    struct stream *stream, struct slice content, char *into, size_t cap, size_t *got)
{
    size_t n = content.n < cap - *got ? content.n : cap - *got;

    if (content.p != into + *got && n > 0)
        memcpy(into + *got, content.p, n);
    *got += n;
    stream->lean->ready = content.n - n;
    return keep(stream, slice_after(content, n));
}

/*
 * Opens the first record of `wire`, of n octets. It is opened right at its reader's place if that
 * has room for its padding, too.
 */
static bool open_record(
    struct stream *stream, char *wire, size_t n, char *into, size_t cap, size_t *got)
{
    size_t inner = n - RECORD_HEADER - RECORD_TAG;
    char *out = inner <= cap - *got ? into + *got : wire + RECORD_HEADER;
    enum record_type type = RECORD_TYPE_DATA;
    struct slice content = {0};
    enum record_result result = record_open(
        &stream->lean->in, &stream->context->lean->records, wire, n, out, &type, &content);
    bool goes_on;

    if (result != RECORD_FINE) {
        refuse(stream, result);
        return false;
    }
    stream->lean->empty = type == RECORD_TYPE_DATA && content.n > 0 ? 0 : stream->lean->empty + 1;
    if (stream->lean->empty > EMPTY_RECORDS_MAX) {
        fail(stream, SSL_AD_UNEXPECTED_MESSAGE, "too many records without data");
        return false;
    }
    if (type == RECORD_TYPE_DATA && stream->lean->message_n == 0)
        goes_on = take_data(stream, content, into, cap, got);
    else
        goes_on = heed(stream,
            tls_lean_take_message(stream->lean, &stream->context->lean->records, type, content));
    if (out != into + *got && out == wire + RECORD_HEADER)
        explicit_bzero(out, inner);
    return goes_on;
}

/* Opens the whole records among n received octets while their reader has room. Keeps the rest. */
static void open_records(
    struct stream *stream, char *wire, size_t n, char *into, size_t cap, size_t *got)
{
    size_t at = 0;

    while (*got < cap) {
        size_t length = 0;
        enum record_result result = record_measure(slice_of(wire + at, n - at), &length);

        if (result == RECORD_INCOMPLETE)
            break;
        if (result != RECORD_FINE) {
            refuse(stream, result);
            return;
        }
        at += length;
        if (!open_record(stream, wire + at - length, length, into, cap, got))
            return;
    }
    (void)keep(stream, slice_of(wire + at, n - at));
}

/*
 * Notes that the wire gives no more. Only close_notify would have been a clean end, and the peer
 * gets the alert of the library. An end behind a write that has failed is a reset.
 */
static enum io lose(struct stream *stream, enum io status)
{
    stream->lean->end = LEAN_LOST;
    if (status == IO_EOF && stream->wire->error == 0) {
        fail(stream, SSL_AD_DECODE_ERROR, "unexpected eof while reading");
        stream->failure = STREAM_TRUNCATED;
    } else {
        stream->failure = STREAM_RESET;
    }
    return IO_ERR;
}

/*
 * Opens what was kept, or else what the wire has. The octets of content are never more than those
 * received, so what has no room for its content fits into one buffer of rests.
 */
static enum io read_on(struct stream *stream, char *into, size_t cap, size_t *got)
{
    struct tls_lean_tools *tools = stream->context->lean;
    struct tls_lean *lean = stream->lean;
    struct slice rest = buffer_held(lean->rest);
    size_t room = cap - *got > RECORD_WIRE_MAX ? cap - *got : RECORD_WIRE_MAX;
    size_t whole = 0;
    size_t n = 0;

    if (room > TLS_LEAN_WIRE)
        room = TLS_LEAN_WIRE;
    if (record_measure(rest, &whole) == RECORD_INCOMPLETE) {
        enum io status = wire_receive(stream->wire, tools->wire + rest.n, room - rest.n, &n);

        if (status == IO_EOF || status == IO_ERR)
            return lose(stream, status);
        if (status != IO_OK) {
            lean->empty = 0;
            return status;
        }
    }
    if (rest.n > 0)
        memcpy(tools->wire, rest.p, rest.n);
    n += rest.n;
    buffer_give(&tools->rests, &lean->rest);
    open_records(stream, tools->wire, n, into, cap, got);
    if (stream->failure != STREAM_FINE)
        return IO_ERR;
    return lean->end == LEAN_CLOSED ? IO_EOF : IO_OK;
}

enum io tls_lean_read(struct stream *stream, char *into, size_t cap, size_t *got)
{
    enum io status = stream->lean->end == LEAN_CLOSED ? IO_EOF : IO_OK;

    give_ready(stream, into, cap, got);
    while (*got < cap && status == IO_OK)
        status = read_on(stream, into, cap, got);
    (void)tls_cork_flush(stream); /* sends alerts, too; the stream notes a failure */
    return *got > 0 ? IO_OK : status;
}

enum io tls_lean_write(struct stream *stream, struct slice bytes, size_t *put)
{
    answer(stream);
    /* Whole records go into the cork as long as one more, and a KeyUpdate, are sure to fit. */
    while (*put < bytes.n && stream->failure == STREAM_FINE &&
           CORK_SIZE - stream->context->cork->n >= WRITE_ROOM) {
        struct slice rest = slice_after(bytes, *put);

        if (rest.n > RECORD_CONTENT_MAX)
            rest.n = RECORD_CONTENT_MAX;
        if (!seal(stream, RECORD_TYPE_DATA, rest))
            break;
        *put += rest.n;
        if (traffic_is_worn(&stream->lean->out))
            stream->lean->answer_due = true;
        answer(stream);
    }
    (void)tls_cork_flush(stream);
    return stream->unwritable || stream->failure != STREAM_FINE ? IO_ERR : IO_OK;
}

void tls_lean_shut_down(struct stream *stream)
{
    static const char close_notify[] = {1 /* warning */, SSL3_AD_CLOSE_NOTIFY};

    (void)seal(stream, RECORD_TYPE_ALERT, slice_of(close_notify, sizeof(close_notify)));
    (void)tls_cork_flush(stream); /* the stream notes a failure */
}
