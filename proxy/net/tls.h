/* Private to net: what stream.c, tls.c and the makers of SSL objects share. One worker thread. */
#ifndef MAILMUX_TLS_H
#define MAILMUX_TLS_H

#include "stream.h"
#include "tls_policy.h"
#include <openssl/ssl.h>

struct tls_set;

/*
 * An SSL on the stream's wire, which belongs to the stream from now on; TLS is its operations. The
 * context is what a set or a client has made. IO_ERR without memory.
 */
enum io tls_begin(struct stream *stream, SSL_CTX *context);

/* The stream of an SSL, in callbacks. */
struct stream *tls_stream(const SSL *ssl);

/* The BIO between SSL and wire (tls_bio.c). Reads: the prefix, then the wire. Writes: the cork. */
BIO *tls_bio_new(struct stream *stream);

/* Sends the cork's bytes, keeping in `held` what the wire does not take. IO_ERR: the wire takes
 * nothing any more, or there is no memory, which is a failure. The cork is empty afterwards. */
enum io tls_cork_flush(struct stream *stream);

/* stream.c: the wire has refused a write, so nothing waits for it any more. */
void stream_lose_output(struct stream *stream);

/* SSL_CTX_set_msg_callback: counts KeyUpdates. */
void tls_message_seen(int is_written, int version, int content_type, const void *bytes, size_t n,
    SSL *ssl, void *unused);

/* Fills fault's text with the library's own words behind ours, and empties its error queue. */
void tls_fault_library(struct tls_fault *fault, enum tls_culprit culprit, size_t index,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
