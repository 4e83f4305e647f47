/*
 * The operations of a stream that is TLS. Each one empties the library's error queue, calls the
 * library, interprets its answer, and sends what has gathered in the cork. The queue belongs to the
 * thread, so an old entry could be an error of another connection.
 */
#include "tls.h"

#include "mailmux/check.h"
#include "tls_bio.h"
#include "tls_client.h"
#include "tls_kept.h"
#include "tls_lean_parts.h"
#include "tls_set.h"
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORD_PLAINTEXT_MAX = 16384, RECORD_MAX = RECORD_PLAINTEXT_MAX + 2048 };

static enum stream_failure failure_of(const struct stream *stream, int reason)
{
    /* A peer that left before its first byte has not failed at a handshake. */
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING && (stream->handshaken || !stream->heard))
        return STREAM_TRUNCATED;
    if (stream->handshaken)
        return STREAM_TLS_PROTOCOL;
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        return STREAM_NOT_TLS;
    default:
        return STREAM_HANDSHAKE;
    }
}

/*
 * Called after SSL_ERROR_SSL or SSL_ERROR_SYSCALL. Notes the first failure and empties the error
 * queue.
 */
static void note_failure(struct stream *stream, int why)
{
    unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    char more[128] = "";

    stream->tls_reason = reason;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        (void)snprintf(more, sizeof(more), ": %s",
            X509_verify_cert_error_string(SSL_get_verify_result(stream->ssl)));
    if (stream->failure != STREAM_FINE) {
        /* One of our callbacks has set the failure already. */
    } else if (why == SSL_ERROR_SYSCALL) {
        stream->failure = STREAM_RESET;
    } else {
        stream->failure = failure_of(stream, reason);
        if (!stream->handshaken && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            text = "closed during the handshake";
        tls_set_detail(stream, text ? text : "the library failed without a reason", more);
    }
    ERR_clear_error();
}

/*
 * Has the library free its buffers of records, unless a part of a record is there. It has mostly
 * done so itself, but not where it cleanses, nor behind the tickets of a server. What was decrypted
 * has been overwritten where it was read; with the option all of the buffer would be, used or not.
 */
static void free_buffers(SSL *ssl)
{
    uint64_t cleanses = SSL_get_options(ssl) & SSL_OP_CLEANSE_PLAINTEXT;

    (void)SSL_clear_options(ssl, cleanses);
    (void)SSL_free_buffers(ssl);
    (void)SSL_set_options(ssl, cleanses);
}

/* Begins every call of the library that reads or writes. */
static void begin_call(struct stream *stream)
{
    /* The queue is mostly empty, and to empty it costs as much as a small record otherwise does. */
    if (ERR_peek_error() != 0)
        ERR_clear_error();
    tls_bio_turn_to(stream);
}

/* Ends every operation. result is what the library returned. */
static enum io settle(struct stream *stream, int result)
{
    int why = result > 0 ? SSL_ERROR_NONE : SSL_get_error(stream->ssl, result);

    if (why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL)
        note_failure(stream, why);
    free_buffers(stream->ssl);
    (void)tls_cork_flush(stream); /* sends alerts, too; the stream notes a failure */
    if (stream->failure != STREAM_FINE)
        return IO_ERR;
    if (why == SSL_ERROR_NONE)
        return IO_OK;
    return why == SSL_ERROR_ZERO_RETURN ? IO_EOF : IO_AGAIN;
}

void tls_set_secret(struct stream *stream, bool is_secret)
{
    if (is_secret) {
        (void)SSL_set_options(stream->ssl, SSL_OP_CLEANSE_PLAINTEXT);
        (void)SSL_clear_mode(stream->ssl, SSL_MODE_RELEASE_BUFFERS); /* see free_buffers */
    } else {
        (void)SSL_clear_options(stream->ssl, SSL_OP_CLEANSE_PLAINTEXT);
        (void)SSL_set_mode(stream->ssl, SSL_MODE_RELEASE_BUFFERS);
    }
}

/*
 * In the client role: a session of TLS 1.2 is good again, and there is no other one if it was
 * resumed. Where a handshake fails nothing is resumed that began before.
 */
static void note_outcome(struct stream *stream, enum io status)
{
    if (status == IO_ERR)
        tls_place_distrust(stream->place, stream->offers_session);
    else if (status == IO_OK && SSL_session_reused(stream->ssl) == 1 &&
             SSL_version(stream->ssl) < TLS1_3_VERSION)
        tls_place_keep(stream->place, SSL_get0_session(stream->ssl), stream->session_end_s);
}

/*
 * The library keeps the keys of the exchange as long as the session, 400 octets of them. None of
 * them is of use behind the handshake, and a secret key that is gone cannot be lost. To give a key
 * another type is the library's way to free what it has. In TLS 1.2 it frees our key itself.
 */
static void drop_exchange_keys(SSL *ssl)
{
    EVP_PKEY *keys[] = {NULL, NULL};

    if (SSL_version(ssl) != TLS1_3_VERSION)
        return;
    (void)SSL_get_tmp_key(ssl, &keys[0]);
    (void)SSL_get_peer_tmp_key(ssl, &keys[1]);
    for (size_t i = 0; i < 2; i++) {
        if (keys[i])
            (void)EVP_PKEY_set_type(keys[i], EVP_PKEY_X25519);
        EVP_PKEY_free(keys[i]);
    }
}

enum io tls_handshake(struct stream *stream)
{
    enum io status;

    if (stream->handshaken)
        return IO_OK;
    begin_call(stream);
    status = settle(stream, SSL_do_handshake(stream->ssl));
    /* A handshake cannot go on without output, although a stream that is up still reads then. */
    if (stream->unwritable && status != IO_ERR) {
        stream->failure = STREAM_RESET;
        return IO_ERR;
    }
    if (stream->place)
        note_outcome(stream, status);
    if (status == IO_OK) {
        stream->handshaken = true;
        stream->tickets_due = stream->service && stream->service->tickets;
        tls_set_secret(stream, stream->service != NULL);
        tls_bio_share(stream);
        drop_exchange_keys(stream->ssl);
        free(stream->hello);
        stream->hello = NULL;
    }
    return status;
}

/*
 * The library reads one record at a time into its buffer, which it gives back when it is empty.
 * While records come one behind the other it gets room for three, since half a record keeps the
 * buffer; eight, as one read of a relay takes, cost no less of the processor.
 */
static void set_read_ahead(struct stream *stream, bool comes_more)
{
    if (stream->reads_ahead == comes_more)
        return;
    stream->reads_ahead = comes_more;
    SSL_set_default_read_buffer_len(stream->ssl, comes_more ? (size_t)3 * RECORD_MAX : 0);
}

/*
 * Returns whether a read can go on without the wire. Half a record makes SSL_has_pending true for
 * ever, so `starved` tells it from a whole record. If TLS could not send an answer of its own (to a
 * KeyUpdate), reading goes on when nothing is held any more.
 */
static bool pending(const struct stream *stream)
{
    if (SSL_want_write(stream->ssl))
        return !stream->held;
    return !stream->starved && (stream->prefix || SSL_has_pending(stream->ssl));
}

enum io tls_read(struct stream *stream, char *into, size_t cap, size_t *got)
{
    enum io status = tls_handshake(stream);
    int result = 1;

    if (status != IO_OK)
        return status;
    if (stream->end_due) {
        stream->end_due = false;
        return IO_EOF;
    }
    stream->starved = false;
    while (*got < cap) {
        size_t n = 0;

        begin_call(stream);
        result = SSL_read_ex(stream->ssl, into + *got, cap - *got, &n);
        if (result <= 0)
            break;
        *got += n;
        /* One more call could only learn that the wire has nothing. */
        if (!pending(stream) && !(stream->wire->ready & WIRE_READABLE))
            break;
    }
    status = settle(stream, result);
    stream->starved = status == IO_AGAIN && !SSL_want_write(stream->ssl);
    if (*got == 0)
        return status;
    set_read_ahead(stream, *got >= RECORD_PLAINTEXT_MAX);
    /* The bytes are returned now, and the end by the next call. */
    stream->end_due = status == IO_EOF || status == IO_ERR;
    return IO_OK;
}

static bool has_room_for(const struct stream *stream, size_t records)
{
    return CORK_SIZE - stream->context->cork->n >= records * RECORD_MAX;
}

/*
 * The library gives its buffer back behind each record. Where another one follows at once it keeps
 * it.
 */
static void set_release(struct stream *stream, bool releases)
{
    if (releases)
        (void)SSL_set_mode(stream->ssl, SSL_MODE_RELEASE_BUFFERS);
    else
        (void)SSL_clear_mode(stream->ssl, SSL_MODE_RELEASE_BUFFERS);
}

/*
 * Has the library send a client its tickets of TLS 1.3 in front of the next octets. So they need no
 * write of their own, and a client that leaves before costs none.
 */
static void issue_tickets(struct stream *stream)
{
    unsigned count = stream->set->tickets;

    stream->tickets_due = false;
    if (count > 0 && SSL_session_reused(stream->ssl) == 1)
        count = 1;
    for (; count > 0; count--)
        (void)SSL_new_session_ticket(stream->ssl); /* without one the client cannot resume */
}

enum io tls_write(struct stream *stream, struct slice bytes, size_t *put)
{
    enum io status = tls_handshake(stream);
    int result = 1;

    if (status != IO_OK)
        return status;
    if (stream->tickets_due)
        issue_tickets(stream);
    /* Whole records go into the cork as long as one more is sure to fit. */
    while (*put < bytes.n && has_room_for(stream, 1)) {
        size_t rest = bytes.n - *put;
        size_t n = 0;

        set_release(stream, rest <= RECORD_PLAINTEXT_MAX || !has_room_for(stream, 2));
        begin_call(stream);
        result = SSL_write_ex(stream->ssl, bytes.p + *put,
            rest < RECORD_PLAINTEXT_MAX ? rest : RECORD_PLAINTEXT_MAX, &n);
        if (result <= 0)
            break;
        *put += n;
        if (stream->secrets)
            stream->secrets->sent++;
    }
    status = settle(stream, result);
    if (stream->unwritable)
        return IO_ERR;
    return *put > 0 && status == IO_AGAIN ? IO_OK : status;
}

void tls_shut_down(struct stream *stream)
{
    begin_call(stream);
    (void)SSL_shutdown(stream->ssl); /* once; reading on shows whether the peer answers */
    ERR_clear_error();
    (void)tls_cork_flush(stream); /* the stream notes a failure */
}

enum io tls_begin(struct stream *stream, SSL_CTX *context)
{
    SSL *ssl;
    BIO *bio;

    if (!check_holds(!stream->ssl))
        return IO_ERR;
    ERR_clear_error();
    ssl = SSL_new(context);
    bio = tls_bio_new(stream);
    if (!ssl || !bio) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        tls_set_detail(stream, "no memory for TLS", "");
        return IO_ERR;
    }
    SSL_set_bio(ssl, bio, bio);
    stream->ssl = ssl;
    return IO_OK;
}

struct stream *tls_stream(const SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);

    return bio ? BIO_get_data(bio) : NULL;
}
