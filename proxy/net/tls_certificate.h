/*
 * Private to net: what a certificate says of itself. Reads no file and no clock. Any thread.
 */
#ifndef MAILMUX_TLS_CERTIFICATE_H
#define MAILMUX_TLS_CERTIFICATE_H

#include "tls_certificate_age.h"
#include "tls_client.h"
#include <openssl/x509.h>

/* Reads its dates. A date that cannot be read is 0. */
struct certificate_dates certificate_dates_of(const X509 *certificate);

/* Returns the first second in which it is not valid any more; 0 if that cannot be read. */
int64_t certificate_end_of(const X509 *certificate);

/*
 * Returns whether a peer that asks for this name, which is a host name, a wildcard like *.b.example
 * or an IP literal, accepts the certificate [RFC 6125]. Only subjectAltName counts.
 */
bool certificate_covers(X509 *certificate, const char *name);

/*
 * Writes its DNS names with commas between them, as many as there is room for. Names that cannot be
 * printed are left out. Returns out, which is empty if it has none.
 */
const char *certificate_names_text(const X509 *certificate, char *out, size_t cap);

bool certificate_is_self_signed(X509 *certificate);

/* Writes the pin of its public key (tls_client_parameters). Returns false without memory. */
bool certificate_pin(const X509 *certificate, unsigned char pin[TLS_PIN_SIZE]);

#endif
