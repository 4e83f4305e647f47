/* Private to net: the parts of a certificate set. Immutable after tls_set_new; any thread. */
#ifndef MAILMUX_TLS_SET_H
#define MAILMUX_TLS_SET_H

#include "mailmux/slice.h"
#include "mailmux/table.h"
#include "tls_context.h"
#include "tls_directory.h"
#include <openssl/ssl.h>
#include <pthread.h>

struct tls_own;
struct tls_served;

enum { TLS_DIGEST_SIZE = 32, TLS_HOST_MAX = 253 };

struct tls_set {
    SSL_CTX *context;
    char *name;
    struct tls_applied applied;
    unsigned tickets;
    enum tls_client_certificate client_certificate;
    unsigned char ca_digest[TLS_DIGEST_SIZE]; /* of the client_ca file; zeros if there is none */
    size_t certificate_count;
    struct tls_own *own; /* so many */
    bool covers_hostname;
    size_t name_count;
    char **names; /* lower case; "*." in front of a wildcard */
    struct table by_name;
    size_t claim_count;
    char **claims; /* likewise; they come before the names of all sets */
    struct table by_claim;
    bool has_directory;
    pthread_mutex_t lock;            /* guards what is below, the one thing that changes */
    struct tls_directory *directory; /* a reference; NULL: the set has none */
};

/* What a ClientHello gets. End it with tls_choice_end. */
struct tls_choice {
    const struct tls_set *set;       /* NULL: the name is not known */
    struct tls_directory *directory; /* a reference, or NULL */
    const struct tls_served *served; /* of the directory; NULL: the set's own certificates */
};

/* tls_choice.c. Gives its reference back. */
void tls_choice_end(struct tls_choice *choice);

/*
 * tls_names.c. Fills the set's names from its parameters, or from its certificates if the
 * parameters have none, and its claims. Returns false with *fault filled.
 */
bool tls_names_load(
    struct tls_set *set, const struct tls_set_parameters *parameters, struct tls_fault *fault);

/*
 * tls_host_name.c. Writes the name in lower case and without a dot at its end. Returns false if it
 * is no host name.
 */
bool tls_names_normalise(struct slice name, char out[TLS_HOST_MAX + 1]);

/* The same for a host name, or "*." and a host name. */
bool tls_names_normalise_pattern(struct slice name, char out[TLS_HOST_MAX + 3]);

/*
 * tls_choice.c. Chooses what serves a normalised name. An exact match in any set comes before a
 * wildcard, and in one set its own certificates before those of its directory. A set that claims
 * the name comes before all.
 */
struct tls_choice tls_names_choose(const struct tls_service *service, const char *name);

/* Returns what a set shows to a client whose name is not known. */
struct tls_choice tls_names_fallback(const struct tls_set *set);

/* tls_server.c. Sets the callbacks that every set's SSL_CTX needs. */
void tls_server_prepare(SSL_CTX *context);

#endif
