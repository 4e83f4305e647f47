/* Warnings about TLS and ports. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include <stdio.h>

#define SERVER "[backend b]\nserver = one 10.0.0.5:10143\n"

static void assert_warning(const char *text, const char *expected)
{
    assert_problem(text, false, expected);
}

static void assert_clean(const char *text)
{
    assert_parsed(text);
    if (report.count > 0)
        fail_msg("%s", report.problems[0].text);
}

static void test_tls_that_no_port_implies(void **state)
{
    assert_warning("[listener in]\nbind = *:10993\nprotocol = imap\nbackend = b\n" SERVER,
        "x.ini:1: [listener in]: tls is not given, port 10993 does not imply it, and so it is "
        "starttls; write tls = starttls, or tls = implicit where clients begin with TLS");
    assert_clean("[listener in]\nbind = *:10993\nprotocol = imap\ntls = starttls\nbackend = "
                 "b\n" SERVER);
    assert_clean("[listener in]\nbind = *:993\nbackend = b\n" SERVER);
}

static void assert_of_listener(
    const char *port, const char *protocol, const char *tls, const char *expected)
{
    char text[512];
    char problem[512];

    (void)snprintf(text, sizeof(text),
        "[listener in]\nbind = *:%s\nbackend = b\nprotocol = %s\ntls = %s\nrelay_domains = "
        "example.org\n" SERVER,
        port, protocol, tls);
    if (protocol[0] != 's') /* it sends no mail */
        (void)snprintf(text, sizeof(text),
            "[listener in]\nbind = *:%s\nbackend = b\nprotocol = %s\ntls = %s\n" SERVER, port,
            protocol, tls);
    (void)snprintf(problem, sizeof(problem), "x.ini:5: [listener in] %s", expected);
    if (expected[0] == '\0')
        assert_clean(text);
    else
        assert_warning(text, problem);
}

#define AWAITS(tls, port)                                                                          \
    "tls = " tls ": clients begin with TLS on port " port                                          \
    ", and would get no answer that they understand; write tls = implicit"
#define SILENT(port, other)                                                                        \
    "tls = implicit: on port " port                                                                \
    " clients wait for a greeting in clear, which never comes; write tls = starttls, or bind "     \
    "port " other

static void test_clients_that_begin_in_another_way(void **state)
{
    assert_of_listener("993", "imap", "starttls", AWAITS("starttls", "993"));
    assert_of_listener("995", "pop3", "starttls", AWAITS("starttls", "995"));
    assert_of_listener("465", "submission", "starttls", AWAITS("starttls", "465"));
    assert_of_listener("993", "imap", "none", AWAITS("none", "993"));
    assert_of_listener("25", "smtp", "implicit", SILENT("25", "465"));
    assert_of_listener("2525", "smtp", "implicit", SILENT("2525", "465"));
    assert_of_listener("587", "submission", "implicit", SILENT("587", "465"));
    assert_of_listener("110", "pop3", "implicit", SILENT("110", "995"));
    assert_of_listener("143", "imap", "implicit", SILENT("143", "993"));
    assert_of_listener("24", "lmtp", "implicit",
        "tls = implicit: on port 24 clients wait for a greeting in clear, which never comes; write "
        "tls = starttls");
    assert_of_listener("4190", "managesieve", "implicit",
        "tls = implicit: on port 4190 clients wait for a greeting in clear, which never comes; "
        "write tls = starttls");
    assert_of_listener("4190", "managesieve", "starttls", "");
    assert_of_listener("993", "imap", "implicit", "");
    assert_of_listener("10143", "imap", "implicit", "");
}

static void test_a_balancer_may_have_ended_tls(void **state)
{
    assert_warning("[listener in]\nbind = *:993\nbackend = b\ntls = none\naccept_proxy_from = "
                   "10.0.0.0/8\n" SERVER,
        "x.ini:4: [listener in] tls = none: passwords and mail travel in clear; tls = starttls "
        "protects them");
}

static void test_a_port_of_another_protocol(void **state)
{
    assert_warning("[listener in]\nbind = *:995\nprotocol = imap\nbackend = b\n" SERVER,
        "x.ini:3: [listener in] protocol = imap: clients speak pop3 on port 995; write protocol = "
        "pop3, or bind another port");
    assert_clean("[listener in]\nbind = *:587\nprotocol = smtp\nrelay_domains = a.example\n"
                 "backend = b\n" SERVER);
}

