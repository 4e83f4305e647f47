/* Private to net: reading PEM files, with errors that an operator can act on. Any thread. */
#ifndef MAILMUX_TLS_PEM_H
#define MAILMUX_TLS_PEM_H

#include "tls_policy.h"
#include <openssl/ssl.h>

/*
 * Loads a certificate with its chain, exactly as in the file, and its key into the context. index:
 * its position in the configuration, for faults and warnings. Warns about a certificate that has
 * expired, soon will or is not valid yet, and about a key that all users can read. Returns false
 * with *fault filled.
 */
bool tls_pem_load_pair(SSL_CTX *context, const char *certificate, const char *key, size_t index,
    const struct tls_warning *warning, struct tls_fault *fault) __attribute__((warn_unused_result));

/*
 * Takes every certificate and every revocation list in the file into the store, and the subjects of
 * the certificates into *names unless that is NULL, each once. Returns false, perhaps with errors
 * in the queue of OpenSSL, if there is no certificate in it or not all of it can be read.
 */
bool tls_pem_trust(X509_STORE *store, const char *path, STACK_OF(X509_NAME) * names)
    __attribute__((warn_unused_result));

/*
 * A password callback for OpenSSL that never gives a password, so that OpenSSL does not ask on a
 * terminal.
 */
int tls_pem_no_password(char *into, int cap, int is_writing, void *unused);

/*
 * tls_pem_kind.c. Returns what the file is, if it is of another kind than wanted, as words to stand
 * behind its name; "" if that is not known. A constant.
 */
const char *tls_pem_kind(const char *path);

/*
 * Returns whether the path is a regular file that can be opened for reading; else false with *fault
 * filled. what: a word for the error text.
 */
bool tls_pem_check(const char *path, const char *what, enum tls_culprit culprit, size_t index,
    struct tls_fault *fault) __attribute__((warn_unused_result));

#endif
