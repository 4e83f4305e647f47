/*
 * Why TLS with a peer failed and what would be right, in an administrator's words, beside those of
 * the library (stream->detail). One thread, that of the stream.
 */
#ifndef MAILMUX_TLS_ADVICE_H
#define MAILMUX_TLS_ADVICE_H

#include "mailmux/slice.h"

struct stream;

enum { TLS_HINT_MAX = 256, TLS_OFFER_MAX = 200 };

/* All texts are for the log, and empty where nothing is known. */
struct tls_advice {
    char hint[TLS_HINT_MAX];
    /* What a client has offered. These are foreign text, which the log escapes. */
    char versions[40];
    char ciphers[TLS_OFFER_MAX];
    char groups[TLS_OFFER_MAX];
    size_t alpn_n;
    char alpn[TLS_OFFER_MAX];
};

/*
 * Fills *advice after a failure of TLS, before or after the end of the handshake. Call it before
 * stream_close. Everything is empty on a plain stream, and the offer of a client that has never
 * said its hello.
 */
void stream_tls_advice(const struct stream *stream, struct tls_advice *advice);

#endif
