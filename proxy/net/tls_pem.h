/* Private to net: reading PEM files, with errors that an operator can act on. Any thread. */
#ifndef MAILMUX_TLS_PEM_H
#define MAILMUX_TLS_PEM_H

#include "tls_policy.h"
#include <openssl/ssl.h>

/*
 * The n-th certificate with its chain, exactly as in the file, and its key into the context.
 */
bool tls_pem_load_pair(SSL_CTX *context, const char *certificate, const char *key, size_t index,
    const struct tls_warning *warning, struct tls_fault *fault) __attribute__((warn_unused_result));

/* A password callback of OpenSSL that has none: a terminal is never asked, a daemon has none. */
int tls_pem_no_password(char *into, int cap, int is_writing, void *unused);

/* False, with a fault, where the file cannot be opened for reading. */
bool tls_pem_check(const char *path, const char *what, enum tls_culprit culprit, size_t index,
    struct tls_fault *fault) __attribute__((warn_unused_result));

#endif
