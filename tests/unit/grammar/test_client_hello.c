/*
 * What a ClientHello asks for, however it is cut (C146). Each hello is written out octet by octet,
 * and each answer is asked for with every beginning of it.
 */
#include "mailmux/client_hello.h"

#include "hello.h"
#include "proves.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LIMIT = 16384, KEY_SHARE = 51, HYBRID_SHARE = 1216, ALL = 16384 };

static struct hello hello;
static struct client_hello found;

/*
 * Returns the answer to all of `in`. Each beginning has asked for more, up to the one that has had
 * the answer already; from there on it stays.
 */
static enum client_hello_result answer(struct slice in, size_t limit)
{
    struct client_hello out;
    enum client_hello_result last = client_hello_parse(in, limit, &found);
    bool is_settled = false;

    for (size_t n = 0; n <= in.n; n++) {
        enum client_hello_result now = client_hello_parse(slice_of(in.p, n), limit, &out);

        is_settled = is_settled || now != CLIENT_HELLO_MORE;
        if (now != (is_settled ? last : CLIENT_HELLO_MORE))
            fail_msg("%d with %zu octets, and %d with all %zu", now, n, last, in.n);
    }
    return last;
}

static void assert_found(const char *name, const char *protocols)
{
    struct client_hello_part list = found.alpn;
    char protocol[CLIENT_HELLO_NAME_MAX];
    char text[2048] = "";
    size_t n;
    size_t at = 0;

    if (!slice_equal(slice_of(found.sni, found.sni_n), slice_from(name)))
        fail_msg("%.*s instead of %s", (int)found.sni_n, found.sni, name);
    while (client_hello_next_protocol(&list, protocol, &n))
        at += (size_t)snprintf(
            text + at, sizeof(text) - at, "%s%.*s", at > 0 ? "," : "", (int)n, protocol);
    assert_string_equal(text, protocols);
}

static void ordinary(void)
{
    hello_begin(&hello);
    hello_extension(&hello, 0x2a2a, SLICE("")); /* GREASE */
    hello_sni(&hello, SLICE("mail.example.org"));
    hello_extension(&hello, 43, SLICE("\x04\x03\x04\x03\x03"));
    hello_alpn(&hello, SLICE("\x04imap\x05imaps"));
    hello_extension(&hello, 0x1a1a, SLICE("x")); /* GREASE */
    hello_end(&hello);
}

static void test_name_and_protocols(void **state)
{
    (void)state;
    proves("C146");
    ordinary();
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_COMPLETE);
    assert_found("mail.example.org", "imap,imaps");
}

static void test_any_records(void **state)
{
    (void)state;
    proves("C146");
    ordinary();
    for (size_t each = 1; each <= hello.n; each++) {
        assert_int_equal(answer(hello_records(&hello, each), LIMIT), CLIENT_HELLO_COMPLETE);
        assert_found("mail.example.org", "imap,imaps");
    }
}

static void test_what_stands_behind_it_does_not_count(void **state)
{
    static char more[HELLO_MAX];
    struct slice whole;

    (void)state;
    ordinary();
    whole = hello_records(&hello, ALL);
    memcpy(more, whole.p, whole.n);
    memcpy(more + whole.n, "early data, or anything", 23);
    assert_int_equal(answer(slice_of(more, whole.n + 23), LIMIT), CLIENT_HELLO_COMPLETE);
    assert_found("mail.example.org", "imap,imaps");
}

/* A hybrid key share makes a hello of more than a packet, in front of what is asked for. */
static void test_large_key_shares(void **state)
{
    static char share[HYBRID_SHARE];

    (void)state;
    proves("C146");
    hello_begin(&hello);
    hello_extension(&hello, KEY_SHARE, slice_of(share, sizeof(share)));
    hello_extension(&hello, 21, slice_of(share, 300)); /* padding */
    hello_alpn(&hello, SLICE("\x04pop3"));
    hello_sni(&hello, SLICE("a.example"));
    hello_end(&hello);
    assert_true(hello.n > 1500);
    for (size_t each = 1; each < 1400; each = each * 3 + 1) {
        assert_int_equal(answer(hello_records(&hello, each), LIMIT), CLIENT_HELLO_COMPLETE);
        assert_found("a.example", "pop3");
    }
}

