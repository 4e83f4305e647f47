/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include "mailmux/balance.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTENER "[listener in]\nbind = *:143\nbackend = mta\n"
#define WITH_PROXY(line) LISTENER "[backend mta]\nserver = 10.0.0.5:143\n[proxy]\n" line "\n"
#define WITH_SERVER(line) LISTENER "[backend mta]\nserver = 10.0.0.5:143\n" line "\n"

static void assert_resolver(size_t i, const char *address, unsigned line)
{
    char text[ADDRESS_TEXT_MAX];

    assert_true(i < config->proxy.resolvers.count);
    assert_string_equal(address_text(&config->proxy.resolvers.address[i], text), address);
    assert_int_equal(config->proxy.resolvers.origin[i].line, line);
}

static void test_resolvers(void **state)
{
    assert_parsed(WITH_PROXY(""));
    assert_int_equal(config->proxy.resolvers.count, 0);
    assert_int_equal(config->proxy.resolve_interval, 30000);
    assert_parsed(WITH_PROXY("resolver = 192.0.2.53, 192.0.2.54:5353\n"
                             "resolver = [2001:db8::53]:5353, 2001:db8::54, [::1]\n"
                             "resolve_interval = 1s"));
    assert_int_equal(config->proxy.resolvers.count, 5);
    assert_resolver(0, "192.0.2.53:53", 7);
    assert_resolver(1, "192.0.2.54:5353", 7);
    assert_resolver(2, "[2001:db8::53]:5353", 8);
    assert_resolver(3, "[2001:db8::54]:53", 8);
    assert_resolver(4, "[::1]:53", 8);
    assert_int_equal(config->proxy.resolve_interval, 1000);
}

static void test_bad_resolvers(void **state)
{
    static const char *const wrong[] = {"ns.example.org", "ns.example.org:53", "192.0.2.53:0",
        "192.0.2.53:65536", "192.0.2", "*:53"};
    char text[512];
    char expected[512];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(text, sizeof(text), WITH_PROXY("resolver = %s"), wrong[i]);
        (void)snprintf(expected, sizeof(expected),
            "x.ini:7: [proxy] resolver = %s: not the IP address of a DNS server; write e.g. "
            "192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53",
            wrong[i]);
        assert_error(text, expected);
    }
    assert_error(WITH_PROXY("resolve_interval = 500ms"),
        "x.ini:7: [proxy] resolve_interval = 500ms: too low; allowed: 1s to 24h");
}

static void test_services(void **state)
{
    const struct config_server *servers;

    assert_parsed(WITH_SERVER("server = srv:_imap._tcp.example.org, mx SRV:_x-y._TCP.a weight=3\n"
                              "server = srv:143, z srv:25 backup"));
    servers = config->backends[0].servers;
    assert_int_equal(config->backends[0].server_count, 5);
    assert_string_equal(servers[1].name, "srv:_imap._tcp.example.org");
    assert_string_equal(servers[1].host, "_imap._tcp.example.org");
    assert_true(servers[1].is_service);
    assert_false(servers[1].has_address);
    assert_int_equal(servers[1].port, 0);
    assert_int_equal(servers[1].weight, 1);
    assert_string_equal(servers[2].name, "mx");
    assert_string_equal(servers[2].host, "_x-y._TCP.a");
    assert_int_equal(servers[2].weight, 3);
    /* A host may be called srv. */
    assert_string_equal(servers[3].host, "srv");
    assert_int_equal(servers[3].port, 143);
    assert_false(servers[3].is_service);
    assert_string_equal(servers[4].host, "srv");
    assert_true(servers[4].backup);
}

static void test_bad_services(void **state)
{
    static const char *const wrong[] = {"example.org", "_imap._udp.example.org", "_imap._tcp",
        "_imap._tcp.", "_._tcp.example.org", "imap._tcp.example.org", "_imap._tcp.10.0.0.1",
        "_imap._tcp.a..b", "_imap._tcp.a/b", "", "mail.example.org:143", ":143"};
    char text[512];
    char expected[512];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(text, sizeof(text), WITH_SERVER("server = srv:%s"), wrong[i]);
        (void)snprintf(expected, sizeof(expected),
            "x.ini:6: [backend mta] server = srv:%s: \"%s\" is not the name of SRV records, which "
            "begins with _SERVICE._tcp; write e.g. srv:_imap._tcp.example.org",
            wrong[i], wrong[i]);
        assert_error(text, expected);
    }
    assert_error(WITH_SERVER("server = mx srv:_imap._tcp.example.org:143"),
        "x.ini:6: [backend mta] server = mx srv:_imap._tcp.example.org:143: the port comes from "
        "the SRV records; write srv:_imap._tcp.example.org without \":143\"");
}

static void assert_at(const struct config_server *server, const char *address)
{
    char text[ADDRESS_TEXT_MAX];

    assert_true(server->has_address);
    assert_false(server->is_service);
    assert_string_equal(server->host, "");
    assert_string_equal(address_text(&server->address, text), address);
}

