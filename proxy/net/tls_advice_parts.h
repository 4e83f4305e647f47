/* Private to net: what the files of tls_advice.h share. One thread, that of the stream. */
#ifndef MAILMUX_TLS_ADVICE_PARTS_H
#define MAILMUX_TLS_ADVICE_PARTS_H

#include "tls_advice.h"
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* Returns whether one of our certificates has a key of this kind: EVP_PKEY_RSA, EVP_PKEY_EC. */
bool tls_advice_has_key(const struct stream *stream, int kind);

/* Says what a client that sent an alert may have against the certificate that it got from us. */
void tls_advise_own_certificate(const struct stream *stream, char *hint);

/* Says why the certificate of a client was refused. result: X509_V_ERR_. Returns a constant. */
const char *tls_advice_client_fault(long result);

/*
 * Says why the certificate of a server was refused, while the library still has it. asked: the name
 * that it should be for; may be NULL. is_own_ca: the authorities are those of `ca`.
 */
void tls_advise_server_certificate(
    X509_STORE_CTX *store, const char *asked, bool is_own_ca, char *hint);

#endif
