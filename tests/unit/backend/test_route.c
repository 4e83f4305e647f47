/* The way to a backend as a configuration says it. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/protocols.h"
#include "route.h"
#include "snapshots.h"

#define LISTENER(rest) "[listener a]\nbind = 127.0.0.1:1001\nbackend = b\n" rest "[backend b]\n"
#define IMAP LISTENER("protocol = imap\ntls = none\n")
#define SERVER "server = one 127.0.0.1:143\n"

static struct pool *const pool = (struct pool *)&pool; /* only handed through */
static struct tls_client *const tls = (struct tls_client *)&tls;

static struct config *config;

static int forget(void **state)
{
    config_free(&config);
    return 0;
}

static struct route route(const char *text)
{
    config_free(&config);
    config = config_of(text);
    return route_of(config, &config->listeners[0], pool, tls);
}

static struct probe_plan plan(const char *text)
{
    config_free(&config);
    config = config_of(text);
    return route_probe_plan(config, &config->backends[0], tls);
}

static void test_protocols(void **state)
{
    assert_ptr_equal(route_protocol(CONFIG_PROTOCOL_SMTP), &protocol_smtp);
    assert_ptr_equal(route_protocol(CONFIG_PROTOCOL_SUBMISSION), &protocol_smtp);
    assert_ptr_equal(route_protocol(CONFIG_PROTOCOL_LMTP), &protocol_lmtp);
    assert_ptr_equal(route_protocol(CONFIG_PROTOCOL_POP3), &protocol_pop3);
    assert_ptr_equal(route_protocol(CONFIG_PROTOCOL_IMAP), &protocol_imap);
}

static void test_what_it_borrows(void **state)
{
    struct route found = route(IMAP SERVER);

    assert_ptr_equal(found.pool, pool);
    assert_ptr_equal(found.tls, tls);
    assert_ptr_equal(found.backend, &config->backends[0]);
    assert_ptr_equal(found.timeouts, &config->timeouts);
}

static void test_the_opening(void **state)
{
    struct route found =
        route("[proxy]\nhostname = mx.example\n[limits]\nreply_lines = 99\n" IMAP SERVER
              "tls = starttls\nsend_client_address = id\n");

    assert_ptr_equal(found.opening.protocol, &protocol_imap);
    assert_int_equal(found.opening.goal, OPENING_SESSION);
    assert_true(found.opening.starttls);
    assert_int_equal(found.opening.identity, SEND_ADDRESS_ID);
    assert_true(slice_equal(found.opening.hostname, SLICE("mx.example")));
    assert_int_equal(found.opening.reply_lines, 99);
    assert_int_equal(found.opening.reply, config->limits.reply);
    found = route(LISTENER("protocol = pop3\ntls = none\n") SERVER
        "tls = implicit\nsend_client_address = xclient\n");
    assert_false(found.opening.starttls);
    assert_int_equal(found.opening.identity, SEND_ADDRESS_XCLIENT);
    found = route(IMAP SERVER "send_client_address = proxy-v2\n"); /* told before the opening */
    assert_int_equal(found.opening.identity, SEND_ADDRESS_PROXY_V2);
}

/* [RFC 5321 4.5.3.2.1] has minutes for SMTP; users of the others wait. */
static void test_the_time_for_a_greeting(void **state)
{
    assert_int_equal(route(IMAP SERVER).greeting_ms, 10000);
    assert_int_equal(route(LISTENER("protocol = smtp\ntls = none\n") SERVER).greeting_ms, 60000);
    assert_int_equal(
        route(LISTENER("protocol = submission\ntls = none\n") SERVER).greeting_ms, 60000);
    assert_int_equal(route("[timeouts]\ngreeting = 7s\n" IMAP SERVER).greeting_ms, 7000);
    assert_int_equal(route("[timeouts]\nkeepalive = 90s\n" IMAP SERVER).keepalive_s, 90);
}

/* A handshake proves something where it is verified, or by a pin. */
static void test_whether_the_server_is_proved(void **state)
{
    assert_false(route(IMAP SERVER).is_verified);
    assert_true(route(IMAP SERVER "tls = implicit\n").is_verified);
    assert_false(route(IMAP SERVER "tls = implicit\nverify = no\n").is_verified);
    assert_true(route(IMAP SERVER
        "tls = implicit\nverify = no\n"
        "pin = sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n")
                    .is_verified);
}

static void test_who_its_clients_are(void **state)
{
    struct route users = route(IMAP SERVER);
    struct route submission = route(LISTENER("protocol = submission\ntls = none\n") SERVER);
    struct route servers = route(LISTENER("protocol = smtp\ntls = none\n") SERVER);

    assert_true(users.has_logins && !users.is_patient);
    assert_true(submission.has_logins && submission.is_patient);
    assert_true(!servers.has_logins && servers.is_patient);
    assert_false(users.needs_tls);
    assert_true(route(LISTENER("protocol = imap\n") SERVER).needs_tls);
    assert_false(route(LISTENER("protocol = imap\nrequire_tls = no\n") SERVER).needs_tls);
}

/* A probe comes in its own name, by the same way. */
static void test_probes(void **state)
{
    struct probe_plan found = plan(IMAP SERVER "tls = implicit\ntls_name = mx.example\n"
                                               "send_client_address = proxy-v1\n"
                                               "check_timeout = 4s\n");

    assert_true(found.implicit_tls);
    assert_ptr_equal(found.tls, tls);
    assert_string_equal(found.tls_name, "mx.example");
    assert_int_equal(found.header, 1);
    assert_int_equal(found.timeout_ms, 4000);
    assert_null(found.client);
    assert_null(found.recipient);
    assert_int_equal(plan(IMAP SERVER "send_client_address = proxy-v2\n").header, 2);
    assert_int_equal(plan(IMAP SERVER "send_client_address = id\n").header, 0);
    assert_false(plan(IMAP SERVER "tls = starttls\n").implicit_tls);
    assert_true(plan(IMAP SERVER "tls = starttls\n").opening.starttls);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_protocols),
        TEST(test_what_it_borrows),
        TEST(test_the_opening),
        TEST(test_the_time_for_a_greeting),
        TEST(test_whether_the_server_is_proved),
        TEST(test_who_its_clients_are),
        TEST(test_probes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
