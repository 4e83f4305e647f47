/* Private to net: the authorities that this system trusts. Any thread. */
#ifndef MAILMUX_TLS_ROOTS_H
#define MAILMUX_TLS_ROOTS_H

#include <openssl/x509.h>
#include <stdbool.h>

/*
 * Returns whether one of them has issued the certificate. Looks into the system's directory of
 * certificates, where only the one file is read. Reads the large file with all of them, which takes
 * tens of milliseconds, only where SSL_CERT_FILE names one or the directory is not there. Blocks on
 * the disk.
 */
bool tls_roots_issued(X509 *certificate);

/*
 * Between the two this thread reads the roots once for all that it asks, and keeps them in memory.
 */
void tls_roots_open(void);
void tls_roots_close(void);

#endif
