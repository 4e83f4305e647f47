/*
 * What is read of certificates and keys without the library: it must be what the library says of
 * them, and whatever is cut off or turned round in them is no more than refused.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_certificate.h"
#include "tls_leaf.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first block of a PEM file. */
struct block {
    char *name;
    unsigned char *der;
    long n;
};

static char *directory;

static int set_up(void **state)
{
    static const struct certificate_request requests[] = {
        {.file = "ecdsa", .name = "a.test", .names = "DNS:A.test,IP:127.0.0.1,DNS:*.b.test"},
        {.file = "rsa", .name = "r.test", .kind = CERTIFICATE_RSA},
        {.file = "old", .name = "o.test", .is_expired = true},
        {.file = "ca", .name = "ca", .is_authority = true},
    };

    directory = certificates_directory_new();
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        certificates_make(directory, &requests[i]);
    return 0;
}

static int tear_down(void **state)
{
    certificates_directory_free(&directory);
    return 0;
}

static struct block read_block(const char *file, const char *suffix)
{
    FILE *in = fopen(certificates_path(directory, file, suffix), "re");
    struct block block = {0};
    char *header = NULL;

    assert_non_null(in);
    assert_int_equal(PEM_read(in, &block.name, &header, &block.der, &block.n), 1);
    OPENSSL_free(header);
    (void)fclose(in);
    return block;
}

static void free_block(struct block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_free(block->der);
}

static struct slice der_of(const struct block *block)
{
    return slice_of((const char *)block->der, (size_t)block->n);
}

static struct tls_leaf scan(const struct block *block)
{
    struct tls_leaf leaf;

    assert_true(tls_leaf_scan(der_of(block), &leaf));
    return leaf;
}

static void assert_dates(const char *file)
{
    struct block block = read_block(file, "pem");
    const unsigned char *at = block.der;
    X509 *certificate = d2i_X509(NULL, &at, block.n);
    struct certificate_dates expected = certificate_dates_of(certificate);
    struct tls_leaf leaf = scan(&block);

    assert_true(leaf.dates.begin_s == expected.begin_s && leaf.dates.end_s == expected.end_s);
    assert_true(leaf.dates.print == expected.print);
    X509_free(certificate);
    free_block(&block);
}

static void test_dates_are_those_of_the_library(void **state)
{
    assert_dates("ecdsa");
    assert_dates("rsa");
    assert_dates("old");
}

static void test_names(void **state)
{
    struct block block = read_block("ecdsa", "pem");
    struct tls_leaf leaf = scan(&block);
    char name[TLS_HOST_MAX + 3];

    assert_true(tls_leaf_name(&leaf.names, name));
    assert_string_equal(name, "a.test");
    assert_true(tls_leaf_name(&leaf.names, name)); /* behind an address, which is no host name */
    assert_string_equal(name, "*.b.test");
    assert_false(tls_leaf_name(&leaf.names, name));
    free_block(&block);
}

static void test_authorities(void **state)
{
    struct block leaf = read_block("ecdsa", "pem");
    struct block authority = read_block("ca", "pem");

    assert_false(scan(&leaf).is_authority);
    assert_true(scan(&authority).is_authority);
    free_block(&leaf);
    free_block(&authority);
}

static void test_a_key_belongs_to_its_certificate(void **state)
{
    static const struct {
        const char *file;
        enum tls_key_kind kind;
    } pairs[] = {{"ecdsa", TLS_KEY_ECDSA}, {"rsa", TLS_KEY_RSA}, {"old", TLS_KEY_ECDSA}};
    unsigned char prints[3][TLS_DIGEST_SIZE];

    for (size_t i = 0; i < 3; i++) {
        struct block certificate = read_block(pairs[i].file, "pem");
        struct block key = read_block(pairs[i].file, "key");
        struct tls_leaf leaf = scan(&certificate);
        struct tls_public public;

        assert_true(tls_key_scan(key.name, der_of(&key), &public));
        assert_int_equal(public.kind, pairs[i].kind);
        assert_int_equal(leaf.key.kind, pairs[i].kind);
        assert_memory_equal(public.print, leaf.key.print, sizeof(public.print));
        memcpy(prints[i], public.print, sizeof(prints[i]));
        free_block(&certificate);
        free_block(&key);
    }
    assert_memory_not_equal(prints[0], prints[1], TLS_DIGEST_SIZE);
    assert_memory_not_equal(prints[0], prints[2], TLS_DIGEST_SIZE);
}

/* As old programs write them: PKCS#1, SEC 1. */
static void test_keys_in_their_old_forms(void **state)
{
    static const char *const files[] = {"ecdsa", "rsa"};
    static const char *const names[] = {"EC PRIVATE KEY", "RSA PRIVATE KEY"};

    for (size_t i = 0; i < 2; i++) {
        struct block block = read_block(files[i], "key");
        const unsigned char *at = block.der;
        EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, block.n);
        unsigned char *der = NULL;
        int n = i2d_PrivateKey(key, &der); /* of these kinds in the old form */
        struct tls_public before;
        struct tls_public now;

        assert_true(n > 0);
        assert_true(tls_key_scan(block.name, der_of(&block), &before));
        assert_true(tls_key_scan(names[i], slice_of((const char *)der, (size_t)n), &now));
        assert_int_equal(before.kind, now.kind);
        assert_memory_equal(before.print, now.print, sizeof(now.print));
        OPENSSL_free(der);
        EVP_PKEY_free(key);
        free_block(&block);
    }
}

/* Memory of its own for each, so that a sanitizer sees a read behind the end. */
static void try_all(const struct block *block, bool is_key)
{
    for (long n = 0; n < block->n; n++) {
        char *cut = malloc((size_t)n + 1);
        struct slice der = slice_of(cut, (size_t)n);
        struct tls_leaf leaf;
        struct tls_public public;
        char name[TLS_HOST_MAX + 3];

        assert_non_null(cut);
        memcpy(cut, block->der, (size_t)n);
        if (is_key)
            assert_false(tls_key_scan(block->name, der, &public));
        else
            assert_false(tls_leaf_scan(der, &leaf));
        free(cut);
        cut = malloc((size_t)block->n);
        assert_non_null(cut);
        memcpy(cut, block->der, (size_t)block->n);
        cut[n] = (char)~cut[n];
        der = slice_of(cut, (size_t)block->n);
        if (is_key)
            (void)tls_key_scan(block->name, der, &public);
        else if (tls_leaf_scan(der, &leaf))
            while (tls_leaf_name(&leaf.names, name))
                continue;
        free(cut);
    }
}

static void test_what_is_cut_off_or_damaged(void **state)
{
    struct block certificate = read_block("ecdsa", "pem");
    struct block key = read_block("ecdsa", "key");

    try_all(&certificate, false);
    try_all(&key, true);
    free_block(&certificate);
    free_block(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_are_those_of_the_library),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_a_key_belongs_to_its_certificate),
        cmocka_unit_test(test_keys_in_their_old_forms),
        cmocka_unit_test(test_what_is_cut_off_or_damaged),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
