/* Ticket keys in their files: raw or base64, and which of them encrypts. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_ticket_keys.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 48, LARGE = 80 };

static char *directory;
static struct tls_ticket_keys keys;
static struct error error;
static size_t failed;

static int set_up(void **state)
{
    directory = certificates_directory_new();
    failed = 99;
    return 0;
}

static int tear_down(void **state)
{
    certificates_directory_free(&directory);
    return 0;
}

/* Its n-th byte is n and the seed. */
static const char *raw(char seed, size_t n)
{
    static char bytes[2][LARGE];
    static unsigned turn;
    char *out = bytes[turn++ % 2];

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(seed + (char)i);
    return out;
}

static const char *file(const char *name, const char *bytes, size_t n)
{
    const char *path = certificates_path(directory, name, "key");
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
    return path;
}

static bool load(const char *first, const char *second)
{
    const char *const files[] = {first, second};

    return tls_ticket_keys_load(&keys, files, second ? 2 : first ? 1 : 0, &failed, &error);
}

static size_t add_line(char *text, size_t n, char seed, size_t size, const char *end)
{
    n += (size_t)EVP_EncodeBlock(
        (unsigned char *)text + n, (const unsigned char *)raw(seed, size), (int)size);
    return n + (size_t)snprintf(text + n, 8, "%s", end);
}

/* As nginx has them: with 80 octets the secret of the mac comes first. */
static void test_raw_keys(void **state)
{
    assert_true(load(file("a", raw(1, SMALL), SMALL), file("b", raw(2, LARGE), LARGE)));
    assert_int_equal(keys.count, 2);
    assert_int_equal(keys.encrypting, 0); /* the first of several files */
    assert_int_equal(keys.key[0].secret_size, 16);
    assert_memory_equal(keys.key[0].name, raw(1, 16), 16);
    assert_memory_equal(keys.key[0].cipher, raw(1, SMALL) + 16, 16);
    assert_memory_equal(keys.key[0].mac, raw(1, SMALL) + 32, 16);
    assert_int_equal(keys.key[1].secret_size, 32);
    assert_memory_equal(keys.key[1].mac, raw(2, LARGE) + 16, 32);
    assert_memory_equal(keys.key[1].cipher, raw(2, LARGE) + 48, 32);
}

/* As HAProxy has them: the last is tomorrow's, the one before it is today's. */
static void test_lines_of_base64(void **state)
{
    char text[1024];
    size_t n = add_line(text, 0, 1, SMALL, "\r\n");

    n = add_line(text, n, 2, LARGE, " \n\n");
    n = add_line(text, n, 3, SMALL, "");
    assert_true(load(file("a", text, n), NULL));
    assert_int_equal(keys.count, 3);
    assert_int_equal(keys.encrypting, 1);
    assert_memory_equal(keys.key[1].cipher, raw(2, LARGE) + 16, 32);
    assert_memory_equal(keys.key[1].mac, raw(2, LARGE) + 48, 32);
    n = add_line(text, 0, 1, SMALL, "\n");
    assert_true(load(file("a", text, n), NULL));
    assert_int_equal(keys.count, 1);
    assert_int_equal(keys.encrypting, 0);
}

static void test_so_many_and_no_more(void **state)
{
    char text[4096];
    size_t n = 0;

    for (char i = 0; i < TLS_TICKET_KEYS_MAX; i++)
        n = add_line(text, n, i, SMALL, "\n");
    assert_true(load(file("a", text, n), NULL));
    assert_int_equal(keys.count, TLS_TICKET_KEYS_MAX);
    n = add_line(text, n, 77, SMALL, "\n");
    assert_false(load(file("a", text, n), NULL));
}

static void test_files_that_are_none(void **state)
{
    char text[1024];
    const char *good = file("good", raw(1, SMALL), SMALL);
    size_t n;

    assert_false(load(file("a", raw(1, SMALL), SMALL - 1), NULL));
    assert_int_equal(failed, 0);
    assert_non_null(strstr(error.text, "a.key; expected 48 or 80 raw bytes a file"));
    assert_false(load(good, file("a", "", 0)));
    assert_int_equal(failed, 1);
    n = add_line(text, 0, 1, SMALL, "\n");
    assert_false(load(good, file("a", text, n))); /* base64 is for one file alone */
    n = add_line(text, n, 1, 47, "\n");
    assert_false(load(file("a", text, n), NULL));
    assert_false(load(certificates_path(directory, "none", "key"), NULL));
    assert_non_null(strstr(error.text, "none.key: No such file"));
    assert_false(load(NULL, NULL));
    assert_string_equal(error.text, "no file with ticket keys is named");
}

/* A pipe whose writer writes nothing, or a terminal, would be waited for. */
static void test_a_pipe_is_not_waited_for(void **state)
{
    const char *path = certificates_path(directory, "pipe", "key");
    int writer;

    assert_int_equal(mkfifo(path, 0600), 0);
    writer = open(path, O_RDWR | O_CLOEXEC);
    assert_true(writer >= 0);
    assert_false(load(path, NULL));
    assert_non_null(strstr(error.text, "pipe.key: not a regular file"));
    assert_int_equal(close(writer), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_raw_keys),
        TEST(test_lines_of_base64),
        TEST(test_so_many_and_no_more),
        TEST(test_files_that_are_none),
        TEST(test_a_pipe_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
