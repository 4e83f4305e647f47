/* route: what it is read as, what is refused, and routes that can never be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"

#include <string.h>

/* A listener that routes, the routes, and what they name. */
#define DOOR "[listener door]\nbind = *:443\nprotocol = auto\n"
#define REST                                                                                       \
    "[listener imaps]\nbackend = 127.0.0.1:143\n"                                                  \
    "[listener submission]\nbackend = 127.0.0.1:587 send_client_address=xclient\n"                 \
    "[backend web]\nserver = 127.0.0.1:8080\n"                                                     \
    "[listener out]\nbind = *:25\nbackend = 192.0.2.1:25\nrelay_domains = example.org\n"
/* Each is named, so that what is wrong with one route alone is said. */
#define ALL                                                                                        \
    "route = from 198.51.100.1 -> imaps\nroute = from 198.51.100.2 -> submission\n"                \
    "route = from 198.51.100.3 -> pass backend web\n"
#define AT(line) "x.ini:" line ": [listener door] route = "

static const struct config_route *route(size_t index)
{
    return &config->listeners[0].routes[index];
}

static const struct routing_rule *rule(size_t index)
{
    return &config->listeners[0].rules[index];
}

static void test_every_condition_is_read(void **state)
{
    (void)state;
    assert_parsed(
        DOOR "route = alpn imap -> imaps\n"
             "route = sni Mail.Example.ORG -> imaps\n"
             "route = sni *.example.org->imaps\n"
             "route = first smtp -> submission, first EHLO -> refuse\n"
             "route = from 192.0.2.0/24 -> refuse\n"
             "route = tls -> pass backend web\n"
             "route = default -> pass 127.0.0.1:8443 send_client_address=proxy-v2\n" REST);
    assert_int_equal(config->listeners[0].route_count, 8);
    assert_int_equal(config->listeners[0].protocol, CONFIG_PROTOCOL_AUTO);
    assert_int_equal(config->listeners[0].backend, CONFIG_NO_BACKEND);
    assert_int_equal(config->listeners[0].sniff, 300);
    assert_int_equal(config->limits.client_hello, 16384);
    assert_int_equal(rule(0)->key, ROUTING_ALPN);
    assert_string_equal(rule(0)->text, "imap");
    assert_string_equal(route(0)->text, "alpn imap");
    assert_int_equal(route(0)->target, ROUTE_LISTENER);
    assert_int_equal(route(0)->index, 1);
    assert_int_equal(route(0)->origin.line, 4);
    assert_string_equal(rule(1)->text, "mail.example.org");
    assert_string_equal(rule(2)->text, "*.example.org");
    assert_int_equal(rule(3)->first, ROUTING_FIRST_SMTP);
    assert_int_equal(rule(4)->first, ROUTING_FIRST_SMTP);
    assert_int_equal(route(4)->target, ROUTE_REFUSE);
    assert_int_equal(rule(5)->from.bits, 24);
    assert_int_equal(route(6)->target, ROUTE_PASS);
    assert_string_equal(config->backends[route(6)->index].name, "web");
    assert_string_equal(config->backends[route(7)->index].name, "127.0.0.1:8443");
}

/* A passed connection is of no protocol of mail, and its server may get a PROXY header. */
static void test_an_address_is_a_backend(void **state)
{
    const struct config_backend *backend;

    (void)state;
    assert_parsed(DOOR ALL "route = alpn h2 -> pass unix:/run/web send_client_address=proxy-v1\n"
                           "route = tls -> pass unix:/run/web send_client_address=proxy-v1\n"
                           "route = default -> refuse\n" REST);
    assert_int_equal(route(3)->index, route(4)->index);
    backend = &config->backends[route(3)->index];
    assert_true(backend->is_inline);
    assert_int_equal(backend->protocol, CONFIG_PROTOCOL_NONE);
    assert_int_equal(backend->send_client_address, SEND_ADDRESS_PROXY_V1);
    assert_int_equal(backend->server_count, 1);
    assert_int_equal(backend->retries, 3); /* the other settings are the defaults */
    backend = &config->backends[config->listeners[2].backend];
    assert_string_equal(backend->name, "127.0.0.1:587");
    assert_int_equal(backend->protocol, CONFIG_PROTOCOL_SUBMISSION);
    assert_int_equal(backend->send_client_address, SEND_ADDRESS_XCLIENT);
}