static void test_without_either(void **state)
{
    (void)state;
    hello_begin_bare(&hello);
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_COMPLETE);
    assert_found("", "");
    hello_begin(&hello);
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_COMPLETE);
    assert_found("", "");
}

static void test_longest_name_and_protocol(void **state)
{
    static char name[256];
    static char list[256];

    (void)state;
    memset(name, 'n', sizeof(name));
    memset(list, 'p', sizeof(list));
    list[0] = (char)255;
    hello_begin(&hello);
    hello_sni(&hello, slice_of(name, 255));
    hello_alpn(&hello, slice_of(list, 256));
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, 7), LIMIT), CLIENT_HELLO_COMPLETE);
    assert_int_equal(found.sni_n, 255);
    hello_begin(&hello);
    hello_sni(&hello, slice_of(name, 256));
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_MALFORMED);
}

/* Text, and the hello of SSL 2, which begins with a length. */
static void test_what_is_no_tls(void **state)
{
    (void)state;
    proves("C146");
    assert_int_equal(answer(SLICE("EHLO mail.example\r\n"), LIMIT), CLIENT_HELLO_NOT_TLS);
    assert_int_equal(answer(SLICE("\x80\x2e\x01\x03\x01"), LIMIT), CLIENT_HELLO_NOT_TLS);
    assert_int_equal(answer(SLICE("\x15\x03\x01\x00\x02\x01\x00"), LIMIT), CLIENT_HELLO_NOT_TLS);
    assert_int_equal(answer(SLICE("\0"), LIMIT), CLIENT_HELLO_NOT_TLS);
    assert_int_equal(answer(SLICE(""), LIMIT), CLIENT_HELLO_MORE);
}

static void test_wrong_records(void **state)
{
    static const struct slice wrong[] = {
        SLICE("\x16G"),                                /* no version of TLS */
        SLICE("\x16\x02\x00\x00\x10"),                 /* nor this */
        SLICE("\x16\x03\x01\x00\x00"),                 /* an empty record */
        SLICE("\x16\x03\x01\x40\x01"),                 /* one of more than 16384 octets */
        SLICE("\x16\x03\x01\x00\x10\x02"),             /* a ServerHello */
        SLICE("\x16\x03\x01\x00\x01\x01\x17"),         /* data inside the hello */
        SLICE("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), /* an empty hello */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(answer(wrong[i], LIMIT), CLIENT_HELLO_MALFORMED);
}

/* Each length is made one larger and one smaller, and the message is cut at each place. */
static void test_wrong_lengths(void **state)
{
    static struct hello good;

    (void)state;
    ordinary();
    good = hello;
    for (size_t n = 4; n < good.n; n++) {
        hello = good;
        hello.n = n;
        hello_set(&hello, 1, 3, n - 4);
        /* Behind the compressions it may end. */
        assert_int_equal(answer(hello_records(&hello, ALL), LIMIT),
            n == HELLO_BARE ? CLIENT_HELLO_COMPLETE : CLIENT_HELLO_MALFORMED);
    }
    for (size_t at = HELLO_BARE; at < good.n; at++) {
        hello = good;
        hello.bytes[at] = (char)0xff;
        (void)answer(hello_records(&hello, ALL), LIMIT); /* the same at every split is enough */
    }
    hello = good;
    hello_set(&hello, hello.extensions, 2, hello.n - hello.extensions - 3);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_MALFORMED);
}

static void test_longest_session_id(void **state)
{
    (void)state;
    for (size_t octets = 32; octets <= 33; octets++) {
        hello.n = 4 + 2 + 32;
        hello.extensions = 0;
        hello_put_number(&hello, 1, octets);
        hello_put(&hello, "session-id-session-id-session-id-", octets);
        hello_put(&hello, "\0\x02\x13\x01\x01\0", 6);
        hello_end(&hello);
        assert_int_equal(answer(hello_records(&hello, ALL), LIMIT),
            octets == 32 ? CLIENT_HELLO_COMPLETE : CLIENT_HELLO_MALFORMED);
    }
}

static void assert_extension(unsigned type, struct slice data, enum client_hello_result expected)
{
    hello_begin(&hello);
    hello_extension(&hello, type, data);
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), expected);
}

