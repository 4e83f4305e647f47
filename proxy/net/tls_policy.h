/*
 * Versions, ciphers and groups of one SSL_CTX, server or client: a policy by name, and settings
 * that override it. Plain parameters; the configuration file is not known here. Any thread.
 */
#ifndef MAILMUX_TLS_POLICY_H
#define MAILMUX_TLS_POLICY_H

#include "mailmux/error.h"
#include "mailmux/settings.h"
#include <stdbool.h>
#include <stddef.h>

struct ssl_ctx_st;

/*
 * NULL and TLS_VERSION_BY_POLICY leave the choice to the policy. Lists are written as in OpenSSL,
 * with colons.
 */
struct tls_rules {
    enum tls_policy policy;
    enum tls_version minimum;
    enum tls_version maximum;
    const char *ciphers;      /* TLS 1.2 and older */
    const char *ciphersuites; /* TLS 1.3 */
    const char *groups;
    bool own_records; /* streams may leave the library: see net/tls_lean.h */
};

/* The parameter that made a constructor fail, so that the caller can name its line. */
enum tls_culprit {
    TLS_CULPRIT_NONE, /* no memory, or a failure of the library */
    TLS_CULPRIT_CERTIFICATE,
    TLS_CULPRIT_KEY,
    TLS_CULPRIT_CLIENT_CERTIFICATE, /* the setting: none, request, require */
    TLS_CULPRIT_CA,
    TLS_CULPRIT_VERSION,
    TLS_CULPRIT_CIPHERS,
    TLS_CULPRIT_CIPHERSUITES,
    TLS_CULPRIT_GROUPS,
    TLS_CULPRIT_NAMES,
    TLS_CULPRIT_PIN
};

struct tls_fault {
    enum tls_culprit culprit;
    size_t index; /* which of several certificates, keys or names, from 0 */
    struct error error;
};

/*
 * Called by a constructor for a problem that the operator should know of, although nothing has
 * failed. text is valid during the call.
 */
typedef void tls_warn(void *owner, enum tls_culprit culprit, size_t index, const char *text);

struct tls_warning {
    tls_warn *warn; /* NULL: warnings are dropped */
    void *owner;
};

/* What tls_policy_apply has set, to set it again on an SSL, or to tell of it. */
enum { TLS_GROUPS_MAX = 512 };
struct tls_applied {
    int minimum; /* OpenSSL's version numbers */
    int maximum; /* 0: the newest */
    enum tls_policy policy;
    bool has_own_minimum; /* a setting of its own says it, and not the policy */
    char groups[TLS_GROUPS_MAX];
};

/*
 * Sets versions, ciphers, groups, security level, options and modes, and writes to *applied what
 * was set. A group that the library does not know is left out, with a warning if rules->groups
 * names it. Returns false with *fault filled if no group is left or if anything else cannot be set.
 */
bool tls_policy_apply(struct ssl_ctx_st *context, const struct tls_rules *rules,
    const struct tls_warning *warning, struct tls_applied *applied, struct tls_fault *fault)
    __attribute__((warn_unused_result));

#endif
