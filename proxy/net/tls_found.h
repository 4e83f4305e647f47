/* Private to net: certificates and keys that were found in the files of one directory. One thread.
 */
#ifndef MAILMUX_TLS_FOUND_H
#define MAILMUX_TLS_FOUND_H

#include "mailmux/table.h"
#include "tls_directory.h"
#include "tls_leaf.h"
#include <openssl/x509.h>

/* A block of PEM. The library's memory, which is cleansed when it is freed. */
struct tls_block {
    char *name;
    unsigned char *der;
    long n;
};

struct tls_found_key {
    const struct tls_file *file;
    struct tls_public public;
    struct tls_block block;
};

struct tls_found_certificate {
    const struct tls_file *file;
    struct tls_leaf read;
    struct tls_block block;
    STACK_OF(X509) * chain;
};

struct tls_found {
    size_t key_count;
    struct tls_found_key *keys; /* behind tls_found_sort, by their prints */
    size_t certificate_count;
    struct tls_found_certificate *certificates;
};

/* Authorities, each once, for the chains of many certificates. {0} is empty. */
struct tls_authorities {
    struct table by_print;
};

enum tls_file_state {
    TLS_FILE_TAKEN,
    TLS_FILE_FOREIGN,   /* it has nothing to do with TLS */
    TLS_FILE_DAMAGED,   /* it was not written to its end, or is no PEM */
    TLS_FILE_ENCRYPTED, /* it has a key that needs a password */
    TLS_FILE_NO_MEMORY
};

/* Takes what is in the file. The file must outlive *found. */
enum tls_file_state tls_found_take(
    struct tls_found *found, struct tls_authorities *authorities, const struct tls_file *file);

/* All files of the directory have been taken. */
void tls_found_sort(struct tls_found *found);

/* Returns the key that belongs to the public one, or NULL. */
const struct tls_found_key *tls_found_key_of(
    const struct tls_found *found, const struct tls_public *public);

void tls_found_free(struct tls_found *found);
void tls_authorities_free(struct tls_authorities *authorities);

#endif
