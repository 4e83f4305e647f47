/*
 * TLS toward backends: what one backend section says, built once, immutable and shared by all
 * threads. It is freed with its last reference. No session is ever resumed: none can serve two
 * names or clients.
 */
#ifndef MAILMUX_TLS_CLIENT_H
#define MAILMUX_TLS_CLIENT_H

#include "tls_policy.h"

struct tls_client;

enum { TLS_PIN_SIZE = 32 };

/* Everything is copied or read during tls_client_new. */
struct tls_client_parameters {
    struct tls_rules rules;
    bool no_verify; /* any certificate will do, unless there are pins */
    const char *ca; /* PEM file; NULL: the system's store */
    /* SHA-256 of the public key (SPKI) that the server's own certificate may have. With pins and
     * without `ca` they decide alone: neither issuer, nor dates, nor names count. */
    size_t pin_count;
    const unsigned char (*pins)[TLS_PIN_SIZE];
    const char *certificate; /* ours, PEM file with its chain; NULL: none */
    const char *key;
    struct tls_warning warning;
};

/* A reference that the caller gives back, or NULL with *fault filled. Blocks on the disk. */
struct tls_client *tls_client_new(
    const struct tls_client_parameters *parameters, struct tls_fault *fault);

/* Gives a reference back; streams hold their own. Sets the pointer to NULL; NULL is allowed. */
void tls_client_unref(struct tls_client **client);

/* "sha256:" and 64 hexadecimal digits or 44 characters of base64; false for anything else. */
bool tls_pin_parse(const char *text, unsigned char pin[TLS_PIN_SIZE]);

#endif
