/*
 * Private to net: judges what is in a certificate of our own, beside its dates
 * (tls_certificate_age.h). Nothing here makes it unusable: these are warnings. Reads no file and no
 * clock. Any thread.
 */
#ifndef MAILMUX_TLS_CERTIFICATE_CHECK_H
#define MAILMUX_TLS_CERTIFICATE_CHECK_H

#include "tls_policy.h"
#include <openssl/x509.h>
#include <stdint.h>

enum certificate_use {
    CERTIFICATE_TO_CLIENTS, /* we are the server */
    CERTIFICATE_TO_SERVERS  /* we are the client, toward a backend */
};

/* The certificates of one file, borrowed. */
struct certificate_subject {
    const char *file;
    size_t index; /* of the file in its setting, for warnings */
    X509 *leaf;
    STACK_OF(X509) * chain; /* what follows it in the file; NULL: nothing */
    enum certificate_use use;
    size_t name_count; /* names that it has to cover: a.example, *.b.example */
    const char *const *names;
    /* Returns whether an authority that peers know has issued it. NULL: none has. */
    bool (*is_under_root)(X509 *certificate);
    int64_t now_s;
};

/* Warns of everything that peers will not accept. */
void certificate_check(
    const struct certificate_subject *subject, const struct tls_warning *warning);

#endif
