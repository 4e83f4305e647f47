/*
 * Certificates for tests. They are made when a test runs, in a directory of its own, so that the
 * tree has nothing that expires. One thread; abort() on any failure.
 */
#ifndef MAILMUX_HARNESS_CERTIFICATES_H
#define MAILMUX_HARNESS_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

enum certificate_kind { CERTIFICATE_ECDSA, CERTIFICATE_RSA };

/* Zeroed members are defaults; file and name must be set. */
struct certificate_request {
    const char *file;   /* FILE.pem and FILE.key are written */
    const char *name;   /* common name and subjectAltName (a DNS name) */
    const char *names;  /* subjectAltName as OpenSSL writes it ("DNS:a,DNS:b"), if not from name */
    const char *issuer; /* `file` of the issuer, whose chain is appended; NULL: self-signed */
    enum certificate_kind kind;
    bool is_authority;
    bool is_expired;
    long days; /* until its end; 0: 30 */
};

/* Makes a new directory under TMPDIR or /tmp. The caller frees it with the function below. */
char *certificates_directory_new(void);
/* Removes the directory and all that is in it, frees the name and sets it to NULL. */
void certificates_directory_free(char **directory);

/* Writes a certificate and its key into the directory. */
void certificates_make(const char *directory, const struct certificate_request *request);

/* Returns "DIRECTORY/FILE.SUFFIX" in a static buffer, which the 64th next call writes to again. */
const char *certificates_path(const char *directory, const char *file, const char *suffix);

/* Writes the SHA-256 of the public key in FILE.pem. */
void certificates_pin(const char *directory, const char *file, unsigned char pin[32]);

#endif
