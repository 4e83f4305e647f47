#include "tls_identity.h"

#include "mailmux/log.h"
#include "mailmux/refcount.h"
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the library has made of it. It is published once, whole. */
struct parsed {
    X509 *leaf;
    EVP_PKEY *key;
};

struct tls_identity {
    struct refcount references;
    _Atomic(struct parsed *) parsed; /* NULL: not yet */
    atomic_bool is_told;             /* that it cannot be used */
    STACK_OF(X509) * chain;
    struct tls_staple *staple;
    struct tls_public public;
    struct certificate_dates dates;
    size_t leaf_n;
    size_t key_n;
    size_t name_count;
    const char *path; /* it and what follows stand in `text`, each with its NUL */
    const char *key_path;
    const char *key_name;
    char *names;
    unsigned char *der; /* the leaf, and the key behind it */
    char text[];
};

/* ---- Making ---- */

/* Counts the names and the octets that they need. */
static size_t measure(struct slice names, size_t *count)
{
    char name[TLS_HOST_MAX + 3];
    size_t octets = 0;

    *count = 0;
    while (tls_leaf_name(&names, name)) {
        octets += strlen(name) + 1;
        ++*count;
    }
    return octets;
}

/* Copies a text to *at, which it moves on. Returns the copy. */
static char *put(char **at, const char *text)
{
    char *from = *at;
    size_t n = strlen(text) + 1;

    memcpy(from, text, n);
    *at += n;
    return from;
}

static bool copy_parts(struct tls_identity *identity, const struct tls_identity_parts *parts)
{
    struct slice names = parts->read->names;
    char name[TLS_HOST_MAX + 3];
    char *at = identity->text;

    identity->path = put(&at, parts->path);
    identity->key_path = put(&at, parts->key_path);
    identity->key_name = put(&at, parts->key_name);
    identity->names = at;
    while (tls_leaf_name(&names, name))
        (void)put(&at, name);
    identity->public = parts->read->key;
    identity->dates = parts->read->dates;
    identity->leaf_n = parts->leaf.n;
    identity->key_n = parts->key.n;
    identity->staple = parts->staple ? tls_staple_ref(parts->staple) : NULL;
    identity->chain = X509_chain_up_ref(parts->chain);
    identity->der = malloc(parts->leaf.n + parts->key.n);
    if (!identity->chain || !identity->der)
        return false;
    memcpy(identity->der, parts->leaf.p, parts->leaf.n);
    memcpy(identity->der + parts->leaf.n, parts->key.p, parts->key.n);
    return true;
}

struct tls_identity *tls_identity_new(const struct tls_identity_parts *parts)
{
    size_t count;
    size_t octets = measure(parts->read->names, &count) + strlen(parts->path) +
                    strlen(parts->key_path) + strlen(parts->key_name) + 3;
    struct tls_identity *identity = calloc(1, sizeof(*identity) + octets);

    if (!identity)
        return NULL;
    refcount_init(&identity->references);
    atomic_init(&identity->parsed, NULL);
    identity->name_count = count;
    if (!copy_parts(identity, parts))
        tls_identity_unref(&identity);
    return identity;
}

struct tls_identity *tls_identity_ref(struct tls_identity *identity)
{
    refcount_take(&identity->references);
    return identity;
}

static void parsed_free(struct parsed *parsed)
{
    if (!parsed)
        return;
    X509_free(parsed->leaf);
    EVP_PKEY_free(parsed->key);
    free(parsed);
}

void tls_identity_unref(struct tls_identity **pointer)
{
    struct tls_identity *identity = *pointer;

    *pointer = NULL;
    if (!identity || !refcount_drop(&identity->references))
        return;
    parsed_free(atomic_load(&identity->parsed));
    sk_X509_pop_free(identity->chain, X509_free);
    tls_staple_unref(&identity->staple);
    if (identity->der)
        OPENSSL_cleanse(identity->der, identity->leaf_n + identity->key_n);
    free(identity->der);
    free(identity);
}

/* ---- Asking ---- */

const char *tls_identity_path(const struct tls_identity *identity)
{
    return identity->path;
}

const char *tls_identity_key_path(const struct tls_identity *identity)
{
    return identity->key_path;
}

bool tls_identity_has_staple(const struct tls_identity *identity)
{
    return identity->staple != NULL;
}

const struct tls_public *tls_identity_public(const struct tls_identity *identity)
{
    return &identity->public;
}

const struct certificate_dates *tls_identity_dates(const struct tls_identity *identity)
{
    return &identity->dates;
}

int tls_identity_chain_count(const struct tls_identity *identity)
{
    return sk_X509_num(identity->chain);
}

size_t tls_identity_name_count(const struct tls_identity *identity)
{
    return identity->name_count;
}

const char *tls_identity_name(const struct tls_identity *identity, size_t n)
{
    const char *name = identity->names;

    while (n-- > 0)
        name += strlen(name) + 1;
    return name;
}