/* Without an address of its own, a listener serves clients of either kind, and has its name. */
static void test_a_listener_without_bind(void **state)
{
    (void)state;
    assert_parsed("[listener door]\nbind = *:443\nroute = default -> pop3s\n"
                  "[listener pop3s]\nbackend = 127.0.0.1:110\n");
    assert_int_equal(config->listeners[0].protocol, CONFIG_PROTOCOL_AUTO);
    assert_int_equal(config->listeners[1].protocol, CONFIG_PROTOCOL_POP3);
    assert_int_equal(config->listeners[1].tls, LISTENER_TLS_AUTO);
    assert_int_equal(config->listeners[1].require_tls, REQUIRE_TLS_AUTH);
    assert_error("[listener door]\nbind = *:443\nroute = default -> mail\n"
                 "[listener mail]\nbackend = 127.0.0.1:110\n",
        "x.ini:4: [listener mail]: protocol is missing; write protocol = smtp, submission, lmtp, "
        "pop3, "
        "imap, managesieve, auto");
    assert_error("[listener door]\nbind = *:443\nroute = default -> refuse\n"
                 "[listener imap]\nbackend = 127.0.0.1:110\n",
        "x.ini:4: [listener imap]: bind is missing, and no route leads here; write bind, or route "
        "= CONDITION -> imap in [listener door]");
}

/* A line without effect does no more than that. */
static void test_a_backend_of_a_listener_with_routes(void **state)
{
    (void)state;
    assert_problem("[listener door]\nbind = *:443\nprotocol = auto\nbackend = mail\n"
                   "route = default -> imaps\n"
                   "[listener imaps]\nbackend = mail\n[backend mail]\nserver = 192.0.2.1:143\n",
        false,
        "x.ini:4: [listener door] backend: it has no effect where protocol = auto, but in the "
        "listeners that the routes name; remove the line");
    assert_int_equal(report.count, 1);
}

static void assert_refused(const char *route_line, const char *why)
{
    char text[2048];
    char expected[1024];

    (void)snprintf(
        text, sizeof(text), DOOR "route = %s\n" ALL "route = default -> refuse\n" REST, route_line);
    (void)snprintf(expected, sizeof(expected), AT("4") "%s: %s", route_line, why);
    assert_error(text, expected);
}

static void test_what_is_wrong_with_a_line(void **state)
{
    (void)state;
    assert_refused("alpn imap imaps",
        "a route is CONDITION -> TARGET; write e.g. alpn imap -> imaps, or default -> pass "
        "127.0.0.1:8443");
    assert_refused("-> imaps", "there is no condition before ->; write e.g. alpn imap -> imaps, or "
                               "default -> pass 127.0.0.1:8443");
    assert_refused("alpn imap ->", "there is no target behind ->; write e.g. alpn imap -> imaps, "
                                   "or default -> pass 127.0.0.1:8443");
    assert_refused("alnp imap -> imaps", "\"alnp\" is no condition; did you mean alpn?");
    assert_refused("port 25 -> imaps",
        "\"port\" is no condition; allowed: alpn NAME, sni NAME, tls, first PROTOCOL, from "
        "IP/BITS, default");
    assert_refused(
        "alpn imap h2 -> imaps", "one word follows alpn; write e.g. alpn imap -> TARGET");
    assert_refused(
        "sni -> imaps", "one word follows sni; write e.g. sni mail.example.org -> TARGET");
    assert_refused("tls imap -> imaps", "nothing may follow tls; a route has one condition");
    assert_refused("sni .example.org -> imaps",
        "\".example.org\" is not a host name; write one such as mail.example.org, or "
        "*.example.org for every name below");
    assert_refused("sni example.org. -> imaps", "leave the dot at the end out; write example.org");
    assert_refused(
        "sni 192.0.2.1 -> imaps", "clients ask for no address, only for names; remove the line");
    assert_refused("first imop -> imaps",
        "\"imop\" is no protocol that is known by its first words; did you mean imap?");
    assert_refused("first EHLO/CAPA -> imaps",
        "\"EHLO/CAPA\" is no protocol that is known by its first words; allowed: smtp, lmtp, imap, "
        "pop3, managesieve, http, ssh");
    assert_refused("from 192.0.2.1/24 -> imaps",
        "the address has bits set behind its first 24; write 192.0.2.0/24 for the network, or "
        "192.0.2.1 for the one address");
}