static void test_wrong_names(void **state)
{
    (void)state;
    assert_extension(0, SLICE("\0\x04\0\0\x01x"), CLIENT_HELLO_COMPLETE);
    assert_found("x", "");
    assert_extension(0, SLICE("\0\x03\0\0\0"), CLIENT_HELLO_COMPLETE); /* an empty one is none */
    assert_found("", "");
    assert_extension(0, SLICE(""), CLIENT_HELLO_MALFORMED);
    assert_extension(0, SLICE("\0\0"), CLIENT_HELLO_MALFORMED);
    assert_extension(0, SLICE("\0\x04\x01\0\x01x"), CLIENT_HELLO_MALFORMED); /* another type */
    assert_extension(0, SLICE("\0\x08\0\0\x01x\0\0\x01y"), CLIENT_HELLO_MALFORMED); /* two */
    assert_extension(0, SLICE("\0\x04\0\0\x01x!"), CLIENT_HELLO_MALFORMED);
    assert_extension(0, SLICE("\0\x05\0\0\x02x\0"), CLIENT_HELLO_MALFORMED); /* NUL would hide */
}

static void test_wrong_protocols(void **state)
{
    (void)state;
    assert_extension(16, SLICE("\0\x02\x01x"), CLIENT_HELLO_COMPLETE);
    assert_found("", "x");
    assert_extension(16, SLICE(""), CLIENT_HELLO_MALFORMED);
    assert_extension(16, SLICE("\0\0"), CLIENT_HELLO_MALFORMED);
    assert_extension(16, SLICE("\0\x01\0"), CLIENT_HELLO_MALFORMED); /* an empty name */
    assert_extension(16, SLICE("\0\x02\x02x"), CLIENT_HELLO_MALFORMED);
    assert_extension(16, SLICE("\0\x02\x01x!"), CLIENT_HELLO_MALFORMED);
}

/* Two names would be read in one way by us, and in another by what is behind us. */
static void test_repeated_extensions(void **state)
{
    (void)state;
    hello_begin(&hello);
    hello_sni(&hello, SLICE("a.example"));
    hello_sni(&hello, SLICE("b.example"));
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_MALFORMED);
    hello_begin(&hello);
    hello_alpn(&hello, SLICE("\x01x"));
    hello_alpn(&hello, SLICE("\x01x"));
    hello_end(&hello);
    assert_int_equal(answer(hello_records(&hello, ALL), LIMIT), CLIENT_HELLO_MALFORMED);
}

/* The limit counts what is kept, so the heads of records belong to it. */
static void test_limit(void **state)
{
    struct slice whole;

    (void)state;
    ordinary();
    for (size_t each = 1; each < 300; each = each * 4) {
        whole = hello_records(&hello, each);
        assert_int_equal(answer(whole, whole.n), CLIENT_HELLO_COMPLETE);
        assert_int_equal(answer(whole, whole.n - 1), CLIENT_HELLO_LARGE);
    }
    /* One that says that it is large is not waited for. */
    assert_int_equal(
        answer(SLICE("\x16\x03\x01\x02\x00\x01\x01\x00\x00\x03"), LIMIT), CLIENT_HELLO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_and_protocols),
        cmocka_unit_test(test_any_records),
        cmocka_unit_test(test_what_stands_behind_it_does_not_count),
        cmocka_unit_test(test_large_key_shares),
        cmocka_unit_test(test_without_either),
        cmocka_unit_test(test_longest_name_and_protocol),
        cmocka_unit_test(test_what_is_no_tls),
        cmocka_unit_test(test_wrong_records),
        cmocka_unit_test(test_wrong_lengths),
        cmocka_unit_test(test_longest_session_id),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_wrong_protocols),
        cmocka_unit_test(test_repeated_extensions),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
