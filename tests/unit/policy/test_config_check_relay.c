/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include <string.h>

#define BACKEND "[backend mta]\nserver = mx1 10.0.0.5:25\n"
#define TRUSTED "relay_domains = example.org\n" /* else a server that trusts us is warned of */
#define LISTENER(lines) BACKEND "[listener in]\nbackend = mta\n" lines

static void test_networks(void **state)
{
    const struct config_listener *listener;

    assert_parsed(LISTENER("bind = *:143\naccept_proxy_from = 10.0.0.0/8, 2001:db8::/32\n"
                           "accept_proxy_from = 192.0.2.1\n"));
    listener = &config->listeners[0];
    assert_int_equal(report.count, 0);
    assert_int_equal(listener->accept_proxy_from.count, 3);
    assert_int_equal(listener->accept_proxy_from.cidr[0].bits, 8);
    assert_int_equal(listener->accept_proxy_from.cidr[2].bits, 32);
    assert_int_equal(listener->accept_proxy_from.origin[2].line, 7);
    assert_error(LISTENER("bind = *:143\naccept_proxy_from = 10.0.0.1/8\n"),
        "x.ini:6: [listener in] accept_proxy_from = 10.0.0.1/8: the address has bits set behind "
        "its first 8; write 10.0.0.0/8 for the network, or 10.0.0.1 for the one address");
    assert_problem(LISTENER("bind = *:143\naccept_proxy_from = 10.0.0.1, ::/0\n"), false,
        "x.ini:6: [listener in] accept_proxy_from = ::/0: every client must send a PROXY header, "
        "and can claim any address in it; name the addresses of the load balancers");
}

static void test_exempt(void **state)
{
    assert_parsed(LISTENER(TRUSTED "bind = *:25\nsmuggling_exempt = 10.0.0.0/8, ::1\n"));
    assert_int_equal(report.count, 0);
    assert_int_equal(config->listeners[0].smuggling_exempt.count, 2);
    assert_error(LISTENER("bind = *:143\nsmuggling_exempt = 10.0.0.0/8\n"),
        "x.ini:6: [listener in] smuggling_exempt = 10.0.0.0/8: this listener speaks imap, which "
        "sends no mail; remove the line");
    assert_problem(LISTENER(TRUSTED "bind = *:25\nsmuggling_exempt = 0.0.0.0/0\n"), false,
        "x.ini:7: [listener in] smuggling_exempt = 0.0.0.0/0: that is every client, as with "
        "smuggling = pass; name the networks of the printers and scripts");
    assert_problem(BACKEND
        "send_client_address = xclient\n[listener in]\nbackend = mta\nbind = *:25\n"
        "smuggling = pass\nsmuggling_exempt = 10.0.0.0/8\n",
        false,
        "x.ini:8: [listener in] smuggling_exempt = 10.0.0.0/8: it has no effect with smuggling = "
        "pass, which holds for every client; remove one of the two lines");
    (void)state;
}

static void test_relay_domains(void **state)
{
    static const char *const bad[] = {"*", "*.", "@example.org", "u@example.org", ".example.org",
        "exa mple.org", "*.*.example.org", "a.*.example.org", "example..org", "[192.0.2]",
        "[2001:db8::1]", "[IPv6:192.0.2.1]", "[[192.0.2.1]]", "[example.org]", "[]"};
    char text[256];
    char expected[512];

    assert_parsed(LISTENER("bind = *:25\nrelay_domains = example.org, *.Example.org, b\xc3\xbc"
                           "cher.example, [192.0.2.1], [IPv6:2001:db8::1], localhost\n"));
    assert_int_equal(report.count, 0);
    assert_int_equal(config->listeners[0].relay_domains.count, 6);
    assert_string_equal(config->listeners[0].relay_domains.text[1], "*.Example.org");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        (void)snprintf(
            text, sizeof(text), LISTENER("bind = *:25\nrelay_domains = example.org, %s\n"), bad[i]);
        (void)snprintf(expected, sizeof(expected),
            "x.ini:6: [listener in] relay_domains = %s: not a mail domain; allowed: example.org, "
            "*.example.org (what is below it) or [192.0.2.1]",
            bad[i]);
        assert_error(text, expected);
    }
    assert_error(LISTENER("bind = *:143\nrelay_domains = example.org\n"),
        "x.ini:6: [listener in] relay_domains = example.org: this listener speaks imap, which "
        "sends "
        "no mail; remove the line");
    assert_problem(LISTENER("bind = *:25\n" TRUSTED "smuggling = pass\n"), false,
        "x.ini:7: [listener in] smuggling = pass: a server that takes other line ends for the end "
        "of a message runs what follows as commands, with recipients beyond relay_domains; write "
        "look-alikes");
}

#define REMOTE_TRUST                                                                               \
    "[backend mta]: its servers see every client at mailmux's address; one that trusts that "      \
    "address (Postfix: mynetworks, Dovecot: login_trusted_networks) relays mail for anybody; "

