/* Private to net: what stream.c, tls.c and the makers of SSL objects share. One worker thread. */
#ifndef MAILMUX_TLS_H
#define MAILMUX_TLS_H

#include "stream.h"
#include "tls_policy.h"
#include <openssl/ssl.h>

struct tls_set;

/*
 * Puts an SSL, made of the context of a set or a client, on the stream's wire: the stream is TLS
 * from now on. IO_ERR without memory.
 */
enum io tls_begin(struct stream *stream, SSL_CTX *context);

/* What stream.h says of a stream that is TLS and has not failed. */
enum io tls_handshake(struct stream *stream);
enum io tls_read(struct stream *stream, char *into, size_t cap, size_t *got);
enum io tls_write(struct stream *stream, struct slice bytes, size_t *put);

/* close_notify. Not after a failure: the library forbids it, and no clean end may be seen. */
void tls_shut_down(struct stream *stream);

/* The stream of an SSL, in callbacks. */
struct stream *tls_stream(const SSL *ssl);

/* The BIO between SSL and wire (tls_bio.c). Reads: the prefix, then the wire. Writes: the cork. */
BIO *tls_bio_new(struct stream *stream);

/* Sends the cork's bytes, keeping in `held` what the wire does not take. IO_ERR: the wire takes
 * nothing any more, or there is no memory, which is a failure. The cork is empty afterwards. */
enum io tls_cork_flush(struct stream *stream);

/* SSL_CTX_set_msg_callback: counts KeyUpdates. */
void tls_message_seen(int is_written, int version, int content_type, const void *bytes, size_t n,
    SSL *ssl, void *unused);

/* Fills fault's text with the library's own words behind ours, and empties its error queue. */
void tls_fault_library(struct tls_fault *fault, enum tls_culprit culprit, size_t index,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
