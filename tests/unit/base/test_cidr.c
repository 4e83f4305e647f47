/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/cidr.h"
#include <string.h>

static struct cidr parse(const char *text)
{
    struct error error;
    struct cidr cidr;

    if (!cidr_parse(slice_from(text), &cidr, &error))
        fail_msg("%s: %s", text, error.text);
    return cidr;
}

static bool matches(const char *network, const char *ip)
{
    struct cidr cidr = parse(network);
    struct address address;

    assert_true(address_parse_ip(slice_from(ip), 4711, &address));
    return cidr_list_matches(&cidr, 1, &address);
}

static void assert_refused(const char *text, const char *expected)
{
    struct cidr cidr = {.bits = 77};
    struct error error;

    assert_false(cidr_parse(slice_from(text), &cidr, &error));
    assert_int_equal(cidr.bits, 77);
    assert_string_equal(error.text, expected);
}

static void assert_text(const char *text, const char *expected)
{
    struct cidr cidr = parse(text);
    char out[CIDR_TEXT_MAX];

    assert_string_equal(cidr_text(&cidr, out), expected);
}

static void test_text(void **state)
{
    assert_text("10.0.0.0/8", "10.0.0.0/8");
    assert_text("0.0.0.0/0", "0.0.0.0/0");
    assert_text("192.0.2.1", "192.0.2.1");
    assert_text("192.0.2.1/32", "192.0.2.1");
    assert_text("2001:DB8::/32", "2001:db8::/32");
    assert_text("[2001:db8::]/32", "2001:db8::/32");
    assert_text("::/0", "::/0");
    assert_text("::1", "::1");
    assert_text("::1/128", "::1");
}

/* The last address inside, and the first on either side. */
static void test_ipv4_edges(void **state)
{
    assert_true(matches("10.0.0.0/8", "10.0.0.0"));
    assert_true(matches("10.0.0.0/8", "10.255.255.255"));
    assert_false(matches("10.0.0.0/8", "9.255.255.255"));
    assert_false(matches("10.0.0.0/8", "11.0.0.0"));
    assert_true(matches("192.0.2.64/27", "192.0.2.95"));
    assert_false(matches("192.0.2.64/27", "192.0.2.96"));
    assert_false(matches("192.0.2.64/27", "192.0.2.63"));
    assert_true(matches("192.0.2.8/31", "192.0.2.9"));
    assert_false(matches("192.0.2.8/31", "192.0.2.10"));
    assert_true(matches("128.0.0.0/1", "255.255.255.255"));
    assert_false(matches("128.0.0.0/1", "127.255.255.255"));
    assert_true(matches("0.0.0.0/0", "203.0.113.9"));
    assert_true(matches("192.0.2.1", "192.0.2.1"));
    assert_false(matches("192.0.2.1", "192.0.2.2"));
}

static void test_ipv6_edges(void **state)
{
    assert_true(matches("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(matches("2001:db8::/32", "2001:db9::"));
    assert_true(matches("2001:db8::8/125", "2001:db8::f"));
    assert_false(matches("2001:db8::8/125", "2001:db8::10"));
    assert_true(matches("::/0", "2001:db8::1"));
    assert_true(matches("::1", "::1"));
    assert_false(matches("::1", "::2"));
}

static void test_families(void **state)
{
    assert_false(matches("0.0.0.0/0", "2001:db8::1"));
    assert_false(matches("::/0", "192.0.2.1"));
}

static void test_mapped(void **state)
{
    assert_true(matches("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_false(matches("10.0.0.0/8", "::ffff:11.1.2.3"));
    assert_true(matches("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_true(matches("::ffff:10.0.0.0/104", "::ffff:10.1.2.3"));
    assert_false(matches("::ffff:10.0.0.0/104", "11.1.2.3"));
    assert_true(matches("::ffff:192.0.2.1", "192.0.2.1"));
    assert_text("::ffff:10.0.0.0/104", "10.0.0.0/8");
    assert_text("::ffff:0:0/96", "0.0.0.0/0");
    assert_false(matches("10.0.0.0/8", "::10.1.2.3"));
}

static void test_unspecified(void **state)
{
    struct cidr everything = parse("0.0.0.0/0");
    struct address nothing = {0};

    assert_false(cidr_list_matches(&everything, 1, &nothing));
}

static void test_lists(void **state)
{
    struct cidr list[] = {parse("10.0.0.0/8"), parse("2001:db8::/32")};
    struct address address;

    assert_true(address_parse_ip(SLICE("2001:db8::7"), 0, &address));
    assert_true(cidr_list_matches(list, 2, &address));
    assert_false(cidr_list_matches(list, 1, &address));
    assert_false(cidr_list_matches(NULL, 0, &address));
}

static void test_errors(void **state)
{
    static const char example[] =
        "not a network; write e.g. 10.0.0.0/8, 2001:db8::/32 or, for one address, 192.0.2.1";

    assert_refused("10.1.2.3/8", "the address has bits set behind its first 8; write 10.0.0.0/8 "
                                 "for the network, or 10.1.2.3 for the one address");
    assert_refused("2001:db8::1/32",
        "the address has bits set behind its first 32; write 2001:db8::/32 for the network, or "
        "2001:db8::1 for the one address");
    assert_refused("192.0.2.1/0", "the address has bits set behind its first 0; write 0.0.0.0/0 "
                                  "for the network, or 192.0.2.1 for the one address");
    assert_refused("10.0.0.0/33", "\"/33\" is no length of a prefix here; allowed: /0 to /32");
    assert_refused("::/129", "\"/129\" is no length of a prefix here; allowed: /0 to /128");
    assert_refused("10.0.0.0/", "\"/\" is no length of a prefix here; allowed: /0 to /32");
    assert_refused("10.0.0.0/-1", "\"/-1\" is no length of a prefix here; allowed: /0 to /32");
    assert_refused("10.0.0.0/8/8", "\"/8/8\" is no length of a prefix here; allowed: /0 to /32");
    assert_refused(
        "10.0.0.0/255.0.0.0", "\"/255.0.0.0\" is no length of a prefix here; allowed: /0 to /32");
    assert_refused("", example);
    assert_refused("/8", example);
    assert_refused("10.0.0/8", example);
    assert_refused("loadbalancer", example);
    assert_refused("10.0.0.1:25", example);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_ipv4_edges),
        cmocka_unit_test(test_ipv6_edges),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_unspecified),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