static void test_unix_sockets(void **state)
{
    const struct config_server *servers;

    assert_parsed(WITH_SERVER("server = unix:/run/dovecot/imap, b UNIX:/tmp/b weight=3\n"
                              "server = unix:@imap, unix:143 backup"));
    servers = config->backends[0].servers;
    assert_int_equal(config->backends[0].server_count, 5);
    assert_string_equal(servers[1].name, "unix:/run/dovecot/imap");
    assert_at(&servers[1], "unix:/run/dovecot/imap");
    assert_string_equal(servers[2].name, "b");
    assert_int_equal(servers[2].weight, 3);
    assert_at(&servers[2], "unix:/tmp/b");
    assert_at(&servers[3], "unix:@imap");
    /* A host may be called unix. */
    assert_string_equal(servers[4].host, "unix");
    assert_int_equal(servers[4].port, 143);
}

#define TEN "0123456789"
#define LONG_PATH "/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "1234567"

static void test_bad_unix_sockets(void **state)
{
    static const char *const wrong[] = {"", "run/imap", "@", "imap.sock"};
    char text[512];
    char expected[512];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(text, sizeof(text), WITH_SERVER("server = mx unix:%s"), wrong[i]);
        (void)snprintf(expected, sizeof(expected),
            "x.ini:6: [backend mta] server = mx unix:%s: \"%s\" is not the whole path of a socket, "
            "which begins with '/' (or with '@' if it is abstract); write e.g. "
            "unix:/run/dovecot/imap",
            wrong[i], wrong[i]);
        assert_error(text, expected);
    }
    assert_error(WITH_SERVER("server = mx unix:" LONG_PATH),
        "x.ini:6: [backend mta] server = mx unix:" LONG_PATH ": the path of the socket has 108 "
        "octets, and the kernel takes at most 107; give the socket a shorter one, e.g. a symbolic "
        "link to its directory");
    assert_error(WITH_SERVER("server = mx /run/imap"),
        "x.ini:6: [backend mta] server = mx /run/imap: a path is written with unix: before it; "
        "write unix:/run/imap");
    assert_error(WITH_SERVER("server = /run/imap"),
        "x.ini:6: [backend mta] server = /run/imap: a path is written with unix: before it; write "
        "unix:/run/imap");
}

/* A certificate is for a name, and a path is none. */
static void test_tls_at_a_unix_socket(void **state)
{
    assert_error(LISTENER "[backend mta]\nserver = mx unix:/run/imap\ntls = implicit\n",
        "x.ini:5: [backend mta] server = mx: a socket has no name that its certificate could be "
        "for; write tls_name = the name in it, or tls = none, since nothing leaves this machine");
    assert_parsed(LISTENER "[backend mta]\nserver = mx unix:/run/imap\ntls = implicit\n"
                           "tls_name = mail.example.org\n");
    assert_parsed(LISTENER "[backend mta]\nserver = mx unix:/run/imap\ntls = starttls\n"
                           "verify = no\n");
}

static void test_dumped(void **state)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    assert_parsed(WITH_PROXY("resolver = 192.0.2.53, ::1\nresolve_interval = 1h\n"
                             "[backend srv]\nserver = srv:_a._tcp.b, n srv:_c._tcp.d backup\n"
                             "server = unix:@a, u unix:/run/u backup\n"
                             "[listener on]\nbackend = srv\nbind = *:993"));
    config_dump(config, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\nresolver = 192.0.2.53:53 "));
    assert_non_null(strstr(text, "\nresolver = [::1]:53 "));
    assert_non_null(strstr(text, "\nresolve_interval = 1h "));
    assert_non_null(strstr(text, "\nserver = srv:_a._tcp.b "));
    assert_non_null(strstr(text, "\nserver = n srv:_c._tcp.d backup "));
    assert_non_null(strstr(text, "\nserver = unix:@a "));
    assert_non_null(strstr(text, "\nserver = u unix:/run/u backup "));
    assert_parsed(text);
    assert_true(config->backends[1].servers[0].is_service);
    free(text);
}

/* A backend with so many servers, each on a line of its own from the fifth on. */
static char *many_servers(unsigned count)
{
    size_t size = 100 + count * (size_t)40;
    char *text = malloc(size);
    size_t n;

    assert_non_null(text);
    n = (size_t)snprintf(text, size, LISTENER "[backend mta]\n");
    for (unsigned i = 0; i < count; i++)
        n += (size_t)snprintf(
            text + n, size - n, "server = s%u 10.0.%u.%u:143\n", i, i / 256, i % 256);
    return text;
}

/* As many as there is room for are taken. One more is named with its line, and not left out. */
static void test_as_many_as_there_is_room_for(void **state)
{
    char *text = many_servers(BALANCE_SERVERS_MAX);
    char expected[256];

    assert_parsed(text);
    assert_int_equal(config->backends[0].server_count, BALANCE_SERVERS_MAX);
    free(text);
    text = many_servers(BALANCE_SERVERS_MAX + 2);
    (void)snprintf(expected, sizeof(expected),
        "x.ini:%d: [backend mta] server = s%d 10.0.64.0:143: a backend has room for %d servers; "
        "make a second backend for the others",
        5 + BALANCE_SERVERS_MAX, BALANCE_SERVERS_MAX, BALANCE_SERVERS_MAX);
    assert_error(text, expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolvers),
        cmocka_unit_test(test_bad_resolvers),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_bad_services),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_bad_unix_sockets),
        cmocka_unit_test(test_tls_at_a_unix_socket),
        cmocka_unit_test(test_dumped),
        cmocka_unit_test(test_as_many_as_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
