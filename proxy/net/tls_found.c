#include "tls_found.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* ---- Blocks ---- */

static void block_free(struct tls_block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_clear_free(block->der, block->n > 0 ? (size_t)block->n : 0);
    *block = (struct tls_block){0};
}

static bool is_certificate(const struct tls_block *block)
{
    return strcmp(block->name, PEM_STRING_X509) == 0 ||
           strcmp(block->name, PEM_STRING_X509_OLD) == 0;
}

static bool is_key(const struct tls_block *block)
{
    static const char *const names[] = {
        PEM_STRING_PKCS8INF, PEM_STRING_RSA, PEM_STRING_ECPRIVATEKEY};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(block->name, names[i]) == 0)
            return true;
    }
    return false;
}

static struct slice bytes_of(const struct tls_block *block)
{
    return slice_of((const char *)block->der, (size_t)block->n);
}

/* ---- Authorities ---- */

struct authority {
    unsigned char print[TLS_DIGEST_SIZE];
    X509 *certificate;
};

static void authority_free(void *unused, void *value)
{
    struct authority *authority = value;

    (void)unused;
    X509_free(authority->certificate);
    free(authority);
}

void tls_authorities_free(struct tls_authorities *authorities)
{
    table_each(&authorities->by_print, authority_free, NULL);
    table_free(&authorities->by_print);
}

/* Returns the certificate, which is the table's, or NULL. */
static X509 *find_authority(struct tls_authorities *authorities, struct slice der)
{
    struct authority *authority = calloc(1, sizeof(*authority));
    const unsigned char *at = (const unsigned char *)der.p;
    struct slice print;
    struct authority *known;

    if (!authority)
        return NULL;
    (void)SHA256(at, der.n, authority->print);
    print = slice_of((const char *)authority->print, sizeof(authority->print));
    known = table_get(&authorities->by_print, print);
    if (!known)
        authority->certificate = d2i_X509(NULL, &at, (long)der.n);
    if (!known && authority->certificate && table_put(&authorities->by_print, print, authority))
        return authority->certificate;
    authority_free(NULL, authority);
    return known ? known->certificate : NULL;
}

/* ---- Files ---- */

/* Takes the block. */
static bool add_key(struct tls_found *found, const struct tls_file *file, struct tls_block *block)
{
    struct tls_public public;
    struct tls_found_key *grown;

    if (!tls_key_scan(block->name, bytes_of(block), &public))
        return false;
    grown = reallocarray(found->keys, found->key_count + 1, sizeof(*grown));
    if (!grown)
        return false;
    found->keys = grown;
    grown[found->key_count++] = (struct tls_found_key){file, public, *block};
    *block = (struct tls_block){0};
    return true;
}

/* Takes the block. The first of a file is the leaf, and the others are its chain. */
static bool add_certificate(struct tls_found *found, struct tls_authorities *authorities,
    const struct tls_file *file, struct tls_block *block)
{
    size_t n = found->certificate_count;
    struct tls_found_certificate *last = n > 0 ? &found->certificates[n - 1] : NULL;
    struct tls_found_certificate *grown;
    struct tls_leaf read;
    X509 *issuer;

    if (last && last->file == file) {
        issuer = find_authority(authorities, bytes_of(block));
        if (!issuer || X509_up_ref(issuer) != 1)
            return false;
        if (sk_X509_push(last->chain, issuer) > 0)
            return true;
        X509_free(issuer);
        return false;
    }
    if (!tls_leaf_scan(bytes_of(block), &read))
        return false;
    grown = reallocarray(found->certificates, n + 1, sizeof(*grown));
    if (!grown)
        return false;
    found->certificates = grown;
    grown[n] = (struct tls_found_certificate){file, read, *block, sk_X509_new_null()};
    found->certificate_count++;
    *block = (struct tls_block){0};
    return grown[n].chain != NULL;
}

static enum tls_file_state add(struct tls_found *found, struct tls_authorities *authorities,
    const struct tls_file *file, struct tls_block *block, const char *header)
{
    if (strcmp(block->name, PEM_STRING_PKCS8) == 0 || (is_key(block) && *header))
        return TLS_FILE_ENCRYPTED;
    if (is_key(block))
        return add_key(found, file, block) ? TLS_FILE_TAKEN : TLS_FILE_DAMAGED;
    if (is_certificate(block))
        return add_certificate(found, authorities, file, block) ? TLS_FILE_TAKEN : TLS_FILE_DAMAGED;
    return TLS_FILE_FOREIGN;
}

/* Takes back what a file has given that is not whole. */
static void drop_file(struct tls_found *found, const struct tls_file *file, size_t keys)
{
    struct tls_found_certificate *last;

    while (found->key_count > keys)
        block_free(&found->keys[--found->key_count].block);
    if (found->certificate_count == 0)
        return;
    last = &found->certificates[found->certificate_count - 1];
    if (last->file != file)
        return;
    block_free(&last->block);
    sk_X509_pop_free(last->chain, X509_free);
    found->certificate_count--;
}

enum tls_file_state tls_found_take(
    struct tls_found *found, struct tls_authorities *authorities, const struct tls_file *file)
{
    BIO *text = BIO_new_mem_buf(file->bytes.p, (int)file->bytes.n);
    enum tls_file_state state = TLS_FILE_FOREIGN;
    enum tls_file_state of_block = TLS_FILE_TAKEN;
    size_t keys = found->key_count;
    struct tls_block block = {0};
    char *header = NULL;

    ERR_clear_error();
    if (!text)
        return TLS_FILE_NO_MEMORY;
    while (of_block <= TLS_FILE_FOREIGN &&
           PEM_read_bio(text, &block.name, &header, &block.der, &block.n) == 1) {
        of_block = add(found, authorities, file, &block, header);
        if (of_block != TLS_FILE_FOREIGN)
            state = of_block;
        block_free(&block);
        OPENSSL_free(header);
    }
    if (of_block <= TLS_FILE_FOREIGN &&
        ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        state = TLS_FILE_DAMAGED;
    if (state > TLS_FILE_FOREIGN)
        drop_file(found, file, keys);
    ERR_clear_error();
    (void)BIO_free(text);
    return state;
}

/* ---- Keys ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct tls_found_key *one = a;
    const struct tls_found_key *other = b;

    return memcmp(one->public.print, other->public.print, sizeof(one->public.print));
}

void tls_found_sort(struct tls_found *found)
{
    if (found->key_count > 1)
        qsort(found->keys, found->key_count, sizeof(*found->keys), compare_keys);
}

const struct tls_found_key *tls_found_key_of(
    const struct tls_found *found, const struct tls_public *public)
{
    struct tls_found_key wanted = {.public = *public};

    if (found->key_count == 0)
        return NULL;
    return bsearch(&wanted, found->keys, found->key_count, sizeof(*found->keys), compare_keys);
}

void tls_found_free(struct tls_found *found)
{
    for (size_t i = 0; i < found->key_count; i++)
        block_free(&found->keys[i].block);
    for (size_t i = 0; i < found->certificate_count; i++) {
        block_free(&found->certificates[i].block);
        sk_X509_pop_free(found->certificates[i].chain, X509_free);
    }
    free(found->keys);
    free(found->certificates);
    *found = (struct tls_found){0};
}
