/* Certificate sets and ticket keys from their settings, and the line of each that is wrong. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "setup_test.h"
#include "tls_visit.h"

/* Its name is that of a header of the harness, too. */
#include "../../../proxy/setup/certificates.h"

#define LISTENER                                                                                   \
    "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\nbackend = b\n"                          \
    "[backend b]\nserver = 127.0.0.1:1143\n"

enum { CHECKING, SERVING };

static struct tls_set *load(const char *text, size_t index, bool make)
{
    struct config *config = config_of(text);
    struct tls_set *set = certificates_load(config, index, NULL, make, &report);

    config_free(&config);
    return set;
}

static void assert_refused(const char *text, size_t index, const char *error)
{
    assert_null(load(text, index, CHECKING));
    assert_one_error(error);
}

static struct tls_visit visit(struct tls_set *set, struct tls_visit wanted)
{
    const struct tls_service service = {
        .listener = "a", .protocol = "imap", .set_count = 1, .sets = &set};

    return tls_visited(&service, wanted);
}

static void assert_shown(struct tls_set *set, const char *name)
{
    struct tls_visit seen = visit(set, (struct tls_visit){0});

    assert_int_equal(seen.status, IO_OK);
    assert_string_equal(seen.common_name, name);
}

static void test_loads_each_set(void **state)
{
    static const char text[] = "[tls]\ncertificate = $/a.pem\nkey = $/a.key\n"
                               "[tls two]\ncertificate = $/b.pem\nkey = $/b.key\n" LISTENER;
    struct tls_set *first = load(text, 0, CHECKING);
    struct tls_set *second = load(text, 1, CHECKING);

    assert_non_null(first);
    assert_non_null(second);
    assert_shown(first, "a.example");
    assert_shown(second, "b.example");
    assert_int_equal(report.count, 0);
    tls_set_free(&first);
    tls_set_free(&second);
}

static void test_the_rules_of_a_set_are_its_settings(void **state)
{
    struct tls_set *set = load("[tls]\ncertificate = $/a.pem\nkey = $/a.key\n"
                               "minimum_version = 1.3\n" LISTENER,
        0, CHECKING);

    assert_non_null(set);
    assert_int_equal(visit(set, (struct tls_visit){.maximum = TLS1_2_VERSION}).status, IO_ERR);
    assert_string_equal(visit(set, (struct tls_visit){0}).version, "TLSv1.3");
    tls_set_free(&set);
}

/* A value of a list by itself, by its line; the set by its name. */
static void test_each_setting_has_its_line(void **state)
{
    assert_refused("[tls]\ncertificate = $/none.pem\nkey = $/a.key\n" LISTENER, 0,
        "x.ini:2: [tls] certificate = $/none.pem: ");
    assert_refused("[tls]\ncertificate = $/a.pem\nkey = $/b.key\n" LISTENER, 0,
        "x.ini:3: [tls] key = $/b.key: ");
    assert_refused("[tls two]\ncertificate = $/a.pem\nkey = $/a.key\n"
                   "client_certificate = require\nclient_ca = $/none.pem\n" LISTENER,
        1, "x.ini:5: [tls two] client_ca: ");
    assert_refused("[tls]\ncertificate = $/a.pem\nkey = $/a.key\nciphers = NONE\n" LISTENER, 0,
        "x.ini:4: [tls] ciphers: ");
    assert_refused("[tls]\ncertificate = $/a.pem\nkey = $/a.key\n\nciphersuites = X\n" LISTENER, 0,
        "x.ini:5: [tls] ciphersuites: ");
    assert_refused("[tls]\ncertificate = $/a.pem\nkey = $/a.key\ngroups = nothing\n" LISTENER, 0,
        "x.ini:4: [tls] groups: ");
}

/* What is no setting of its own is blamed on the section. */
static void test_a_default_has_the_line_of_its_section(void **state)
{
    assert_refused("[tls]\ncertificate = $/a.pem\nkey = $/a.key\ncertificate = $/b.pem\n"
                   "key = $/b.key\n" LISTENER,
        0, "x.ini:4: [tls] certificate = $/b.pem: ");
}

