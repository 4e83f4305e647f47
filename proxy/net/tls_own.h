/*
 * Private to net: a certificate of a set that a setting names, with the answer of its authority
 * that lies beside its file (FILES_STAPLE). All but the answer stays as it is.
 */
#ifndef MAILMUX_TLS_OWN_H
#define MAILMUX_TLS_OWN_H

#include "tls_certificate_age.h"
#include "tls_context.h"
#include "tls_set.h"
#include <openssl/ssl.h>

/* {0} is empty. End it with tls_own_free. */
struct tls_own {
    char *answer_path;
    struct certificate_dates dates;
    X509 *leaf; /* references */
    STACK_OF(X509) * chain;
    unsigned char judged[TLS_DIGEST_SIZE]; /* of the answer that was judged last; zeros: none was */
};

/* Takes the certificate that the context got last, from this file. Returns false without memory. */
bool tls_own_take(struct tls_own *own, const char *file, SSL_CTX *context);

/* tls_set_read_answer. */
enum tls_answer tls_own_read_answer(struct tls_own *own, struct error *why);

void tls_own_free(struct tls_own *own);

#endif
