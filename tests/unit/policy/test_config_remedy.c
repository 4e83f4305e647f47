/* What is said of addresses and names that are understood, but not possible. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include "punycode.h"
#include <stdio.h>
#include <string.h>

#define LINK                                                                                       \
    "an address of one link alone, which needs an interface beside it, is not possible; give the " \
    "machine an address that is valid beyond the link, and name that"

static void assert_of(const char *section, const char *line, const char *answer)
{
    char text[1024];
    char expected[1024];

    (void)snprintf(text, sizeof(text), "[%s]\n%s\n%s[backend b]\nserver = 10.0.0.5:10143\n%s",
        section, line, section[0] == 'l' ? "protocol = imap\nbackend = b\n" : "",
        section[0] == 'l' ? "" : "[listener x]\nbind = *:993\nbackend = b\n");
    (void)snprintf(expected, sizeof(expected), "x.ini:2: [%s] %s: %s", section, line, answer);
    assert_error(text, expected);
}

static void assert_of_server(const char *target, const char *answer)
{
    char text[1024];
    char expected[1024];

    (void)snprintf(text, sizeof(text),
        "[listener x]\nbind = *:993\nbackend = b\n[backend b]\nserver = 10.0.0.5:143\nserver = one "
        "%s\n",
        target);
    (void)snprintf(
        expected, sizeof(expected), "x.ini:6: [backend b] server = one %s: %s", target, answer);
    assert_error(text, expected);
}

static void test_a_dot_at_the_end(void **state)
{
    assert_of("proxy", "hostname = mail.example.org.",
        "leave the dot at the end out; write mail.example.org");
    assert_of_server(
        "mail.example.org.:143", "leave the dot at the end out; write mail.example.org");
    assert_of_server("srv:_imap._tcp.example.org.",
        "leave the dot at the end out; write _imap._tcp.example.org");
}

static void test_a_dot_at_the_end_of_a_domain(void **state)
{
    assert_error("[listener x]\nbind = *:25\nbackend = b\nrelay_domains = example.org.\n[backend "
                 "b]\nserver = 10.0.0.5:10025\n",
        "x.ini:4: [listener x] relay_domains = example.org.: leave the dot at the end out; write "
        "example.org");
}

static void test_letters_beyond_ascii(void **state)
{
    assert_of("proxy",
        "hostname = b\xc3\xbc"
        "cher.example",
        "DNS has this name in ASCII; write xn--bcher-kva.example");
    assert_of_server("B\xc3\x9c"
                     "CHER.example:143",
        "DNS has this name in ASCII; write xn--bcher-kva.example");
    assert_of("proxy", "hostname = b\xfc.example", /* not UTF-8 */
        "DNS has names in ASCII; write its form with xn--, which `idn2 NAME` tells");
    assert_of("proxy", "hostname = bu\xcc\x88.example", /* an accent behind its letter */
        "DNS has names in ASCII; write its form with xn--, which `idn2 NAME` tells");
}

static void test_a_zone(void **state)
{
    assert_of("listener x", "bind = [fe80::1%eth0]:143", LINK);
    assert_of("listener x", "bind = [fe80::1]:143", LINK);
    assert_of("listener x", "bind = fe80::1%eth0", LINK);
    assert_of_server("[fe80::1%eth0]:143", LINK);
    assert_of_server("[fe80::1]:143", LINK);
    assert_of("proxy", "resolver = fe80::1%eth0", LINK);
    assert_of("proxy", "resolver = [fe80::1]:53", LINK);
}

static void test_a_unix_socket_for_clients(void **state)
{
    assert_of("listener x", "bind = unix:/run/mailmux/imap",
        "clients come by TCP alone; write e.g. 127.0.0.1:143. A unix socket may be a server");
    assert_of("listener x", "bind = /run/mailmux/imap",
        "clients come by TCP alone; write e.g. 127.0.0.1:143. A unix socket may be a server");
}

static void test_a_scheme(void **state)
{
    assert_of_server("imap://10.0.0.5:143", "leave \"imap://\" out; protocol and tls are settings");
    assert_of("listener x", "bind = tcp://0.0.0.0:143",
        "leave \"tcp://\" out; protocol and tls are settings");
}

/* RFC 3492, 7.1, and names that are in use. */
static void test_punycode(void **state)
{
    static const struct {
        const char *name;
        const char *ascii;
    } names[] = {
        {"m\xc3\xbcnchen.example", "xn--mnchen-3ya.example"},
        {"stra\xc3\x9f"
         "e.example",
            "xn--strae-oqa.example"},
        {"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.\xd1\x80\xd1\x84",
            "xn--e1afmkfd.xn--p1ai"},
        {"\xe4\xbe\x8b\xe5\xad\x90.example", "xn--fsqu00a.example"},
        {"\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8\x8d\xe8\xaf\xb4\xe4"
         "\xb8"
         "\xad\xe6\x96\x87",
            "xn--ihqwcrb4cv8a8dqg056pqjye"},
        {"Mail.Example", "mail.example"},
    };
    char out[PUNYCODE_HOST_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(punycode_host(slice_from(names[i].name), out));
        assert_string_equal(out, names[i].ascii);
    }
    assert_false(punycode_host(slice_from("a..b"), out));
    assert_false(punycode_host(slice_from("\xc3"), out));
    assert_false(punycode_host(slice_from("\xed\xa0\x80"), out));     /* half of a pair */
    assert_false(punycode_host(slice_from("\xe0\x80\xaf"), out));     /* longer than need be */
    assert_false(punycode_host(slice_from("\xf4\x90\x80\x80"), out)); /* beyond the last */
}

static void test_punycode_of_long_names(void **state)
{
    char name[600];
    char out[PUNYCODE_HOST_MAX];
    size_t n = 0;

    for (size_t i = 0; i < 63; i++)
        n += (size_t)snprintf(name + n, sizeof(name) - n, "\xf0\x9f\x98\x80");
    assert_true(punycode_host(slice_of(name, 4 * (size_t)20), out));
    assert_false(punycode_host(slice_of(name, n), out) && strlen(out) > 63);
    n = 0;
    for (size_t i = 0; i < 130; i++)
        n += (size_t)snprintf(name + n, sizeof(name) - n, "%sa", i == 0 ? "" : ".");
    assert_false(punycode_host(slice_of(name, n), out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dot_at_the_end),
        cmocka_unit_test(test_a_dot_at_the_end_of_a_domain),
        cmocka_unit_test(test_letters_beyond_ascii),
        cmocka_unit_test(test_a_zone),
        cmocka_unit_test(test_a_unix_socket_for_clients),
        cmocka_unit_test(test_a_scheme),
        cmocka_unit_test(test_punycode),
        cmocka_unit_test(test_punycode_of_long_names),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
