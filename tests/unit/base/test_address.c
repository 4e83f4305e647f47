/* Addresses: what is one, and how each is compared and written. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/address.h"
#include <string.h>

static struct address parsed(const char *text, uint16_t port)
{
    struct address address;

    assert_true(address_parse_ip(slice_from(text), port, &address));
    return address;
}

static void assert_text(const char *ip, const char *text)
{
    struct address address = parsed(ip, 25);
    char out[ADDRESS_TEXT_MAX];

    assert_string_equal(address_text(&address, out), text);
}

static void test_literals(void **state)
{
    struct address address = parsed("192.0.2.1", 25);

    assert_int_equal(address_family(&address), AF_INET);
    assert_int_equal(address_port(&address), 25);
    assert_int_equal(address_len(&address), sizeof(struct sockaddr_in));
    address = parsed("2001:db8::1", 65535);
    assert_int_equal(address_family(&address), AF_INET6);
    assert_int_equal(address_port(&address), 65535);
    assert_int_equal(address_len(&address), sizeof(struct sockaddr_in6));
    assert_text("192.0.2.1", "192.0.2.1:25");
    assert_text("[2001:db8::1]", "[2001:db8::1]:25");
    assert_text("2001:0DB8:0:0:0:0:0:1", "[2001:db8::1]:25");
}

static void test_what_is_no_literal(void **state)
{
    static const char *const texts[] = {"", "localhost", "192.0.2", "192.0.2.256", "192.0.2.1 ",
        "192.0.2.1:25", "[]", "[192.0.2.1", "::g", "1:2:3:4:5:6:7:8:9", "fe80::1%lo",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0001"};
    struct address address = parsed("192.0.2.1", 7);
    struct address before = address;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(address_parse_ip(slice_from(texts[i]), 25, &address));
    assert_false(address_parse_ip(slice_of("192.0.2.1\0", 10), 25, &address));
    assert_true(address_equal(&address, &before)); /* it was not touched */
}

static void test_a_port_behind_it(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } good[] = {{"mx.example:25", "mx.example", 25}, {"[::1]:143", "::1", 143}, {"*:1", "*", 1},
        {"192.0.2.1:65535", "192.0.2.1", 65535}};
    static const char *const bad[] = {"mx.example", "mx.example:", "mx.example:0",
        "mx.example:65536", "mx.example:+1", "mx.example:25 ", ":25", "::1:25", "[]:25", ""};
    struct slice host;
    uint16_t port;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(address_split_port(slice_from(good[i].text), &host, &port));
        assert_true(slice_equal(host, slice_from(good[i].host)));
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(address_split_port(slice_from(bad[i]), &host, &port));
}

static void test_from_the_kernel(void **state)
{
    struct address four = parsed("192.0.2.1", 25);
    struct address six = parsed("2001:db8::1", 25);
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct address out;

    assert_true(address_from_socket(&four.socket.any, &out));
    assert_true(address_equal(&out, &four));
    assert_true(address_from_socket(&six.socket.any, &out));
    assert_true(address_equal(&out, &six));
    assert_false(address_from_socket(&other, &out));
    assert_true(address_equal(&out, &six));
}

/* The port counts in one of them alone; two families are never the same. */
static void test_comparing(void **state)
{
    struct address a = parsed("192.0.2.1", 25);
    struct address b = parsed("192.0.2.1", 26);
    struct address c = parsed("192.0.2.2", 25);
    struct address d = parsed("::ffff:192.0.2.1", 25);
    struct address e = parsed("::ffff:192.0.2.1", 26);

    assert_true(address_equal(&a, &a));
    assert_false(address_equal(&a, &b));
    assert_true(address_same_host(&a, &b));
    assert_false(address_same_host(&a, &c));
    assert_false(address_same_host(&a, &d));
    assert_true(address_same_host(&d, &e));
    assert_false(address_equal(&d, &e));
}

static struct address local(const char *path)
{
    struct address address;

    assert_true(address_parse_unix(slice_from(path), &address));
    return address;
}

