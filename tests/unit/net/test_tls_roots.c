/* The authorities that the system trusts, in a directory and in one large file. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_roots.h"
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;

static int set_up_group(void **state)
{
    directory = certificates_directory_new();
    certificates_make(directory,
        &(struct certificate_request){.file = "ca", .name = "Authority", .is_authority = true});
    certificates_make(
        directory, &(struct certificate_request){.file = "a", .name = "a.example", .issuer = "ca"});
    certificates_make(directory, &(struct certificate_request){.file = "b", .name = "b.example"});
    return mkdir(certificates_path(directory, "roots", "d"), 0700);
}

static int tear_down_group(void **state)
{
    certificates_directory_free(&directory);
    return 0;
}

static X509 *read_certificate(const char *file)
{
    FILE *in = fopen(certificates_path(directory, file, "pem"), "re");
    X509 *certificate = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;

    assert_non_null(certificate);
    (void)fclose(in);
    return certificate;
}

static bool is_issued(const char *file)
{
    X509 *certificate = read_certificate(file);
    bool is = tls_roots_issued(certificate);

    X509_free(certificate);
    return is;
}

/* Puts a link with the name that it is looked for into the directory. */
static void link_by_hash(const char *file)
{
    X509 *certificate = read_certificate(file);
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%08lx.0", certificates_path(directory, "roots", "d"),
        X509_subject_name_hash(certificate));
    assert_int_equal(symlink(certificates_path(directory, file, "pem"), path), 0);
    X509_free(certificate);
}

static void test_in_a_file(void **state)
{
    (void)setenv("SSL_CERT_DIR", certificates_path(directory, "none", "d"), 1);
    (void)setenv("SSL_CERT_FILE", certificates_path(directory, "none", "pem"), 1);
    assert_false(is_issued("a"));
    (void)setenv("SSL_CERT_FILE", certificates_path(directory, "b", "pem"), 1);
    assert_false(is_issued("a"));
    (void)setenv("SSL_CERT_FILE", certificates_path(directory, "ca", "pem"), 1);
    assert_true(is_issued("a"));
}

static void test_in_the_directory(void **state)
{
    (void)setenv("SSL_CERT_DIR", certificates_path(directory, "roots", "d"), 1);
    (void)setenv("SSL_CERT_FILE", certificates_path(directory, "b", "pem"), 1);
    link_by_hash("b");
    assert_false(is_issued("a"));
    link_by_hash("ca");
    assert_true(is_issued("a"));
    (void)unsetenv("SSL_CERT_FILE");
    assert_true(is_issued("a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_file),
        cmocka_unit_test(test_in_the_directory),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
