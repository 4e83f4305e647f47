/*
 * Private to net: what must be known of a certificate and of a key before they are used, read from
 * their DER. The library would decode the public key as well, which costs a hundred times as much;
 * with ten thousand certificates that is the start. Pure. Any thread.
 */
#ifndef MAILMUX_TLS_LEAF_H
#define MAILMUX_TLS_LEAF_H

#include "mailmux/slice.h"
#include "tls_certificate_age.h"
#include "tls_set.h"

/* Of one name a certificate of each kind is kept. */
enum tls_key_kind { TLS_KEY_ECDSA, TLS_KEY_RSA, TLS_KEY_OTHER };
enum { TLS_KEY_KINDS = TLS_KEY_OTHER + 1 };

/* A public key: its kind, and the SHA-256 of what makes it this one. */
struct tls_public {
    enum tls_key_kind kind;
    unsigned char print[TLS_DIGEST_SIZE];
};

struct tls_leaf {
    struct tls_public key;
    struct certificate_dates dates;
    bool is_authority;  /* it may sign others (basicConstraints) */
    struct slice names; /* for tls_leaf_name; part of the DER */
};

/* Reads a certificate. Returns false if it is none. [RFC 5280 4.1] */
bool tls_leaf_scan(struct slice der, struct tls_leaf *out);

/*
 * Takes the next DNS name of subjectAltName that is a host name, or "*." and a host name, in lower
 * case. Returns false behind the last one.
 */
bool tls_leaf_name(struct slice *names, char out[TLS_HOST_MAX + 3]);

/*
 * Reads which public key belongs to a private one. pem_name: of its block, as "PRIVATE KEY". RSA
 * and ECDSA keys are read here [RFC 8017 A.1.2, RFC 5915, RFC 5958], others by the library. Returns
 * false if it is none, or without memory.
 */
bool tls_key_scan(const char *pem_name, struct slice der, struct tls_public *out);

#endif