static void test_what_is_wrong_with_a_target(void **state)
{
    (void)state;
    assert_refused("tls -> imap", "there is no section [listener imap]; did you mean imaps?");
    assert_refused("tls -> imaps now", "nothing may follow the name of a listener; its section "
                                       "[listener imaps] has the settings");
    assert_refused("tls -> web",
        "web is a backend; name a listener, whose settings then hold, or write pass backend web "
        "for connections that are passed unread");
    assert_refused("tls -> 127.0.0.1:8443",
        "to pass connections on unread, write pass 127.0.0.1:8443; else name a listener, whose "
        "backend it is");
    assert_refused("tls -> pass", "pass whereto? write e.g. pass 127.0.0.1:8443, or pass backend "
                                  "NAME");
    assert_refused("tls -> pass 127.0.0.1",
        "\"127.0.0.1\" is not HOST:PORT with a port of 1 to 65535; an IPv6 address stands in "
        "brackets");
    assert_refused("tls -> pass web", "web is a backend; write pass backend web");
    assert_refused(
        "tls -> pass backend wbe", "there is no section [backend wbe]; did you mean web?");
    assert_refused("tls -> pass backend", "the name of the backend is missing; write pass backend "
                                          "NAME");
    assert_refused("tls -> pass backend web weight=1",
        "nothing may follow the name; the section [backend web] has the settings");
    assert_refused("tls -> pass 127.0.0.1:8443 backup",
        "\"backup\" is unknown here; send_client_address=proxy-v2 may follow HOST:PORT, and for "
        "more there is a section: [backend NAME]");
    assert_refused("tls -> pass 127.0.0.1:8443 send_client_address=proxy",
        "send_client_address: not a choice here; did you mean proxy-v1? allowed: none, proxy-v1, "
        "proxy-v2, xclient, id");
    assert_refused("tls -> refuse imaps", "nothing may follow refuse");
}

/* A name that is near a registered one; other names may be anything. */
static void test_a_misspelt_protocol(void **state)
{
    (void)state;
    assert_problem(DOOR ALL "route = alpn IMAP -> imaps\nroute = default -> refuse\n" REST, false,
        AT("7") "alpn IMAP: clients offer no such protocol; did you mean imap?");
    assert_parsed(
        DOOR ALL "route = alpn x-own/1 -> pass backend web\nroute = default -> refuse\n" REST);
    assert_int_equal(report.count, 0);
}

static void assert_shadowed_so(const char *first, const char *second, const char *remedy)
{
    char text[2048];
    char expected[1024];

    (void)snprintf(text, sizeof(text),
        DOOR ALL "route = %s -> refuse\nroute = %s -> refuse\n%s" REST, first, second,
        strcmp(first, "default") == 0 ? "" : "route = default -> refuse\n");
    (void)snprintf(expected, sizeof(expected),
        AT("8") "%s: it can never match, since %s, at x.ini:7, takes each of its clients before; "
                "%s",
        second, first, remedy);
    assert_problem(text, false, expected);
}

