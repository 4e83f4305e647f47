/*
 * The BIO between an SSL and its wire. It reads from the prefix, then from the wire, and writes to
 * the cork. During the handshake each stream has one of its own. A stream whose TLS is up uses that
 * of its thread, which costs an idle session nothing. One worker thread.
 */
#ifndef MAILMUX_TLS_BIO_H
#define MAILMUX_TLS_BIO_H

struct bio_st;
struct stream;

/*
 * Returns a BIO, which the caller frees or gives to an SSL, or NULL without memory. stream: NULL
 * for one that the streams of a thread share (struct stream_context).
 */
struct bio_st *tls_bio_new(struct stream *stream);

/* Gives a reference back. NULL is allowed. */
void tls_bio_free(struct bio_st *bio);

/* Puts the thread's BIO, if there is one, in the place of the stream's own. TLS must be up. */
void tls_bio_share(const struct stream *stream);

/* The library's next calls are for this stream. Needed before each of them. */
void tls_bio_turn_to(struct stream *stream);

#endif
