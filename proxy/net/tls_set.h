/* Private to net: the parts of a certificate set. Immutable after tls_set_new; any thread. */
#ifndef MAILMUX_TLS_SET_H
#define MAILMUX_TLS_SET_H

#include "mailmux/slice.h"
#include "tls_certificate_age.h"
#include "tls_context.h"
#include <openssl/ssl.h>

enum { TLS_DIGEST_SIZE = 32, TLS_HOST_MAX = 253 };

struct tls_set {
    SSL_CTX *context;
    char *name;
    struct tls_applied applied;
    unsigned tickets;
    enum tls_client_certificate client_certificate;
    unsigned char ca_digest[TLS_DIGEST_SIZE]; /* of the client_ca file; zeros if there is none */
    size_t certificate_count;
    struct certificate_dates *dates; /* one for each certificate */
    bool covers_hostname;
    size_t name_count;
    char **names; /* lower case; "*." in front of a wildcard */
};

/*
 * tls_names.c. Fills the set's names from its parameters, or from its certificates if the
 * parameters have none. Returns false with *fault filled.
 */
bool tls_names_load(
    struct tls_set *set, const struct tls_set_parameters *parameters, struct tls_fault *fault);

/*
 * Writes the name in lower case and without a dot at its end. Returns false if it is no host name.
 */
bool tls_names_normalise(struct slice name, char out[TLS_HOST_MAX + 1]);

/*
 * Returns the set that serves a normalised name, or NULL. An exact match in any set comes before a
 * wildcard.
 */
const struct tls_set *tls_names_choose(const struct tls_service *service, const char *name);

/* tls_server.c. Sets the callbacks that every set's SSL_CTX needs. */
void tls_server_prepare(SSL_CTX *context);

#endif
