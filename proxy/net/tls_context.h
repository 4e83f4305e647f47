/*
 * TLS toward clients. A tls_set is one certificate set with all that belongs to it, built once (at
 * start or reload), then immutable; all listeners and threads share it. A tls_service says how one
 * listener uses sets: a plain value, built by its owner, read by every worker. It must outlive its
 * streams; of a set they need nothing more once their handshakes are over.
 *
 * The set is chosen in the ClientHello, before a session can be resumed, and every parameter of the
 * chosen one is put on the connection again, because a change of SSL_CTX carries none of them. A
 * session belongs to one listener, protocol and set (attack A15).
 */
#ifndef MAILMUX_TLS_CONTEXT_H
#define MAILMUX_TLS_CONTEXT_H

#include "tls_policy.h"

struct tls_set;
struct tls_tickets;

/* Everything is copied or read during tls_set_new. */
struct tls_set_parameters {
    const char *name;                /* for the session-id context and texts */
    size_t certificate_count;        /* at least 1, of different kinds (RSA, ECDSA) */
    const char *const *certificates; /* PEM files, the chain in the order in which it is served */
    const char *const *keys;         /* the n-th belongs to the n-th certificate */
    struct tls_rules rules;
    unsigned tickets;         /* sent per handshake; 0: no resumption */
    size_t name_count;        /* 0: the names in the certificates */
    const char *const *names; /* a.example, *.b.example */
    enum tls_client_certificate client_certificate;
    const char *client_ca; /* PEM file */
    struct tls_warning warning;
};

/*
 * Loads everything, or returns NULL and says in *fault which parameter is wrong, why, and what
 * would be right. Blocks on the disk.
 */
struct tls_set *tls_set_new(const struct tls_set_parameters *parameters, struct tls_fault *fault);

/* No handshake with it may be under way. Sets the pointer to NULL; NULL is allowed. */
void tls_set_free(struct tls_set **set);

struct tls_service {
    const char *listener;
    const char *protocol; /* with the listener's and the set's name: whose session it is */
    size_t alpn_count;
    const char *const *alpn; /* "imap"; "pop3"; "smtp", "esmtp" */
    size_t set_count;        /* at least 1; the first is the fallback */
    struct tls_set *const *sets;
    bool strict_sni;             /* a name that no set has: alert 112. No name: the fallback */
    bool smtp_fallback;          /* a mail exchanger must not insist on SNI: overrides strict_sni */
    struct tls_tickets *tickets; /* NULL: no resumption */
};

#endif