static void test_logins_in_clear(void **state)
{
    const char *const protocols[] = {"imap", "pop3", "submission"};
    char text[512];

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof(text),
            "[listener in]\nbind = *:10143\nbackend = b\nprotocol = %s\ntls = starttls\n"
            "require_tls = no\n%s" SERVER,
            protocols[i], i == 2 ? "relay_domains = a.example\n" : "");
        assert_warning(text,
            "x.ini:6: [listener in] require_tls = no: clients may send their passwords in clear; "
            "require_tls = auth, the default, takes logins inside TLS alone");
    }
    assert_clean("[listener in]\nbind = *:993\nbackend = b\nrequire_tls = no\n" SERVER);
    assert_clean("[listener in]\nbind = *:25\nbackend = b\nrelay_domains = a.example\n"
                 "require_tls = no\n" SERVER);
}

#define TWO_LISTENERS                                                                              \
    "[listener mx]\nbind = *:25\nrelay_domains = a.example\nbackend = m\n[backend m]\n"            \
    "server = 10.0.0.6:10025\n[listener in]\nbind = *:993\nbackend = b\n" SERVER

#define TOO_OLD                                                                                    \
    ": [listener in] speaks it, too, and this old TLS is for port 25 at most; write it into a "    \
    "[tls NAME] that the listener on port 25 alone has as tls_set"

static void test_old_tls_away_from_port_25(void **state)
{
    assert_warning(
        "[tls]\npolicy = legacy\n" TWO_LISTENERS, "x.ini:2: [tls] policy = legacy" TOO_OLD);
    assert_warning("[tls]\nminimum_version = 1.0\n" TWO_LISTENERS,
        "x.ini:2: [tls] minimum_version = 1.0" TOO_OLD);
    assert_warning("[listener in]\nbind = *:25\nbind = *:587\nprotocol = smtp\n"
                   "relay_domains = a.example\nbackend = b\n[tls]\npolicy = legacy\n" SERVER,
        "x.ini:8: [tls] policy = legacy" TOO_OLD);
    assert_clean("[tls]\npolicy = legacy\n[listener in]\nbind = *:25\nrelay_domains = a.example\n"
                 "backend = b\n" SERVER);
    /* a port to which port 25 may be redirected */
    assert_clean("[tls]\npolicy = legacy\n[listener in]\nbind = *:10025\nprotocol = smtp\n"
                 "tls = starttls\nrelay_domains = a.example\nbackend = b\n" SERVER);
}

static void test_old_tls_of_a_further_set(void **state)
{
    const char *const set = "[tls old]\ncertificate = c\nkey = k\npolicy = legacy\n";
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "%s[listener mx]\nbind = *:25\nrelay_domains = a.example\ntls_set = old\nbackend = m\n"
        "[backend m]\nserver = 10.0.0.6:10025\n[listener in]\nbind = *:993\nbackend = b\n" SERVER,
        set);
    assert_clean(text);
    (void)snprintf(text, sizeof(text),
        "%s[listener in]\nbind = *:993\ntls_set = default, old\nbackend = b\n" SERVER, set);
    assert_warning(text, "x.ini:4: [tls old] policy = legacy" TOO_OLD);
    /* What it takes from [tls] is said once, there. */
    assert_warning("[tls]\npolicy = legacy\n[tls more]\ncertificate = c\nkey = k\n[listener in]\n"
                   "bind = *:993\ntls_set = more\nbackend = b\n" SERVER,
        "x.ini:2: [tls] policy = legacy" TOO_OLD);
}

static void test_new_tls_on_port_25(void **state)
{
    assert_warning("[tls]\npolicy = modern\n" TWO_LISTENERS,
        "x.ini:2: [tls] policy = modern: mail servers without TLS 1.3 then send to port 25 of "
        "[listener mx] in clear; let it have policy = intermediate");
    assert_warning("[tls]\nminimum_version = 1.3\n" TWO_LISTENERS,
        "x.ini:2: [tls] minimum_version = 1.3: mail servers without TLS 1.3 then send to port 25 "
        "of [listener mx] in clear; let it have policy = intermediate");
    assert_clean("[tls]\npolicy = modern\n[listener in]\nbind = *:993\nbackend = b\n" SERVER);
}