/* Worth a line in the log of a server, and none where one only checks. */
static void test_a_group_that_is_not_known_is_left_out(void **state)
{
    static const char text[] =
        "[tls]\ncertificate = $/a.pem\nkey = $/a.key\ngroups = X25519:nothing\n" LISTENER;
    struct tls_set *set;

    log_catch(LOG_INFO);
    set = load(text, 0, CHECKING);
    assert_non_null(set);
    assert_int_equal(report.count, 0);
    assert_string_equal(log_caught(), "");
    tls_set_free(&set);
    set = load(text, 0, SERVING);
    assert_non_null(set);
    assert_int_equal(report.count, 0);
    assert_int_equal(log_count(log_caught(), "info tls "), 1);
    tls_set_free(&set);
}

/* ---- Without a certificate ---- */

#define STATE "[proxy]\nhostname = mx.example\nstate_directory = $/state.d\n"

static void test_one_is_made_for_a_server(void **state)
{
    struct tls_set *set;

    log_catch(LOG_INFO);
    set = load(STATE LISTENER, 0, SERVING);
    assert_non_null(set);
    assert_shown(set, "mx.example");
    assert_int_equal(log_count(log_caught(), "warning self-signed "), 1);
    tls_set_free(&set);
}

static void test_none_is_made_where_one_only_checks(void **state)
{
    log_catch(LOG_INFO);
    assert_null(load("[proxy]\nstate_directory = $/other.d\n" LISTENER, 0, CHECKING));
    assert_int_equal(report.count, 0);
    assert_string_equal(log_caught(), "");
    assert_int_equal(access(certificates_path(directory, "other", "d"), F_OK), -1);
}

/* The rules are looked at all the same. */
static void test_rules_are_checked_without_a_certificate(void **state)
{
    assert_refused("[tls]\nciphers = NONE\n" LISTENER, 0, "x.ini:2: [tls] ciphers: ");
}

static void test_a_directory_that_cannot_be_used(void **state)
{
    log_catch(LOG_INFO);
    assert_null(
        load("[proxy]\nstate_directory = $/a.pem\n[tls]\ntickets = 2\n" LISTENER, 0, SERVING));
    assert_one_error("x.ini:3: [tls] certificate: none is configured, and a self-signed one cannot "
                     "be made: ");
}

/* ---- Tickets ---- */

static struct tls_tickets *load_tickets(const char *text)
{
    struct config *config = config_of(text);
    struct tls_tickets *tickets = tickets_load(config, &report);

    config_free(&config);
    return tickets;
}

static void test_ticket_keys(void **state)
{
    const char bytes[80] = "0123456789abcdef";
    struct tls_tickets *tickets = load_tickets(LISTENER);

    assert_non_null(tickets);
    tls_tickets_unref(&tickets);
    write_file("tickets", "key", bytes, sizeof(bytes));
    tickets = load_tickets("[tls]\nticket_keys = $/tickets.key\n" LISTENER);
    assert_non_null(tickets);
    assert_int_equal(report.count, 0);
    tls_tickets_unref(&tickets);
}

static void test_the_file_of_ticket_keys_that_is_wrong(void **state)
{
    const char bytes[80] = "0123456789abcdef";

    write_file("tickets", "key", bytes, sizeof(bytes));
    write_file("short", "key", bytes, 7);
    assert_null(
        load_tickets("[tls]\nticket_keys = $/tickets.key\nticket_keys = $/short.key\n" LISTENER));
    assert_one_error("x.ini:3: [tls] ticket_keys = $/short.key: ");
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_loads_each_set),
        TEST(test_the_rules_of_a_set_are_its_settings),
        TEST(test_each_setting_has_its_line),
        TEST(test_a_default_has_the_line_of_its_section),
        TEST(test_a_group_that_is_not_known_is_left_out),
        TEST(test_one_is_made_for_a_server),
        TEST(test_none_is_made_where_one_only_checks),
        TEST(test_rules_are_checked_without_a_certificate),
        TEST(test_a_directory_that_cannot_be_used),
        TEST(test_ticket_keys),
        TEST(test_the_file_of_ticket_keys_that_is_wrong),
    };

    return cmocka_run_group_tests(tests, set_up_directory, tear_down_directory);
}