static void assert_shadowed(const char *first, const char *second)
{
    assert_shadowed_so(first, second, "put it first, or remove it");
}

/* Neither could be taken behind the other. */
static void assert_is_same(const char *first, const char *second)
{
    assert_shadowed_so(first, second, "remove one of the two");
}

static void test_routes_that_can_never_match(void **state)
{
    (void)state;
    assert_is_same("alpn imap", "alpn imap");
    assert_shadowed("alpn imap", "alpn imaps");
    assert_shadowed("tls", "alpn imap");
    assert_shadowed("tls", "sni example.org");
    assert_is_same("tls", "tls");
    assert_shadowed("sni *.example.org", "sni a.example.org");
    assert_shadowed("sni *.example.org", "sni *.a.example.org");
    assert_is_same("sni A.example.org", "sni a.example.org");
    assert_is_same("first smtp", "first EHLO");
    assert_is_same("first http", "first DELETE");
    assert_is_same("first pop3", "first LANG");
    assert_shadowed("from 10.0.0.0/8", "from 10.1.0.0/16");
    assert_shadowed("from 10.0.0.0/8", "from 10.1.1.1");
    assert_shadowed("default", "tls");
}

static void test_routes_that_can_match(void **state)
{
    (void)state;
    assert_parsed(
        DOOR ALL "route = alpn imaps -> refuse\nroute = alpn imap -> refuse\n"
                 "route = sni a.example.org -> refuse\nroute = sni *.a.example.org -> refuse\n"
                 "route = sni *.example.org -> refuse\nroute = sni example.org -> refuse\n"
                 "route = sni xexample.org -> refuse\n"
                 "route = from 10.1.0.0/16 -> refuse\nroute = from 10.0.0.0/8 -> refuse\n"
                 "route = from ::/0 -> refuse\n"
                 "route = tls -> refuse\nroute = first smtp -> refuse\n"
                 "route = first imap -> refuse\nroute = default -> refuse\n" REST);
    assert_int_equal(report.count, 0);
}

/* A circle, TLS to one that answers in clear, the other way round, and another protocol. */
static void test_listeners_that_cannot_serve(void **state)
{
    (void)state;
    assert_error(DOOR ALL "route = default -> door\n" REST,
        AT("7") "default: [listener door] routes here, in a circle; name the listener that serves");
    assert_error(DOOR ALL "route = default -> other\n" REST
                          "[listener other]\nbind = *:8443\nroute = default -> refuse\n",
        AT("7") "default: [listener other] routes itself, and a client is routed once; name the "
                "listener that serves");
    assert_error(DOOR ALL "route = sni a.example.org -> in\nroute = default -> refuse\n" REST
                          "[listener in]\nbind = 192.0.2.7:143\nbackend = 127.0.0.1:143\n",
        AT("7") "sni a.example.org: these clients begin with TLS, and [listener in], at x.ini:19, "
                "has tls = starttls; write tls = auto there");
    assert_error(DOOR ALL "route = first imap -> in\nroute = default -> refuse\n" REST
                          "[listener in]\nbind = 192.0.2.7:993\nbackend = 127.0.0.1:143\n",
        AT("7") "first imap: these clients begin in clear, and [listener in], at x.ini:19, has "
                "tls = implicit; write tls = auto there");
    assert_problem(DOOR ALL "route = alpn pop3 -> imaps\nroute = default -> refuse\n" REST, false,
        AT("7") "alpn pop3: [listener imaps], at x.ini:9, speaks imap; clients that want pop3 get "
                "no answer that they understand");
}

static void test_a_port_without_default(void **state)
{
    (void)state;
    assert_problem(DOOR ALL REST, false,
        "x.ini:6: [listener door]: clients that no route is for are refused; write route = default "
        "-> TARGET behind the others, or route = default -> refuse");
    assert_problem(DOOR ALL "route = first imap -> imaps\n" REST, false,
        "x.ini:7: [listener door]: clients that no route is for are refused, and so are those that "
        "wait for a greeting, as most clients of mail do in clear; write route = default -> TARGET "
        "behind the others, or route = default -> refuse");
}

