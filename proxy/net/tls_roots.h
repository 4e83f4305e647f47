/* The authorities that this system trusts. Any thread, and none that serves: all block on the disk.
 */
#ifndef MAILMUX_TLS_ROOTS_H
#define MAILMUX_TLS_ROOTS_H

#include <openssl/x509.h>
#include <stdbool.h>

/*
 * Returns whether one of them has issued the certificate. Looks into the system's directory of
 * certificates, where only the one file is read. Reads the large file with all of them, which takes
 * tens of milliseconds, only where SSL_CERT_FILE names one or the directory is not there.
 */
bool tls_roots_issued(X509 *certificate);

/*
 * Returns a store with all of them in memory, so that nothing is read when a certificate is
 * verified; the caller frees it. They come from the one large file, and from the directory where
 * the file has none of that name. Without any the store is empty. Returns NULL without memory.
 */
X509_STORE *tls_roots_trusted(void);

/*
 * Between the two this thread reads the roots once for all that it asks, and keeps them. Pairs of
 * calls may stand within others.
 */
void tls_roots_open(void);
void tls_roots_close(void);

#endif
