/* How a listener serves its clients, as a configuration says it. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/protocols.h"
#include "service.h"
#include "snapshots.h"

#define LISTENER(rest) "[listener a]\nbind = 127.0.0.1:1001\nbackend = b\n" rest
#define BACKEND "[backend b]\nserver = one 127.0.0.1:143\n"

static struct config *config;

static int forget(void **state)
{
    config_free(&config);
    return 0;
}

static struct service service(const char *text)
{
    static const char tls; /* only handed through, as the two below */

    config_free(&config);
    config = config_of(text);
    return service_of(config, &config->listeners[0], (const struct tls_service *)(const void *)&tls,
        (struct pool *)&config, (struct tls_client *)&config);
}

static void test_what_it_borrows(void **state)
{
    struct service found = service(LISTENER("protocol = imap\n") BACKEND);

    assert_ptr_equal(found.config, config);
    assert_ptr_equal(found.listener, &config->listeners[0]);
    assert_ptr_equal(found.protocol, &protocol_imap);
    assert_ptr_equal(found.route.pool, &config);
    assert_ptr_equal(found.route.tls, &config);
    assert_ptr_equal(found.route.backend, &config->backends[0]);
}

/* STARTTLS is offered where that is how TLS begins; without TLS there is none at all. */
static void test_tls_toward_clients(void **state)
{
    struct service found = service(LISTENER("protocol = imap\n") BACKEND);

    assert_non_null(found.tls);
    assert_true(found.dialog_policy.offers_tls);
    found = service(LISTENER("protocol = imap\ntls = implicit\n") BACKEND);
    assert_non_null(found.tls);
    assert_false(found.dialog_policy.offers_tls);
    found = service(LISTENER("protocol = imap\ntls = none\n") BACKEND);
    assert_null(found.tls);
    assert_false(found.dialog_policy.offers_tls);
}

/* Where its first bytes tell what a client wants, they are waited for; nowhere else. */
static void test_which_listeners_wait_for_first_bytes(void **state)
{
    struct service found = service(LISTENER("protocol = imap\ntls = auto\n") BACKEND);

    assert_true(found.sniffs);
    assert_non_null(found.tls);
    assert_true(found.dialog_policy.offers_tls);
    assert_false(service(LISTENER("protocol = imap\ntls = implicit\n") BACKEND).sniffs);
    assert_false(service(LISTENER("protocol = imap\ntls = starttls\n") BACKEND).sniffs);
    assert_false(service(LISTENER("protocol = imap\ntls = none\n") BACKEND).sniffs);
}

static void test_passed_connections(void **state)
{
    static const char text[] =
        "[listener a]\nbind = 127.0.0.1:1001\nprotocol = auto\n"
        "route = default -> pass backend b\n" BACKEND "[timeouts]\npass_idle = 7s\n";
    struct service front;
    struct service passed;

    config_free(&config);
    config = config_of(text);
    front = service_of_front(config, &config->listeners[0], NULL);
    passed = service_of_passed(
        config, &config->listeners[0], &config->backends[0], (struct pool *)&config);
    assert_true(front.sniffs);
    assert_null(front.protocol);
    assert_false(passed.sniffs);
    assert_null(passed.protocol);
    assert_null(passed.tls);
    assert_int_equal(passed.route.opening.goal, OPENING_CONNECT);
    assert_ptr_equal(passed.route.pool, &config);
    assert_int_equal(passed.idle_ms, 7000);
}

static void test_when_tls_is_required(void **state)
{
    static const struct {
        const char *text;
        enum require_tls wanted;
    } rows[] = {
        {LISTENER("protocol = imap\nrequire_tls = no\n") BACKEND, REQUIRE_TLS_NO},
        {LISTENER("protocol = imap\nrequire_tls = auth\n") BACKEND, REQUIRE_TLS_AUTH},
        {LISTENER("protocol = imap\nrequire_tls = yes\n") BACKEND, REQUIRE_TLS_YES},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(service(rows[i].text).dialog_policy.require_tls, rows[i].wanted);
}

static void test_smuggling(void **state)
{
    static const struct {
        const char *text;
        enum smuggling wanted;
    } rows[] = {
        {LISTENER("protocol = smtp\nsmuggling = look-alikes\n") BACKEND, SMUGGLING_LOOK_ALIKES},
        {LISTENER("protocol = smtp\nsmuggling = strict\n") BACKEND, SMUGGLING_STRICT},
        {LISTENER("protocol = smtp\nsmuggling = pass\n") BACKEND, SMUGGLING_PASS},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(service(rows[i].text).dialog_policy.smuggling, rows[i].wanted);
}

static void test_limits(void **state)
{
    struct dialog_policy found =
        service("[proxy]\nhostname = mx.example\n[limits]\nline = 3000\nsasl_line = 4000\n"
                "literal = 5000\nreply = 6000\nreply_lines = 70\nbad_commands = 8\n" LISTENER(
                    "protocol = smtp\nrelay_domains = a.example, b.example\n") BACKEND)
            .dialog_policy;

    assert_true(slice_equal(found.hostname, SLICE("mx.example")));
    assert_int_equal(found.line, 3000);
    assert_int_equal(found.sasl_line, 4000);
    assert_int_equal(found.literal, 5000);
    assert_int_equal(found.reply, 6000);
    assert_int_equal(found.reply_lines, 70);
    assert_int_equal(found.bad_commands, 8);
    assert_int_equal(found.relay_domain_count, 2);
    assert_string_equal(found.relay_domains[1], "b.example");
}

/* POP3 has a time of its own: its mailbox is locked while a session lasts. */
static void test_idle(void **state)
{
    static const char times[] = "[timeouts]\nimap_idle = 40m\npop3_idle = 11m\n";
    char text[512];

    (void)snprintf(text, sizeof(text), "%s%s", times, LISTENER("protocol = pop3\n") BACKEND);
    assert_int_equal(service(text).idle_ms, 11 * 60 * 1000);
    (void)snprintf(text, sizeof(text), "%s%s", times, LISTENER("protocol = imap\n") BACKEND);
    assert_int_equal(service(text).idle_ms, 40 * 60 * 1000);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_it_borrows),
        TEST(test_tls_toward_clients),
        TEST(test_which_listeners_wait_for_first_bytes),
        TEST(test_passed_connections),
        TEST(test_when_tls_is_required),
        TEST(test_smuggling),
        TEST(test_limits),
        TEST(test_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
