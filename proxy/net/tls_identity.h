/*
 * Private to net: a certificate from a directory, with its chain and its key. It is kept as it was
 * read, and the library parses it when the first client asks for it: ten thousand of them may be
 * there, of which few are used. Immutable but for that. Any thread; counted references.
 */
#ifndef MAILMUX_TLS_IDENTITY_H
#define MAILMUX_TLS_IDENTITY_H

#include "tls_leaf.h"
#include "tls_staple.h"
#include <openssl/ssl.h>

struct tls_identity;

/* What an identity is made of. Everything is copied, or taken a reference of. */
struct tls_identity_parts {
    const char *path;     /* of the file with the certificate */
    const char *key_path; /* of the one with the key, which may be the same */
    struct slice leaf;
    struct slice key;
    const char *key_name;        /* of its block, as "PRIVATE KEY" */
    STACK_OF(X509) * chain;      /* behind the leaf */
    struct tls_staple *staple;   /* NULL: none */
    const struct tls_leaf *read; /* from the leaf */
};

/* Returns the first reference, or NULL without memory. */
struct tls_identity *tls_identity_new(const struct tls_identity_parts *parts);

struct tls_identity *tls_identity_ref(struct tls_identity *identity);
/* Sets the pointer to NULL; NULL is allowed. */
void tls_identity_unref(struct tls_identity **identity);

/* What they return belongs to the identity. */
const char *tls_identity_path(const struct tls_identity *identity);
const char *tls_identity_key_path(const struct tls_identity *identity);
bool tls_identity_has_staple(const struct tls_identity *identity);
const struct tls_public *tls_identity_public(const struct tls_identity *identity);
const struct certificate_dates *tls_identity_dates(const struct tls_identity *identity);
int tls_identity_chain_count(const struct tls_identity *identity);

/* Its names, in the order of the certificate. */
size_t tls_identity_name_count(const struct tls_identity *identity);
const char *tls_identity_name(const struct tls_identity *identity, size_t n);

/* Returns whether it would be the same again. */
bool tls_identity_is_same(
    const struct tls_identity *identity, const struct tls_identity_parts *parts);

/*
 * Parses it, unless that is done. Returns false, with the reason in *error, if the library cannot
 * use it.
 */
bool tls_identity_prepare(struct tls_identity *identity, struct error *error);

/*
 * Behind tls_identity_prepare: returns whether a connection of this context could show it. The
 * context keeps a reference of its parts.
 */
bool tls_identity_fits(const struct tls_identity *identity, SSL_CTX *context, struct error *error);

/* Parses it; what is wrong is logged. Returns false if there was nothing to do. */
bool tls_identity_warm(struct tls_identity *identity);

/* Returns the certificate and its chain, behind tls_identity_prepare; they belong to the identity.
 */
X509 *tls_identity_leaf(const struct tls_identity *identity);
STACK_OF(X509) * tls_identity_chain(const struct tls_identity *identity);

/*
 * Adds it to what the connection may show. Parses it first if need be, which costs a quarter of a
 * millisecond. Returns false if it cannot be used, which is logged the first time.
 */
bool tls_identity_use(struct tls_identity *identity, SSL *ssl);

#endif
