/*
 * The BIO under every SSL. Reads come from the prefix, then from the wire. Writes gather in the
 * worker's cork, which goes to the wire once per operation of the stream.
 */
#include "tls_bio.h"

#include "tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <stdatomic.h>
#include <string.h>

enum { RECORD_ALERT = 0x15, RECORD_HANDSHAKE = 0x16, CLEAR_MAX = 200 };

/*
 * Reads from the prefix while there is one. It may have held a password, so its buffer is cleansed.
 */
static enum io fill(struct stream *stream, char *into, size_t cap, size_t *got)
{
    struct slice first = buffer_held(stream->prefix);

    if (first.n == 0)
        return wire_receive(stream->wire, into, cap, got);
    *got = first.n < cap ? first.n : cap;
    memcpy(into, first.p, *got);
    buffer_consume(stream->prefix, *got);
    if (buffer_held(stream->prefix).n == 0)
        buffer_give_cleansed(stream->context->pool, &stream->prefix);
    return IO_OK;
}

static int read_bytes(BIO *bio, char *into, size_t cap, size_t *got)
{
    struct stream *stream = BIO_get_data(bio);
    enum io status;

    BIO_clear_retry_flags(bio);
    *got = 0;
    if (stream->failure != STREAM_FINE || cap == 0)
        return 0; /* this stops a flood of KeyUpdates in the middle of a read */
    status = fill(stream, into, cap, got);
    if (status == IO_AGAIN)
        BIO_set_retry_read(bio);
    if (status != IO_OK)
        return 0;
    /*
     * The first byte is checked here. The library would wait for five bytes, and might answer a
     * peer that does not speak TLS.
     */
    if (!stream->heard && into[0] != RECORD_HANDSHAKE && into[0] != RECORD_ALERT) {
        stream->failure = STREAM_NOT_TLS;
        if (stream->client) /* the words of a client could be a secret */
            stream->clear = strndup(into, *got < CLEAR_MAX ? *got : CLEAR_MAX);
        *got = 0;
        return 0;
    }
    stream->heard = true;
    return 1;
}

/*
 * Returns how much may still go into the cork. All of the cork must fit after what is held
 * already.
 */
static size_t room_of(const struct stream *stream)
{
    size_t corked = stream->context->cork->n;
    size_t room = CORK_SIZE - corked;
    size_t behind = stream->held ? buffer_room(stream->held) : CORK_SIZE;

    behind = behind > corked ? behind - corked : 0;
    return room < behind ? room : behind;
}

static int write_bytes(BIO *bio, const char *from, size_t n, size_t *put)
{
    struct stream *stream = BIO_get_data(bio);
    struct cork *cork = stream->context->cork;

    BIO_clear_retry_flags(bio);
    *put = 0;
    if (room_of(stream) < n && tls_cork_flush(stream) == IO_ERR && !stream->unwritable)
        return 0;
    if (stream->unwritable) {
        *put = n; /* dropped: the library reads on only after its output is taken */
        return 1;
    }
    *put = room_of(stream) < n ? room_of(stream) : n;
    if (*put == 0) {
        if (n > 0)
            BIO_set_retry_write(bio); /* the peer does not read: no more is kept for it */
        return 0;
    }
    memcpy(cork->bytes + cork->n, from, *put);
    cork->n += *put;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    const struct stream *stream = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_FLUSH)
        return 1;
    if (command == BIO_CTRL_EOF)
        return stream->failure == STREAM_FINE && !stream->prefix && stream->wire->ended &&
               stream->wire->error == 0;
    return 0;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");

    if (made && BIO_meth_set_read_ex(made, read_bytes) == 1 &&
        BIO_meth_set_write_ex(made, write_bytes) == 1 && BIO_meth_set_ctrl(made, control) == 1)
        return made;
    BIO_meth_free(made);
    return NULL;
}

/*
 * Returns the method of all BIOs. It is made at first use, and kept for the life of the process.
 * Threads may race here: one result is kept. After a failure it returns NULL, and the next call
 * tries again.
 */
static const BIO_METHOD *method(void)
{
    static _Atomic(BIO_METHOD *) shared;
    BIO_METHOD *found = atomic_load_explicit(&shared, memory_order_acquire);
    BIO_METHOD *made;

    if (found)
        return found;
    made = make_method();
    if (made && !atomic_compare_exchange_strong(&shared, &found, made)) {
        BIO_meth_free(made);
        made = found;
    }
    return made;
}

BIO *tls_bio_new(struct stream *stream)
{
    const BIO_METHOD *how = method();
    BIO *bio = how ? BIO_new(how) : NULL;

    if (!bio)
        return NULL;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
}

void tls_bio_free(BIO *bio)
{
    (void)BIO_free(bio);
}

/*
 * Not before: in a handshake the library puts a buffer of its own on top, and so writes into the
 * BIO below.
 */
void tls_bio_share(const struct stream *stream)
{
    BIO *shared = stream->context->bio;

    if (shared && BIO_up_ref(shared) == 1)
        SSL_set_bio(stream->ssl, shared, shared);
}

void tls_bio_turn_to(struct stream *stream)
{
    BIO_set_data(SSL_get_rbio(stream->ssl), stream);
}

enum io tls_cork_flush(struct stream *stream)
{
    struct cork *cork = stream->context->cork;
    struct slice rest = slice_of(cork->bytes, cork->n);

    if (stream->gathers)
        return IO_OK;
    cork->n = 0;
    if (stream->unwritable)
        return IO_ERR;
    if (rest.n == 0 || stream->finished)
        return IO_OK;
    /* If something is held, the cork goes after it: room_of has left space for it there. */
    while (!stream->held && rest.n > 0) {
        size_t sent = 0;
        enum io status = wire_send(stream->wire, rest, &sent);

        if (status == IO_ERR) {
            stream->unwritable = true;
            return IO_ERR;
        }
        if (status != IO_OK)
            break;
        rest = slice_after(rest, sent);
    }
    if (rest.n == 0)
        return IO_OK;
    if (!stream->held)
        stream->held = buffer_take(stream->context->pool);
    if (!stream->held || !buffer_append(stream->held, rest)) {
        stream->wire->error = ENOBUFS;
        if (stream->failure == STREAM_FINE)
            stream->failure = STREAM_RESET;
        return IO_ERR;
    }
    return IO_OK;
}
