/* Private to net: the authorities that this system trusts. Any thread. */
#ifndef MAILMUX_TLS_ROOTS_H
#define MAILMUX_TLS_ROOTS_H

#include <openssl/x509.h>
#include <stdbool.h>

/*
 * Returns whether one of them has issued the certificate. Looks into the system's directory of
 * certificates first, where only the one file is read, and then into its large file. Blocks on the
 * disk.
 */
bool tls_roots_issued(X509 *certificate);

#endif