static void assert_of_server(
    const char *listener, const char *port, const char *tls, const char *expected)
{
    char text[512];
    char problem[512];

    (void)snprintf(text, sizeof(text),
        "[backend b]\ntls = %s\nserver = one 10.0.0.5:%s\nserver = two 10.0.0.6:%s\n[listener "
        "in]\nbackend = b\n%s",
        tls, port, port, listener);
    (void)snprintf(problem, sizeof(problem), "x.ini:3: [backend b] server = one: %s", expected);
    if (expected[0] == '\0')
        assert_clean(text);
    else
        assert_warning(text, problem);
}

#define IMAP "bind = *:993\n"
#define MX "bind = *:25\nrelay_domains = a.example\n"
#define FROM_THE_FIRST_BYTE(tls, port)                                                             \
    "port " port " with tls = " tls                                                                \
    ": the server expects TLS from the first byte on that port; write tls = implicit"
#define IN_CLEAR(port)                                                                             \
    "port " port                                                                                   \
    " with tls = implicit: the server begins in clear on that port; write tls = starttls"

static void test_servers_that_begin_in_another_way(void **state)
{
    assert_of_server(IMAP, "993", "none", FROM_THE_FIRST_BYTE("none", "993"));
    assert_of_server(IMAP, "993", "starttls", FROM_THE_FIRST_BYTE("starttls", "993"));
    assert_of_server("bind = *:995\n", "995", "none", FROM_THE_FIRST_BYTE("none", "995"));
    assert_of_server(MX, "465", "none", FROM_THE_FIRST_BYTE("none", "465"));
    assert_of_server(IMAP, "143", "implicit", IN_CLEAR("143"));
    assert_of_server("bind = *:995\n", "110", "implicit", IN_CLEAR("110"));
    assert_of_server(MX, "25", "implicit", IN_CLEAR("25"));
    assert_of_server(MX, "587", "implicit", IN_CLEAR("587"));
    assert_of_server(IMAP, "993", "implicit", "");
    assert_of_server(IMAP, "143", "starttls", "");
    assert_of_server(IMAP, "143", "none", "");
}

#define SPARE "[backend spare]\nserver = 10.0.0.7:143\n"

/* It is left out, whatever stands before or behind it. */
static void test_a_backend_that_no_listener_uses(void **state)
{
    const char *const in = "[listener in]\nbind = *:993\nbackend = b\n";
    char text[512];

    for (int i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof(text), i == 0 ? SPARE SERVER "%s" : SERVER SPARE "%s", in);
        assert_warning(text,
            i == 0 ? "x.ini:1: [backend spare]: no listener uses it; write backend = spare in a "
                     "listener, or remove the section"
                   : "x.ini:3: [backend spare]: no listener uses it; write backend = spare in a "
                     "listener, or remove the section");
        assert_int_equal(config->backend_count, 1);
        assert_int_equal(config->listeners[0].backend, 0);
        assert_string_equal(config->backends[0].name, "b");
    }
}

static void test_listeners_keep_their_backends(void **state)
{
    assert_true(parse(SPARE SERVER "[backend no]\nserver = 10.0.0.8:143\n[backend c]\nserver = "
                                   "10.0.0.9:143\n[listener x]\nbind = *:993\nbackend = c\n"
                                   "[listener y]\nbind = *:143\nbackend = b\n"));
    assert_int_equal(report.count, 2);
    assert_int_equal(config->backend_count, 2);
    assert_string_equal(config->backends[config->listeners[0].backend].name, "c");
    assert_string_equal(config->backends[config->listeners[1].backend].name, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_that_no_port_implies),
        cmocka_unit_test(test_clients_that_begin_in_another_way),
        cmocka_unit_test(test_a_balancer_may_have_ended_tls),
        cmocka_unit_test(test_a_port_of_another_protocol),
        cmocka_unit_test(test_logins_in_clear),
        cmocka_unit_test(test_old_tls_away_from_port_25),
        cmocka_unit_test(test_old_tls_of_a_further_set),
        cmocka_unit_test(test_new_tls_on_port_25),
        cmocka_unit_test(test_servers_that_begin_in_another_way),
        cmocka_unit_test(test_a_backend_that_no_listener_uses),
        cmocka_unit_test(test_listeners_keep_their_backends),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
