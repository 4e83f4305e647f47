/*
 * Private to net: what stream.c, tls.c and the makers of SSL objects share. One worker thread,
 * except tls_fault_library, which any thread may call.
 */
#ifndef MAILMUX_TLS_H
#define MAILMUX_TLS_H

#include "stream.h"
#include "tls_policy.h"
#include <openssl/ssl.h>

/*
 * Makes an SSL of the context of a set or a client and puts it on the stream's wire. The stream is
 * TLS from now on. Returns IO_ERR without memory.
 */
enum io tls_begin(struct stream *stream, SSL_CTX *context);

/*
 * These do what stream_handshake, stream_read and stream_write promise, for a stream that is TLS
 * and has not failed.
 */
enum io tls_handshake(struct stream *stream);
enum io tls_read(struct stream *stream, char *into, size_t cap, size_t *got);
enum io tls_write(struct stream *stream, struct slice bytes, size_t *put);

/*
 * tls_detail.c. Keeps both texts, one behind the other, as the stream's detail if it has none.
 * Without memory the log says less.
 */
void tls_set_detail(struct stream *stream, const char *text, const char *more);

/* Does what stream_set_secret promises. */
void tls_set_secret(struct stream *stream, bool is_secret);

/*
 * Sends close_notify. It must not be called after a failure: the library forbids it, and the peer
 * must not see a clean end.
 */
void tls_shut_down(struct stream *stream);

/* Returns the stream of an SSL, for callbacks of the library. */
struct stream *tls_stream(const SSL *ssl);

/*
 * Sends the cork's bytes and keeps what the wire does not take in `held`. The cork is empty
 * afterwards. IO_ERR: the wire has failed; or there is no room to keep the rest, and the stream has
 * failed with STREAM_RESET.
 */
enum io tls_cork_flush(struct stream *stream);

/* Counts a KeyUpdate of the peer. The stream has failed afterwards if it was one too many. */
void tls_count_key_update(struct stream *stream);

/*
 * The callback for SSL_CTX_set_msg_callback. It counts KeyUpdates and the records under the
 * session's secrets, and keeps the version in the ServerHello.
 */
void tls_message_seen(int is_written, int version, int content_type, const void *bytes, size_t n,
    SSL *ssl, void *unused);

/* Fills *fault: our text, then the library's words. Empties the library's error queue. */
void tls_fault_library(struct tls_fault *fault, enum tls_culprit culprit, size_t index,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