static bool has_same_chain(const struct tls_identity *identity, const STACK_OF(X509) * chain)
{
    if (sk_X509_num(identity->chain) != sk_X509_num(chain))
        return false;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (X509_cmp(sk_X509_value(identity->chain, i), sk_X509_value(chain, i)) != 0)
            return false;
    }
    return true;
}

bool tls_identity_is_same(
    const struct tls_identity *identity, const struct tls_identity_parts *parts)
{
    struct slice leaf = slice_of((const char *)identity->der, identity->leaf_n);
    struct slice key = slice_of((const char *)identity->der + identity->leaf_n, identity->key_n);

    return slice_equal(leaf, parts->leaf) && slice_equal(key, parts->key) &&
           strcmp(identity->key_path, parts->key_path) == 0 &&
           tls_staple_is_same(identity->staple, parts->staple) &&
           has_same_chain(identity, parts->chain);
}

/* ---- Using ---- */

static void refuse(struct error *error)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    switch (ERR_GET_REASON(ERR_peek_error())) {
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
        error_set(error, "it, or one of its chain, is too weak: peers demand RSA keys of 2048 bits "
                         "and signatures with SHA-256; have a new one made");
        break;
    default:
        error_set(error, "certificate or key cannot be used%s%s", reason ? ": " : "",
            reason ? reason : "");
        break;
    }
    ERR_clear_error();
}

/* Says what it is, for otherwise the library tries all that it could be. */
static EVP_PKEY *read_key(const struct tls_identity *identity)
{
    static const char *const types[] = {
        [TLS_KEY_ECDSA] = "EC", [TLS_KEY_RSA] = "RSA", [TLS_KEY_OTHER] = NULL};
    const unsigned char *at = identity->der + identity->leaf_n;
    const char *structure =
        strcmp(identity->key_name, "PRIVATE KEY") == 0 ? "PrivateKeyInfo" : "type-specific";
    size_t n = identity->key_n;
    EVP_PKEY *key = NULL;
    OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
        &key, "DER", structure, types[identity->public.kind], EVP_PKEY_KEYPAIR, NULL, NULL);

    if (decoder)
        (void)OSSL_DECODER_from_data(decoder, &at, &n);
    OSSL_DECODER_CTX_free(decoder);
    return key;
}

static struct parsed *parse(const struct tls_identity *identity)
{
    struct parsed *parsed = calloc(1, sizeof(*parsed));
    const unsigned char *at = identity->der;

    if (!parsed)
        return NULL;
    parsed->leaf = d2i_X509(NULL, &at, (long)identity->leaf_n);
    parsed->key = parsed->leaf ? read_key(identity) : NULL;
    if (!parsed->key || X509_check_private_key(parsed->leaf, parsed->key) != 1 ||
        (identity->staple && !tls_staple_prepare_leaf(parsed->leaf))) {
        parsed_free(parsed);
        return NULL;
    }
    if (identity->staple)
        tls_staple_attach(identity->staple, parsed->leaf);
    return parsed;
}

bool tls_identity_prepare(struct tls_identity *identity, struct error *error)
{
    struct parsed *none = NULL;
    struct parsed *parsed;

    if (atomic_load(&identity->parsed))
        return true;
    parsed = parse(identity);
    if (!parsed) {
        refuse(error);
        return false;
    }
    if (!atomic_compare_exchange_strong(&identity->parsed, &none, parsed))
        parsed_free(parsed); /* another thread was faster */
    return true;
}

bool tls_identity_fits(const struct tls_identity *identity, SSL_CTX *context, struct error *error)
{
    const struct parsed *parsed = atomic_load(&identity->parsed);

    if (SSL_CTX_use_cert_and_key(context, parsed->leaf, parsed->key, identity->chain, 1) == 1)
        return true;
    refuse(error);
    return false;
}

X509 *tls_identity_leaf(const struct tls_identity *identity)
{
    return atomic_load(&identity->parsed)->leaf;
}

STACK_OF(X509) * tls_identity_chain(const struct tls_identity *identity)
{
    return identity->chain;
}

static void log_problem(struct tls_identity *identity, const struct error *error)
{
    char why[ERROR_TEXT_MAX + LOG_FIELD_MAX];
    struct log_line line;

    if (atomic_exchange(&identity->is_told, true))
        return;
    (void)snprintf(why, sizeof(why), "%s: %s", identity->path, error->text);
    log_open(&line, LOG_ERROR, "certificate-problem");
    log_text(&line, "why", slice_from(why));
    log_write(&line);
}

bool tls_identity_use(struct tls_identity *identity, SSL *ssl)
{
    const struct parsed *parsed;
    struct error error;

    if (tls_identity_prepare(identity, &error)) {
        parsed = atomic_load(&identity->parsed);
        if (SSL_use_cert_and_key(ssl, parsed->leaf, parsed->key, identity->chain, 1) == 1)
            return true;
        refuse(&error);
    }
    log_problem(identity, &error);
    return false;
}

bool tls_identity_warm(struct tls_identity *identity)
{
    struct error error;

    if (atomic_load(&identity->parsed) || atomic_load(&identity->is_told))
        return false;
    if (!tls_identity_prepare(identity, &error))
        log_problem(identity, &error);
    return true;
}
