/*
 * TLS toward backends: what one backend section says. It is built once, immutable, and shared by
 * all threads; it is freed with its last reference. It keeps the TLS sessions that began with it,
 * to be resumed with the same server under the same name (tls_kept.h).
 */
#ifndef MAILMUX_TLS_CLIENT_H
#define MAILMUX_TLS_CLIENT_H

#include "tls_certificate_age.h"
#include "tls_policy.h"

struct tls_client;

enum { TLS_PIN_SIZE = 32 };

/* tls_client_new copies or reads everything; it borrows nothing afterwards. */
struct tls_client_parameters {
    struct tls_rules rules;
    bool no_verify; /* any certificate is accepted, unless there are pins */
    const char *ca; /* PEM file; NULL: the system's store */
    /*
     * SHA-256 digests of the public keys (SPKI) that the server's own certificate may have. With
     * pins and without `ca` the pins decide alone: neither issuer, nor dates, nor names count.
     */
    size_t pin_count;
    const unsigned char (*pins)[TLS_PIN_SIZE];
    const char *certificate; /* our own: PEM file with its chain; NULL: none */
    const char *key;         /* NULL: the key is in the certificate's file */
    struct tls_warning warning;
};

/*
 * Returns a reference that the caller gives back with tls_client_unref, or NULL with *fault filled.
 * Blocks on the disk.
 */
struct tls_client *tls_client_new(
    const struct tls_client_parameters *parameters, struct tls_fault *fault);

/*
 * Gives a reference back, and sets the pointer to NULL. NULL is allowed. Each stream holds a
 * reference of its own.
 */
void tls_client_unref(struct tls_client **client);

/* Returns which versions and groups it takes. Valid as long as the client. */
const struct tls_applied *tls_client_applied(const struct tls_client *client);
/* Writes the dates of our own certificate. Returns false if there is none. */
bool tls_client_dates(const struct tls_client *client, struct certificate_dates *out);

/*
 * Reads "sha256:" and 64 hexadecimal digits or 44 characters of base64. Returns false for any other
 * text.
 */
bool tls_pin_parse(const char *text, unsigned char pin[TLS_PIN_SIZE]);

#endif