/* A server that trusts our address relays for everybody, and nobody notices (C102). */
static void test_trust_is_warned_of_once(void **state)
{
    static const char remedy[] =
        "write send_client_address = xclient or proxy-v2 here, or relay_domains in each of its "
        "listeners ([listener in] has none), or take the address out of the server's trusted "
        "networks";
    char expected[1024];

    (void)snprintf(expected, sizeof(expected), "x.ini:1: " REMOTE_TRUST "%s", remedy);
    assert_problem(LISTENER("bind = *:25\n"), false, expected);
    assert_problem(LISTENER("bind = *:587\n"), false, expected);
    assert_problem(
        LISTENER("bind = *:25\n") "[listener b]\nbind = *:465\nbackend = mta\n", false, expected);
    /* One listener that relays is enough. */
    assert_problem(LISTENER("bind = *:25\n") "[listener b]\nbind = *:465\nbackend = mta\n" TRUSTED,
        false, expected);
    assert_parsed(LISTENER("bind = *:25\n" TRUSTED));
    assert_int_equal(report.count, 0);
    assert_parsed(LISTENER("bind = *:143\n"));
    assert_int_equal(report.count, 0);
    /* A server of LMTP delivers, and relays nothing. Its recipients can be limited even so. */
    assert_parsed(LISTENER("bind = *:24\n"));
    assert_int_equal(report.count, 0);
    assert_parsed(LISTENER("bind = *:24\n" TRUSTED));
    assert_int_equal(report.count, 0);
}

static void test_trust_of_this_machine_is_warned_of(void **state)
{
    static const char *const servers[] = {"mx1 127.0.0.1:2525", "mx1 127.5.5.5:2525",
        "mx1 [::1]:2525", "mx1 [::ffff:127.0.0.1]:2525", "mx1 localhost:2525",
        "mx0 10.0.0.5:25\nserver = mx1 mail.LOCALHOST:25"};
    char text[256];

    for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++) {
        (void)snprintf(text, sizeof(text),
            "[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\nserver = %s\n", servers[i]);
        assert_problem(text, false,
            "x.ini:4: [backend mta]: its server mx1 is on this machine and sees every client at a "
            "loopback address, which mail servers trust unless told otherwise (Postfix: "
            "127.0.0.0/8 in mynetworks): it is then an open relay for everybody; write "
            "send_client_address = xclient or proxy-v2 here, or relay_domains in each of its "
            "listeners ([listener in] has none), or take the address out of the server's trusted "
            "networks");
    }
}

/* Passed mail, as a route or the port of its server says. */
static void test_mail_that_is_passed_is_warned_of(void **state)
{
    static const char *const routes[] = {"first smtp -> pass 192.0.2.1:1025",
        "alpn submission -> pass 192.0.2.1:1025", "default -> pass 192.0.2.1:25",
        "tls -> pass 192.0.2.1:465"};
    static const char *const others[] = {"first http -> pass 192.0.2.1:25",
        "alpn imap -> pass 192.0.2.1:993", "default -> pass 192.0.2.1:443",
        "tls -> pass 192.0.2.1:995", "first lmtp -> pass 192.0.2.1:24",
        "first smtp -> pass 192.0.2.1:25 send_client_address=proxy-v2"};
    static const char form[] = "[listener door]\nbind = *:443\nroute = %s\n%s";
    char text[256];

    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        (void)snprintf(text, sizeof(text), form, routes[i],
            strncmp(routes[i], "default", 7) == 0 ? "" : "route = default -> refuse\n");
        assert_parsed(text);
        assert_int_equal(report.count, 1);
        assert_non_null(strstr(report.problems[0].text,
            "relays mail for anybody; write send_client_address=proxy-v2 behind it, or take the "
            "address "
            "out of the server's trusted networks"));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        (void)snprintf(text, sizeof(text), form, others[i],
            strncmp(others[i], "default", 7) == 0 ? "" : "route = default -> refuse\n");
        assert_parsed(text);
        assert_int_equal(report.count, 0);
    }
    assert_problem("[listener door]\nbind = *:443\nroute = first smtp -> pass backend mta\n"
                   "route = default -> refuse\n[backend mta]\nserver = mx1 127.0.0.1:2525\n",
        false,
        "x.ini:5: [backend mta]: its server mx1 is on this machine and sees every client at a "
        "loopback address, which mail servers trust unless told otherwise (Postfix: "
        "127.0.0.0/8 in mynetworks): it is then an open relay for everybody; write "
        "send_client_address = proxy-v2 here, or take the address out of the server's trusted "
        "networks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_exempt),
        cmocka_unit_test(test_relay_domains),
        cmocka_unit_test(test_trust_is_warned_of_once),
        cmocka_unit_test(test_trust_of_this_machine_is_warned_of),
        cmocka_unit_test(test_mail_that_is_passed_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
