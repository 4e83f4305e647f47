/*
 * TLS toward clients.
 *
 * A tls_set is one certificate set with all that belongs to it. It is built once, at start or
 * reload, and then immutable, but for the certificates of its directory; all listeners and threads
 * share it.
 *
 * A tls_service says how one listener uses sets. It is a plain value, built by its owner and read
 * by every worker. It must outlive its streams. A set must live until the handshakes with it are
 * over.
 *
 * The ClientHello chooses the set, before a TLS session can be resumed. Then every parameter of the
 * chosen set is set on the connection, because a change of its SSL_CTX does not bring them along. A
 * TLS session belongs to one listener, protocol and set (attack A15).
 */
#ifndef MAILMUX_TLS_CONTEXT_H
#define MAILMUX_TLS_CONTEXT_H

#include "tls_certificate_age.h"
#include "tls_directory.h"
#include "tls_policy.h"

struct tls_set;
struct tls_scope;
struct tls_tickets;

/* tls_set_new copies or reads everything; it borrows nothing afterwards. */
struct tls_set_parameters {
    const char *name; /* for the session-id context */
    /* At least 1, of different kinds (RSA, ECDSA); or is_bare, or there is a directory. */
    size_t certificate_count;
    bool is_bare;                    /* the set is not for use: it may have no certificate */
    const char *const *certificates; /* PEM files, each with its chain in the order that is sent */
    const char *const *keys;         /* the n-th key belongs to the n-th certificate */
    struct tls_directory *directory; /* NULL: none; the set takes a reference */
    struct tls_rules rules;
    unsigned tickets;         /* sent per handshake; 0: no resumption */
    size_t name_count;        /* 0: the names are taken from the certificates */
    const char *const *names; /* a.example, *.b.example */
    size_t claim_count;
    const char *const *claims; /* as names, but they come before the names of all sets */
    enum tls_client_certificate client_certificate;
    const char *client_ca; /* PEM file */
    const char *hostname;  /* for tls_set_covers_hostname; NULL: not asked for */
    struct tls_warning warning;
};

/*
 * Loads everything, and warns of what clients will not accept (tls_certificate_check.h). Returns
 * the set, which the caller frees. On a failure it returns NULL, and *fault says which parameter is
 * wrong, why, and what would be right. Blocks on the disk.
 */
struct tls_set *tls_set_new(const struct tls_set_parameters *parameters, struct tls_fault *fault);

/*
 * Frees the set and sets the pointer to NULL. NULL is allowed. No handshake with it may be under
 * way.
 */
void tls_set_free(struct tls_set **set);

/* Returns whether each certificate of the set has an RSA key. */
bool tls_set_is_rsa_alone(const struct tls_set *set);

/* What has become of the answer of an authority. */
enum tls_answer { TLS_ANSWER_SAME, TLS_ANSWER_GONE, TLS_ANSWER_STAPLED, TLS_ANSWER_WRONG };

/*
 * Reads what lies beside the file of the set's n-th certificate (FILES_STAPLE), and from now on
 * staples it, or nothing if it is gone or wrong. Returns what is new; *why says what is wrong. Main
 * thread; blocks on the disk.
 */
enum tls_answer tls_set_read_answer(struct tls_set *set, size_t n, struct error *why);

/* Returns the dates of the n-th certificate. They belong to the set. */
const struct certificate_dates *tls_set_dates(const struct tls_set *set, size_t n);

/*
 * Returns whether each of its own certificates is for the parameters' hostname, or one of its
 * directory for this one.
 */
bool tls_set_covers_hostname(const struct tls_set *set, const char *hostname);

/*
 * Returns whether a client that asks for this host name accepts each of the set's own certificates,
 * or one of its directory.
 */
bool tls_set_covers(const struct tls_set *set, const char *name);

/*
 * Writes the names that the set is chosen for, and the first one of each certificate of its
 * directory, as many as there is room for, with commas between them. Returns out.
 */
const char *tls_set_names_text(const struct tls_set *set, char *out, size_t cap);

/*
 * Returns a reference to the certificates of its directory, or NULL if it has none; the caller
 * gives it back. Any thread.
 */
struct tls_directory *tls_set_directory(const struct tls_set *set);

/* From now on handshakes use this directory, to which it takes a reference. Any thread. */
void tls_set_replace_directory(struct tls_set *set, struct tls_directory *directory);

struct tls_service {
    const char *listener;
    const char *protocol; /* part of the session-id context, as the names of listener and set are */
    size_t alpn_count;
    const char *const *alpn; /* "imap"; "pop3"; "smtp", "esmtp" */
    size_t set_count;        /* at least 1; the first is the fallback */
    size_t claim_only;       /* how many of the last sets are chosen by their claims alone */
    struct tls_set *const *sets;
    bool strict_sni;    /* an unknown name gets alert 112; no name gets the fallback */
    bool smtp_fallback; /* an unknown name gets the fallback even with strict_sni: a mail exchanger
                           must not insist */
    struct tls_tickets *tickets; /* NULL: no resumption */
    struct tls_scope *scopes;    /* see tls_scopes_make; NULL: made for each handshake */
};

/*
 * tls_scope.c. Makes beforehand what every handshake with a set's own certificates needs of the
 * names of listener, protocol and set, which must not change then. Returns false without memory.
 * Main thread, before the service is used. tls_scopes_free frees it, and does nothing if there is
 * none.
 */
bool tls_scopes_make(struct tls_service *service);
void tls_scopes_free(struct tls_service *service);

#endif