static void test_unix_sockets(void **state)
{
    struct address a = local("/run/dovecot/imap");
    struct address b = local("/run/dovecot/imap2");
    struct address abstract = local("@imap");
    struct address ip = parsed("127.0.0.1", 25);
    char out[ADDRESS_TEXT_MAX];

    assert_int_equal(address_family(&a), AF_UNIX);
    assert_int_equal(address_port(&a), 0);
    assert_int_equal(address_len(&a), offsetof(struct sockaddr_un, sun_path) + 17);
    assert_string_equal(address_text(&a, out), "unix:/run/dovecot/imap");
    assert_string_equal(address_ip_text(&a, out), "/run/dovecot/imap");
    assert_string_equal(abstract.socket.local.sun_path + 1, "imap");
    assert_int_equal(abstract.socket.local.sun_path[0], '\0');
    assert_int_equal(address_len(&abstract), offsetof(struct sockaddr_un, sun_path) + 5);
    assert_string_equal(address_text(&abstract, out), "unix:@imap");
    assert_true(address_equal(&a, &a));
    assert_false(address_equal(&a, &b));
    assert_false(address_equal(&a, &ip));
    assert_false(address_is_loopback(&a));
    assert_false(address_is_wildcard(&a));
    assert_false(address_binds_collide(&ip, &a));
}

static void test_paths_of_sockets(void **state)
{
    char path[ADDRESS_PATH_MAX + 2] = "/";
    char out[ADDRESS_TEXT_MAX];
    struct address address;

    memset(path + 1, 'x', ADDRESS_PATH_MAX);
    assert_false(address_parse_unix(slice_from(path), &address));
    path[ADDRESS_PATH_MAX] = '\0';
    assert_true(address_parse_unix(slice_from(path), &address));
    assert_string_equal(address_text(&address, out) + 5, path);
    path[0] = '@';
    assert_true(address_parse_unix(slice_from(path), &address));
    assert_int_equal(
        address_len(&address), offsetof(struct sockaddr_un, sun_path) + ADDRESS_PATH_MAX);
    assert_string_equal(address_text(&address, out) + 5, path);
    assert_false(address_parse_unix(SLICE(""), &address));
    assert_false(address_parse_unix(SLICE("@"), &address));
    assert_false(address_parse_unix(SLICE("run/imap"), &address));
    assert_false(address_parse_unix(SLICE("/a\0b"), &address));
}

static void test_mapped_addresses(void **state)
{
    struct address four = parsed("192.0.2.1", 25);
    struct address mapped = parsed("::ffff:192.0.2.1", 25);
    struct address six = parsed("2001:db8::1", 25);
    struct address before = six;

    address_unmap(&mapped);
    assert_true(address_equal(&mapped, &four));
    address_unmap(&mapped);
    assert_true(address_equal(&mapped, &four));
    address_unmap(&six);
    assert_true(address_equal(&six, &before));
}

static void test_wildcards(void **state)
{
    struct address four = parsed("0.0.0.0", 25);
    struct address six = parsed("::", 25);
    struct address other = parsed("0.0.0.1", 25);
    struct address also = parsed("::1", 25);

    assert_true(address_is_wildcard(&four));
    assert_true(address_is_wildcard(&six));
    assert_false(address_is_wildcard(&other));
    assert_false(address_is_wildcard(&also));
}

static void test_without_a_port(void **state)
{
    struct address six = parsed("2001:db8::1", 25);
    struct address none = {0};
    char out[ADDRESS_TEXT_MAX];

    assert_string_equal(address_ip_text(&six, out), "2001:db8::1");
    assert_string_equal(address_ip_text(&none, out), "unknown");
    assert_string_equal(address_text(&none, out), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_what_is_no_literal),
        cmocka_unit_test(test_a_port_behind_it),
        cmocka_unit_test(test_from_the_kernel),
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_unix_sockets),
        cmocka_unit_test(test_paths_of_sockets),
        cmocka_unit_test(test_mapped_addresses),
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_without_a_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
