#include "self_signed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_context.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = certificates_directory_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    char *directory = *state;

    certificates_directory_free(&directory);
    return 0;
}

static const char *below(const char *directory, const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static unsigned mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static ino_t inode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

static void test_made_then_reused(void **state)
{
    char path[SELF_SIGNED_PATH_MAX];
    const char *paths[] = {path};
    const char *directory = below(*state, "a/b");
    struct error error = {0};
    struct tls_fault fault;
    struct tls_set *set;
    ino_t inode;

    assert_int_equal(
        self_signed_ensure(directory, "mail.example.org", path, &error), SELF_SIGNED_MADE);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(directory), 0700);
    inode = inode_of(path);
    assert_int_equal(
        self_signed_ensure(directory, "mail.example.org", path, &error), SELF_SIGNED_REUSED);
    assert_int_equal(inode_of(path), inode);
    set = tls_set_new(&(struct tls_set_parameters){.name = "default",
                          .certificate_count = 1,
                          .certificates = paths,
                          .keys = paths,
                          .rules = {.policy = TLS_INTERMEDIATE}},
        &fault);
    assert_non_null(set);
    tls_set_free(&set);
    /* Another name, or garbage: replaced. */
    assert_int_equal(self_signed_ensure(directory, "192.0.2.1", path, &error), SELF_SIGNED_MADE);
    assert_int_equal(self_signed_ensure(directory, "192.0.2.1", path, &error), SELF_SIGNED_REUSED);
    assert_int_equal(truncate(path, 40), 0);
    assert_int_equal(self_signed_ensure(directory, "192.0.2.1", path, &error), SELF_SIGNED_MADE);
}

static void test_errors(void **state)
{
    char path[SELF_SIGNED_PATH_MAX];
    struct error error = {0};
    const char *file = below(*state, "file");
    FILE *made = fopen(file, "we");

    assert_non_null(made);
    (void)fclose(made);
    assert_int_equal(
        self_signed_ensure(file, "mail.example.org", path, &error), SELF_SIGNED_FAILED);
    assert_non_null(strstr(error.text, "Not a directory"));
    assert_int_equal(
        self_signed_ensure(*state, "a,DNS:evil.example", path, &error), SELF_SIGNED_FAILED);
    assert_non_null(strstr(error.text, "no host name"));
    assert_int_equal(self_signed_ensure("", "a", path, &error), SELF_SIGNED_FAILED);
}

/* 64 bytes is the longest common name; the alternative name takes more. */
static void test_long_name(void **state)
{
    char path[SELF_SIGNED_PATH_MAX];
    struct error error = {0};
    const char *name = "a-rather-long-label-as-cloud-machines-have-them.region.compute.example.org";

    assert_int_equal(self_signed_ensure(*state, name, path, &error), SELF_SIGNED_MADE);
    assert_int_equal(self_signed_ensure(*state, name, path, &error), SELF_SIGNED_REUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_then_reused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
