/* Certificates and keys from their files, and what is wrong with them in words. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_pem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *directory;
static SSL_CTX *context;
static struct tls_fault fault;
static char warned[512];

static void on_warning(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    assert_int_equal(index, 3);
    (void)snprintf(
        warned + strlen(warned), sizeof(warned) - strlen(warned), "%d %s\n", (int)culprit, text);
}

static const struct tls_warning warning = {on_warning, NULL};

static int set_up_group(void **state)
{
    directory = certificates_directory_new();
    certificates_make(directory,
        &(struct certificate_request){.file = "ca", .name = "Authority", .is_authority = true});
    certificates_make(
        directory, &(struct certificate_request){.file = "a", .name = "a.example", .issuer = "ca"});
    certificates_make(directory, &(struct certificate_request){.file = "b", .name = "b.example"});
    certificates_make(directory,
        &(struct certificate_request){.file = "rsa", .name = "a.example", .kind = CERTIFICATE_RSA});
    certificates_make(directory,
        &(struct certificate_request){.file = "old", .name = "a.example", .is_expired = true});
    return 0;
}

static int tear_down_group(void **state)
{
    certificates_directory_free(&directory);
    return 0;
}

static int set_up(void **state)
{
    warned[0] = '\0';
    fault = (struct tls_fault){0};
    context = SSL_CTX_new(TLS_server_method());
    return context ? 0 : -1;
}

static int tear_down(void **state)
{
    SSL_CTX_free(context);
    return 0;
}

static const char *path(const char *file, const char *suffix)
{
    return certificates_path(directory, file, suffix);
}

static bool load(const char *certificate, const char *key)
{
    return tls_pem_load_pair(context, certificate, key, 3, &warning, &fault);
}

static void assert_fault(enum tls_culprit culprit, const char *part)
{
    assert_int_equal(fault.culprit, culprit);
    assert_int_equal(fault.index, 3);
    if (!strstr(fault.error.text, part))
        fail_msg("%s", fault.error.text);
}

static void test_one_of_each_kind(void **state)
{
    STACK_OF(X509) * chain;

    assert_true(load(path("a", "pem"), path("a", "key")));
    assert_int_equal(SSL_CTX_get0_chain_certs(context, &chain), 1);
    assert_int_equal(sk_X509_num(chain), 1); /* the authority, as in the file */
    assert_true(load(path("rsa", "pem"), path("rsa", "key")));
    assert_false(load(path("b", "pem"), path("b", "key")));
    assert_fault(TLS_CULPRIT_CERTIFICATE, "has a key of the same kind as one before it");
}

static void test_files_that_are_not_there(void **state)
{
    assert_false(load(path("none", "pem"), path("a", "key")));
    assert_fault(TLS_CULPRIT_CERTIFICATE, "none.pem: No such file or directory");
    assert_false(load(path("a", "pem"), path("none", "key")));
    assert_fault(TLS_CULPRIT_KEY, "none.key: No such file or directory");
    assert_false(load(directory, path("a", "key")));
    assert_fault(TLS_CULPRIT_CERTIFICATE, ": not a regular file");
}

/* A pipe would be waited for. */
static void test_a_pipe_is_no_file(void **state)
{
    const char *pipe = path("pipe", "pem");

    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_false(tls_pem_check(pipe, "CA file", TLS_CULPRIT_CA, 3, &fault));
    assert_fault(TLS_CULPRIT_CA, "cannot read the CA file ");
}

static void test_files_with_other_things(void **state)
{
    assert_false(load(path("a", "key"), path("a", "key")));
    assert_fault(TLS_CULPRIT_CERTIFICATE, "cannot use the certificate ");
    assert_false(load(path("a", "pem"), path("a", "pem")));
    assert_fault(TLS_CULPRIT_KEY, "no private key in ");
    assert_false(load(path("a", "pem"), path("b", "key")));
    assert_fault(TLS_CULPRIT_KEY, "does not belong to the first certificate in ");
}

static void test_a_password_is_never_asked_for(void **state)
{
    char into[8] = "before";

    assert_int_equal(tls_pem_no_password(into, sizeof(into), 0, NULL), -1);
    assert_string_equal(into, "before");
}

/* It is used all the same: an operator should hear of it. */
static void test_warnings(void **state)
{
    assert_int_equal(chmod(path("old", "key"), 0604), 0);
    assert_true(load(path("old", "pem"), path("old", "key")));
    assert_non_null(strstr(warned, "old.pem has expired; renew it, and reload\n"));
    assert_non_null(strstr(warned, "old.key can be read by everybody; chmod o= "));
    warned[0] = '\0';
    assert_true(load(path("rsa", "pem"), path("rsa", "key")));
    assert_null(strstr(warned, "has expired"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_of_each_kind),
        TEST(test_files_that_are_not_there),
        TEST(test_a_pipe_is_no_file),
        TEST(test_files_with_other_things),
        TEST(test_a_password_is_never_asked_for),
        TEST(test_warnings),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
