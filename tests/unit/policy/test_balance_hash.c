/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/balance.h"

static struct address address_of(const char *ip, uint16_t port)
{
    struct address address;

    assert_true(address_parse_ip(slice_from(ip), port, &address));
    return address;
}

static uint64_t key_of(const char *ip)
{
    struct address address = address_of(ip, 1);

    return balance_key(&address);
}

static void test_keys_are_whole_ipv4_addresses_and_ipv6_networks(void **state)
{
    assert_int_equal(key_of("192.0.2.1"), key_of("::ffff:192.0.2.1"));
    assert_int_not_equal(key_of("192.0.2.1"), key_of("192.0.2.2"));
    assert_int_equal(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:2:ffff:eeee:dddd:cccc"));
    assert_int_not_equal(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:3::1"));
}

static void test_the_same_server_under_another_name_or_address_is_another(void **state)
{
    struct address address = address_of("10.0.0.1", 25);
    struct address other_port = address_of("10.0.0.1", 26);
    struct address ipv6 = address_of("2001:db8::1", 25);
    struct address paths[2];

    assert_true(address_parse_unix(SLICE("/run/a"), &paths[0]));
    assert_true(address_parse_unix(SLICE("/run/b"), &paths[1]));
    assert_int_equal(
        balance_identity(SLICE("a"), &paths[0]), balance_identity(SLICE("a"), &paths[0]));
    assert_int_not_equal(
        balance_identity(SLICE("a"), &paths[0]), balance_identity(SLICE("a"), &paths[1]));
    assert_int_equal(
        balance_identity(SLICE("a"), &address), balance_identity(SLICE("a"), &address));
    assert_int_not_equal(
        balance_identity(SLICE("a"), &address), balance_identity(SLICE("b"), &address));
    assert_int_not_equal(
        balance_identity(SLICE("a"), &address), balance_identity(SLICE("a"), &other_port));
    assert_int_not_equal(
        balance_identity(SLICE("a"), &address), balance_identity(SLICE("a"), &ipv6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_whole_ipv4_addresses_and_ipv6_networks),
        cmocka_unit_test(test_the_same_server_under_another_name_or_address_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
