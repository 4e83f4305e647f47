/*
 * Certificates for tests, made on the spot in a directory of the test's own, so that nothing that
 * expires is kept in the tree. One thread; abort() on any failure.
 */
#ifndef MAILMUX_HARNESS_CERTIFICATES_H
#define MAILMUX_HARNESS_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

enum certificate_kind { CERTIFICATE_ECDSA, CERTIFICATE_RSA };

struct certificate_request {
    const char *file;   /* FILE.pem and FILE.key are written */
    const char *name;   /* common name and subjectAltName (a DNS name) */
    const char *names;  /* instead: subjectAltName as OpenSSL writes it, "DNS:a,DNS:b" */
    const char *issuer; /* the `file` of another one, whose certificate goes into the chain behind
                           this one; NULL: self-signed */
    enum certificate_kind kind;
    bool is_authority;
    bool is_expired;
};

/* A new directory under TMPDIR or /tmp; the caller frees the name. */
char *certificates_directory_new(void);
/* Removes it with what was made in it, frees the name and sets it to NULL. */
void certificates_directory_free(char **directory);

void certificates_make(const char *directory, const struct certificate_request *request);

/* DIRECTORY/FILE.SUFFIX in one of a few buffers that take turns. */
const char *certificates_path(const char *directory, const char *file, const char *suffix);

/* SHA-256 of the public key in FILE.pem. */
void certificates_pin(const char *directory, const char *file, unsigned char pin[32]);

#endif