static void test_protocol_and_route_go_together(void **state)
{
    (void)state;
    assert_error(DOOR,
        "x.ini:3: [listener door] protocol = auto: it has no route; write e.g. route = alpn imap "
        "-> imaps, where [listener imaps] has the settings");
    assert_error("[listener door]\nbind = *:443\nprotocol = imap\ntls = implicit\n"
                 "route = default -> refuse\nbackend = 192.0.2.1:143\n",
        "x.ini:5: [listener door] route = default: routes need protocol = auto; write that, or "
        "remove them");
}

static void test_settings_without_effect(void **state)
{
    (void)state;
    assert_problem(DOOR "tls = auto\n" ALL "route = default -> refuse\n" REST, false,
        "x.ini:4: [listener door] tls: it has no effect where protocol = auto, but in the "
        "listeners that the routes name; remove the line");
    assert_problem(DOOR ALL "route = default -> refuse\n" REST "sniff = 1s\n", false,
        "x.ini:18: [listener out] sniff: it has no effect without protocol = auto or tls = auto; "
        "remove the line");
    assert_problem("[listener imap]\naccept_proxy_from = 10.0.0.1\nbackend = 127.0.0.1:143\n" DOOR
                   "route = default -> imap\n",
        false,
        "x.ini:2: [listener imap] accept_proxy_from: it has no effect without bind, but in the "
        "listener that routes here; remove the line");
}

static void test_backends_that_are_passed_to(void **state)
{
    (void)state;
    assert_error(DOOR ALL "route = default -> refuse\n" REST
                          "[listener web]\nbind = 192.0.2.7:143\nbackend = web\n",
        "x.ini:6: [backend web]: this route passes connections to it unread, and [listener web], "
        "at x.ini:18, speaks to it; make a backend for each");
    assert_error(DOOR "route = default -> pass backend b\n[backend b]\nserver = 192.0.2.1:443\n"
                      "send_client_address = id\n",
        "x.ini:7: [backend b] send_client_address = id: connections are passed to it unread, and "
        "only a PROXY header has room before them; write proxy-v2 or proxy-v1");
    assert_error(DOOR "route = default -> pass backend b\n[backend b]\nserver = 192.0.2.1:443\n"
                      "tls = implicit\n",
        "x.ini:7: [backend b] tls: connections are passed to it as the clients have made them, in "
        "TLS or not; remove the line");
    assert_error(DOOR "route = default -> pass backend b\n[backend b]\nserver = 192.0.2.1:443\n"
                      "check = greeting\n",
        "x.ini:7: [backend b] check: connections are passed to it unread, and so it is not known "
        "what it speaks; write check = connect");
    assert_error(DOOR "route = default -> pass backend b\n[backend b]\nserver = 192.0.2.1:443\n"
                      "check = starttls\n",
        "x.ini:7: [backend b] check: connections are passed to it unread, and so it is not known "
        "what it speaks; write check = connect");
    assert_int_equal(report.error_count, 1);
    assert_error(DOOR "route = default -> pass backend b\n[backend b]\nserver = 192.0.2.1:443\n"
                      "verify = no\n",
        "x.ini:7: [backend b] verify: it has no meaning with tls = none; remove the line");
    assert_error(DOOR "route = default -> pass 127.0.0.1:443\n",
        "x.ini:4: [backend 127.0.0.1:443] server = 127.0.0.1:443: this is mailmux's own [listener "
        "door], and every session would come back to it; name the mail server's address");
    assert_error(DOOR "route = tls -> pass 192.0.2.1:1\n"
                      "route = default -> pass 192.0.2.1:1 send_client_address=proxy-v2\n",
        AT("5") "default -> pass 192.0.2.1:1 send_client_address=proxy-v2: line 4 has another "
                "send_client_address for the same address; write a section [backend NAME] for "
                "each");
}

