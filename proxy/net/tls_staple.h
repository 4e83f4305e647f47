/*
 * Private to net: the answer of an authority about a certificate (OCSP), which a handshake hands on
 * [RFC 6066 8]. It comes from a file; nothing is fetched. Immutable; any thread; counted
 * references.
 */
#ifndef MAILMUX_TLS_STAPLE_H
#define MAILMUX_TLS_STAPLE_H

#include "mailmux/error.h"
#include "mailmux/slice.h"
#include <openssl/ssl.h>

struct tls_staple;

/*
 * Reads an answer in DER about this certificate, of which one of the chain is the issuer. Returns
 * the first reference, or NULL with the reason in *error: it is about another one, or out of date,
 * or none at all.
 */
struct tls_staple *tls_staple_new(
    struct slice der, const X509 *leaf, STACK_OF(X509) * chain, int64_t now_s, struct error *error);

struct tls_staple *tls_staple_ref(struct tls_staple *staple);
/* Sets the pointer to NULL; NULL is allowed. */
void tls_staple_unref(struct tls_staple **staple);

/* Both may be NULL. */
bool tls_staple_is_same(const struct tls_staple *a, const struct tls_staple *b);

/* Makes room for an answer on a certificate that no other thread knows yet. False without memory.
 */
bool tls_staple_prepare_leaf(X509 *leaf);

/* From now on a certificate with such room carries this answer, by a reference; NULL: none. */
void tls_staple_attach(struct tls_staple *staple, const X509 *leaf);

/* Hands out what the certificates of this context's connections carry. */
void tls_staple_prepare(SSL_CTX *context);

#endif
