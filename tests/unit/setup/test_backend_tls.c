/* The TLS of a backend from its settings, and the line of each that is wrong. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend_tls.h"
#include "setup_test.h"
#include "stream_bench.h"
#include "tls_info.h"

/* The settings begin in line 8. */
#define BACKEND(settings)                                                                          \
    "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = b\n"              \
    "[backend b]\nserver = 127.0.0.1:1143\n" settings

static struct tls_client *load(const char *text)
{
    struct config *config = config_of(text);
    struct tls_client *client = backend_tls_load(&config->backends[0], TLS_RELAY_LIBRARY, &report);

    config_free(&config);
    return client;
}

static void assert_refused(const char *text, const char *error)
{
    assert_null(load(text));
    assert_one_error(error);
}

/* Whether a server with that certificate, which is for NAME, is taken for the one that is meant. */
static bool believes(struct tls_client *client, const char *file, const char *name)
{
    struct stream_bench bench;
    struct memory_tls server;
    bool is_believed;

    stream_bench_open(&bench);
    memory_tls_init_server(&server, &bench.wire, certificates_path(directory, file, "pem"),
        certificates_path(directory, file, "key"));
    assert_int_equal(stream_start_tls_client(&bench.stream, client, name, NULL), IO_OK);
    is_believed = stream_bench_shake(&bench, &server) == IO_OK;
    memory_tls_deinit(&server);
    assert_true(stream_bench_close(&bench));
    return is_believed;
}

static void test_none_without_tls(void **state)
{
    assert_null(load(BACKEND("tls = none\n")));
    assert_int_equal(report.count, 0);
}

static void test_its_authority_decides(void **state)
{
    struct tls_client *client = load(BACKEND("tls = implicit\nca = $/a.pem\n"));

    assert_non_null(client);
    assert_int_equal(report.count, 0);
    assert_true(believes(client, "a", "a.example"));
    assert_false(believes(client, "a", "other.example"));
    assert_false(believes(client, "b", "b.example"));
    tls_client_unref(&client);
}

static void test_else_those_that_the_system_trusts(void **state)
{
    struct tls_client *client = load(BACKEND("tls = implicit\n"));

    assert_non_null(client);
    assert_true(believes(client, "b", "b.example"));
    assert_false(believes(client, "a", "a.example"));
    tls_client_unref(&client);
}

static void test_without_verification_everything_is_believed(void **state)
{
    struct tls_client *client = load(BACKEND("tls = implicit\nverify = no\n"));

    assert_non_null(client);
    assert_true(believes(client, "a", "b.example"));
    tls_client_unref(&client);
}

static void test_pins_decide(void **state)
{
    unsigned char pin[TLS_PIN_SIZE];
    char text[1024] = BACKEND("tls = implicit\npin = sha256:");
    struct tls_client *client;

    certificates_pin(directory, "b", pin);
    for (size_t i = 0; i < sizeof(pin); i++)
        (void)snprintf(text + strlen(text), 4, "%02x", pin[i]);
    client = load(strcat(text, "\n"));
    assert_non_null(client);
    assert_true(believes(client, "b", "whatever.example"));
    assert_false(believes(client, "a", "a.example"));
    tls_client_unref(&client);
}

/* Each that is wrong by its own line. */
static void test_pins_that_are_none(void **state)
{
    assert_null(load(BACKEND("tls = implicit\npin = sha256:00\n"
                             "pin = sha256:"
                             "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
                             "pin = md5:00\n")));
    assert_int_equal(report.error_count, 2);
    assert_problem(0, true, "x.ini:9: [backend b] pin = sha256:00: not a pin; write sha256: ");
    assert_problem(1, true, "x.ini:11: [backend b] pin = md5:00: not a pin; ");
}

static void test_each_file_has_its_line(void **state)
{
    assert_refused(BACKEND("tls = implicit\nca = $/none.pem\n"), "x.ini:9: [backend b] ca: ");
    assert_refused(BACKEND("tls = implicit\nca = $/a.pem\nclient_certificate = $/none.pem\n"
                           "client_key = $/a.key\n"),
        "x.ini:10: [backend b] client_certificate: ");
    assert_refused(BACKEND("tls = implicit\nca = $/a.pem\nclient_certificate = $/a.pem\n"
                           "client_key = $/b.key\n"),
        "x.ini:11: [backend b] client_key: ");
}

/* Without client_key the key is looked for in the file of the certificate: that line is to blame.
 */
static void test_a_key_that_is_not_in_its_file(void **state)
{
    assert_refused(BACKEND("tls = implicit\nca = $/a.pem\nclient_certificate = $/a.pem\n"),
        "x.ini:10: [backend b] client_certificate: ");
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_none_without_tls),
        TEST(test_its_authority_decides),
        TEST(test_else_those_that_the_system_trusts),
        TEST(test_without_verification_everything_is_believed),
        TEST(test_pins_decide),
        TEST(test_pins_that_are_none),
        TEST(test_each_file_has_its_line),
        TEST(test_a_key_that_is_not_in_its_file),
    };

    return cmocka_run_group_tests(tests, set_up_directory, tear_down_directory);
}