/* A backend that is not used is taken out, and the others have another index then. */
static void test_routes_follow_their_backends(void **state)
{
    (void)state;
    assert_parsed(
        "[backend idle]\nserver = 192.0.2.9:1\n[backend web]\nserver = 192.0.2.1:443\n" DOOR
        "route = tls -> pass backend web\nroute = default -> pass 192.0.2.2:443\n");
    assert_int_equal(report.count, 1); /* of the idle one */
    assert_int_equal(config->backend_count, 2);
    assert_string_equal(config->backends[route(0)->index].name, "web");
    assert_string_equal(config->backends[route(1)->index].name, "192.0.2.2:443");
}

/* Servers that are passed to and servers that are spoken to do not share what is known of them. */
static void test_a_backend_begins_to_be_passed_to(void **state)
{
    struct config_backend a = {.protocol = CONFIG_PROTOCOL_NONE};
    struct config_backend b = {.protocol = CONFIG_PROTOCOL_NONE};

    (void)state;
    assert_true(config_speaks_alike(&a, &b));
    b.protocol = CONFIG_PROTOCOL_IMAP;
    assert_false(config_speaks_alike(&a, &b));
}

/* Descriptors are kept for them. */
static void test_relays_without_tls(void **state)
{
    static const struct {
        const char *lines;
        bool relays;
    } rows[] = {
        {"protocol = imap\nbind = *:143\n", false},
        {"protocol = imap\nbind = *:143\nrequire_tls = auth\n", false},
        {"protocol = imap\nbind = *:143\nrequire_tls = no\n", true},
        {"protocol = pop3\nbind = *:110\ntls = none\nrequire_tls = no\n", true},
        {"protocol = imap\nbind = *:993\ntls = implicit\n", false},
        {"protocol = submission\nbind = *:587\nrequire_tls = no\n", false},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(text, sizeof(text),
            "[backend b]\nserver = 10.0.0.5:1\n[listener in]\nbackend = b\n%s", rows[i].lines);
        assert_parsed(text);
        if (config_relays_in_clear(config) != rows[i].relays)
            fail_msg("wrong of %s", rows[i].lines);
    }
    assert_parsed("[listener passed]\nbind = *:443\nprotocol = auto\n"
                  "route = default -> pass 10.0.0.9:1\n");
    assert_true(config_relays_in_clear(config));
    assert_parsed("[listener refused]\nbind = *:443\nprotocol = auto\nroute = default -> refuse\n");
    assert_false(config_relays_in_clear(config));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_condition_is_read, clean_up),
        cmocka_unit_test_teardown(test_an_address_is_a_backend, clean_up),
        cmocka_unit_test_teardown(test_a_listener_without_bind, clean_up),
        cmocka_unit_test_teardown(test_a_backend_of_a_listener_with_routes, clean_up),
        cmocka_unit_test_teardown(test_what_is_wrong_with_a_line, clean_up),
        cmocka_unit_test_teardown(test_what_is_wrong_with_a_target, clean_up),
        cmocka_unit_test_teardown(test_a_misspelt_protocol, clean_up),
        cmocka_unit_test_teardown(test_routes_that_can_never_match, clean_up),
        cmocka_unit_test_teardown(test_routes_that_can_match, clean_up),
        cmocka_unit_test_teardown(test_listeners_that_cannot_serve, clean_up),
        cmocka_unit_test_teardown(test_a_port_without_default, clean_up),
        cmocka_unit_test_teardown(test_protocol_and_route_go_together, clean_up),
        cmocka_unit_test_teardown(test_settings_without_effect, clean_up),
        cmocka_unit_test_teardown(test_backends_that_are_passed_to, clean_up),
        cmocka_unit_test_teardown(test_routes_follow_their_backends, clean_up),
        cmocka_unit_test_teardown(test_a_backend_begins_to_be_passed_to, clean_up),
        cmocka_unit_test_teardown(test_relays_without_tls, clean_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
