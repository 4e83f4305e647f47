/*
 * Private to net: what a ClientHello offers, kept until the handshake is over, so that a handshake
 * that fails can be explained. One thread, that of its stream.
 */
#ifndef MAILMUX_TLS_HELLO_H
#define MAILMUX_TLS_HELLO_H

#include "mailmux/slice.h"
#include <openssl/ssl.h>

enum { TLS_HELLO_CIPHERS = 128, TLS_HELLO_ALPN = 128 };

/* Versions are as on the wire: 0x0301 is TLS 1.0. */
struct tls_hello {
    unsigned lowest; /* 0: the client has not said it */
    unsigned highest;
    size_t cipher_count; /* of `ciphers` */
    unsigned char ciphers[TLS_HELLO_CIPHERS][2];
    size_t alpn_n;
    char alpn[TLS_HELLO_ALPN]; /* the protocols with commas between them: foreign text */
};

/*
 * Returns what the ClientHello offers, which the caller frees, or NULL without memory. It may be
 * called in the callback for a ClientHello alone.
 */
struct tls_hello *tls_hello_new(SSL *ssl);

enum { TLS_VERSION_TEXT_MAX = 16 };

/* Writes "TLS 1.2", "SSL 3.0" or a number. Returns out. */
const char *tls_version_text(unsigned version, char out[TLS_VERSION_TEXT_MAX]);

/* Write what was offered, for the log: as much as fits. size is at least 32. */
void tls_hello_versions(const struct tls_hello *hello, char *out, size_t size);
void tls_hello_ciphers(const struct tls_hello *hello, SSL *ssl, char *out, size_t size);

#endif
