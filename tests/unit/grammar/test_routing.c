/*
 * Which rule is for a client (C146). Each choice is made with every beginning of what the client
 * says: before the choice it asks for more, and then the choice stays.
 */
#include "mailmux/routing.h"

#include "hello.h"
#include "proves.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LIMIT = 16384, AT_ONCE = 16384, KEY_SHARE = 51, HYBRID_SHARE = 1216 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALPN(name)                                                                                 \
    {                                                                                              \
        .key = ROUTING_ALPN, .text = (name)                                                        \
    }
#define SNI(name)                                                                                  \
    {                                                                                              \
        .key = ROUTING_SNI, .text = (name)                                                         \
    }
#define FIRST(name)                                                                                \
    {                                                                                              \
        .key = ROUTING_FIRST, .first = ROUTING_FIRST_##name                                        \
    }
#define TLS                                                                                        \
    {                                                                                              \
        .key = ROUTING_TLS                                                                         \
    }
#define DEFAULT                                                                                    \
    {                                                                                              \
        .key = ROUTING_DEFAULT                                                                     \
    }

static struct hello hello;
static struct routing_choice choice;

/*
 * Returns the rule for a client that says `in`, and then nothing more if it is over. *needed: how
 * many octets decide.
 */
static size_t decide(
    const struct routing_rule *rules, size_t count, struct slice in, bool is_over, size_t *needed)
{
    struct routing_input input = {.bytes = in, .is_over = is_over, .limit = LIMIT};
    struct routing_choice early;

    assert_int_equal(routing_decide(rules, count, &input, &choice), ROUTING_DECIDED);
    *needed = SIZE_MAX;
    input.is_over = false;
    for (size_t n = 0; n <= in.n; n++) {
        input.bytes = slice_of(in.p, n);
        if (routing_decide(rules, count, &input, &early) == ROUTING_MORE) {
            assert_int_equal(*needed, SIZE_MAX);
            continue;
        }
        *needed = *needed == SIZE_MAX ? n : *needed;
        if (early.rule != choice.rule)
            fail_msg("rule %zu by %zu octets, and %zu by all", early.rule, n, choice.rule);
    }
    return choice.rule;
}

static void assert_text(
    const struct routing_rule *rules, size_t count, const char *text, size_t rule, size_t octets)
{
    size_t needed;

    if (decide(rules, count, slice_from(text), true, &needed) != rule || needed != octets)
        fail_msg("%s: rule %zu by %zu octets", text, choice.rule, needed);
}

#define ASSERT_TEXT(rules, text, rule, octets) assert_text(rules, COUNT(rules), text, rule, octets)

static void make_hello(const char *name, struct slice protocols)
{
    static char share[HYBRID_SHARE];

    hello_begin(&hello);
    hello_extension(&hello, KEY_SHARE, slice_of(share, sizeof(share)));
    if (name)
        hello_sni(&hello, slice_from(name));
    if (protocols.n > 0)
        hello_alpn(&hello, protocols);
    hello_end(&hello);
}

/* The rule for a client with this hello; it is decided by the last octet, and not before. */
static size_t rule_of_hello(
    const struct routing_rule *rules, size_t count, const char *name, struct slice protocols)
{
    static const size_t cuts[] = {AT_ONCE, 900, 16};
    size_t rule = 0;
    size_t needed;

    make_hello(name, protocols);
    for (size_t i = 0; i < COUNT(cuts); i++) {
        struct slice in = hello_records(&hello, cuts[i]);

        rule = decide(rules, count, in, false, &needed);
        assert_int_equal(needed, in.n);
        assert_int_equal(choice.hello, CLIENT_HELLO_COMPLETE);
        assert_true(choice.is_tls);
    }
    return rule;
}

#define RULE_OF_HELLO(rules, name, protocols) rule_of_hello(rules, COUNT(rules), name, protocols)

static void test_alpn(void **state)
{
    static const struct routing_rule rules[] = {
        ALPN("imap"), ALPN("submission"), ALPN("smtp"), ALPN("acme-tls/1"), DEFAULT};

    (void)state;
    proves("C146");
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x04imap")), 0);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x05imaps")), 0);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x02h2\x04imap")), 0);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x04smtp\x04imap")), 0); /* our order */
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x0asubmission")), 1);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x04smtp")), 2);
    assert_int_equal(RULE_OF_HELLO(rules, NULL,
                         SLICE("\x0a"
                               "acme-tls/1")),
        3);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x04IMAP")), 4);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("\x03ima\x05imapx")), 4);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("")), 4);
}

static void test_sni(void **state)
{
    static const struct routing_rule rules[] = {
        SNI("pop.example.org"), SNI("*.example.org"), SNI("example.org"), DEFAULT};

    (void)state;
    proves("C146");
    assert_int_equal(RULE_OF_HELLO(rules, "pop.example.org", SLICE("")), 0);
    assert_int_equal(RULE_OF_HELLO(rules, "POP.Example.ORG", SLICE("")), 0);
    assert_int_equal(RULE_OF_HELLO(rules, "pop.example.org.", SLICE("")), 0);
    assert_int_equal(RULE_OF_HELLO(rules, "imap.example.org", SLICE("")), 1);
    assert_int_equal(RULE_OF_HELLO(rules, "A.B.example.org", SLICE("")), 1);
    assert_int_equal(RULE_OF_HELLO(rules, "example.org", SLICE("")), 2);
    assert_int_equal(RULE_OF_HELLO(rules, "xexample.org", SLICE("")), 3);
    assert_int_equal(RULE_OF_HELLO(rules, ".example.org", SLICE("")), 3);
    assert_int_equal(RULE_OF_HELLO(rules, NULL, SLICE("")), 3);
}

/* Some clients send an address, which is no name; a rule with that text is not for them. */
static void test_an_address_is_no_name(void **state)
{
    static const struct routing_rule rules[] = {SNI("192.0.2.1"), SNI("*.0.2.1"), DEFAULT};

    (void)state;
    assert_int_equal(RULE_OF_HELLO(rules, "192.0.2.1", SLICE("")), 2);
}

/* A rule for all of TLS needs one octet, and one for all clients none. */
static void test_decided_early(void **state)
{
    static const struct routing_rule tls[] = {TLS, DEFAULT};
    static const struct routing_rule all[] = {DEFAULT};
    size_t needed;

    (void)state;
    make_hello("a.example", SLICE("\x04imap"));
    assert_int_equal(decide(tls, 2, hello_records(&hello, AT_ONCE), false, &needed), 0);
    assert_int_equal(needed, 1);
    ASSERT_TEXT(tls, "EHLO a\r\n", 1, 1);
    ASSERT_TEXT(all, "EHLO a\r\n", 0, 0);
}

static void test_first_words(void **state)
{
    static const struct routing_rule rules[] = {FIRST(SMTP), FIRST(LMTP), FIRST(IMAP), FIRST(POP3),
        FIRST(MANAGESIEVE), FIRST(HTTP), FIRST(SSH), DEFAULT};

    (void)state;
    proves("C146");
    ASSERT_TEXT(rules, "EHLO client.example\r\n", 0, 5);
    ASSERT_TEXT(rules, "helo x\r\n", 0, 5);
    ASSERT_TEXT(rules, "EHLO\r\n", 0, 5);
    ASSERT_TEXT(rules, "LHLO x\r\n", 1, 5);
    ASSERT_TEXT(rules, "a1 CAPABILITY\r\n", 2, 14);
    ASSERT_TEXT(rules, "A.0001 login u p\r\n", 2, 13);
    ASSERT_TEXT(rules, "* ID NIL\r\n", 7, 1); /* no tag */
    ASSERT_TEXT(rules, "CAPA\r\n", 3, 5);
    ASSERT_TEXT(rules, "USER u\r\n", 3, 5);
    ASSERT_TEXT(rules, "APOP u d\r\n", 3, 5);
    ASSERT_TEXT(rules, "AUTH PLAIN\r\n", 3, 5);
    ASSERT_TEXT(rules, "AUTHENTICATE \"PLAIN\"\r\n", 4, 13);
    ASSERT_TEXT(rules, "GET / HTTP/1.1\r\n", 5, 4);
    ASSERT_TEXT(rules, "PRI * HTTP/2.0\r\n", 5, 4);
    ASSERT_TEXT(rules, "SSH-2.0-OpenSSH_9.2\r\n", 6, 20); /* until then a tag of IMAP */
    ASSERT_TEXT(rules, "EHLOX client.example\r\n", 7, 9); /* until then a tag of IMAP */
    ASSERT_TEXT(rules, "\x80\x2e\x01\x03\x01", 7, 1);
    ASSERT_TEXT(rules, "\r\n", 7, 1);
}

/* A user of POP3 may have the name of a command of IMAP. */
static void test_words_are_no_tags(void **state)
{
    static const struct routing_rule rules[] = {FIRST(IMAP), FIRST(POP3), FIRST(SMTP), DEFAULT};

    (void)state;
    ASSERT_TEXT(rules, "USER list\r\n", 1, 5);
    ASSERT_TEXT(rules, "EHLO search\r\n", 2, 5);
    ASSERT_TEXT(rules, "USERX list\r\n", 0, 11);
}

static void test_a_tag_has_an_end(void **state)
{
    static const struct routing_rule rules[] = {FIRST(IMAP), DEFAULT};
    char text[128];

    (void)state;
    memset(text, 't', sizeof(text));
    (void)snprintf(text + 64, sizeof(text) - 64, " NOOP\r\n");
    ASSERT_TEXT(rules, text, 0, 70);
    memset(text, 't', sizeof(text));
    (void)snprintf(text + 65, sizeof(text) - 65, " NOOP\r\n");
    ASSERT_TEXT(rules, text, 1, 65);
}

/* Nothing more comes: what is not decided is passed over, and a word that is there is whole. */
static void test_over(void **state)
{
    static const struct routing_rule rules[] = {
        ALPN("imap"), FIRST(SMTP), FIRST(IMAP), TLS, DEFAULT};
    struct slice half;
    size_t needed;

    (void)state;
    ASSERT_TEXT(rules, "", 4, SIZE_MAX);
    ASSERT_TEXT(rules, "EHL", 4, SIZE_MAX);
    ASSERT_TEXT(rules, "EHLO", 1, SIZE_MAX);
    ASSERT_TEXT(rules, "a1 ", 4, SIZE_MAX);
    ASSERT_TEXT(rules, "a1 NOOP", 2, SIZE_MAX);
    make_hello(NULL, SLICE("\x04imap"));
    half = hello_records(&hello, AT_ONCE);
    half.n--;
    assert_int_equal(decide(rules, COUNT(rules), half, true, &needed), 3);
    assert_int_equal(needed, SIZE_MAX);
    assert_int_equal(choice.hello, CLIENT_HELLO_MORE);
}

static void test_no_rule(void **state)
{
    static const struct routing_rule rules[] = {FIRST(SMTP), TLS};

    (void)state;
    ASSERT_TEXT(rules, "GET / HTTP/1.1\r\n", ROUTING_NONE, 1);
    ASSERT_TEXT(rules, "", ROUTING_NONE, SIZE_MAX);
}

/* What cannot be read asks for nothing, and is still TLS. */
static void test_hellos_that_cannot_be_read(void **state)
{
    static const struct routing_rule rules[] = {ALPN("imap"), SNI("*.example"), TLS, DEFAULT};
    struct routing_input input = {.limit = 1000};
    size_t needed;

    (void)state;
    assert_int_equal(
        decide(rules, COUNT(rules), SLICE("\x16\x03\x01\x00\x00\x01\x00\x00"), false, &needed), 2);
    assert_int_equal(needed, 5);
    assert_int_equal(choice.hello, CLIENT_HELLO_MALFORMED);
    make_hello("a.example", SLICE("\x04imap"));
    input.bytes = hello_records(&hello, AT_ONCE);
    assert_true(input.bytes.n > input.limit);
    assert_int_equal(routing_decide(rules, COUNT(rules), &input, &choice), ROUTING_DECIDED);
    assert_int_equal(choice.rule, 2);
    assert_int_equal(choice.hello, CLIENT_HELLO_LARGE);
}

static void test_networks(void **state)
{
    struct routing_rule rules[] = {{.key = ROUTING_FROM}, FIRST(SMTP)};
    struct routing_input input = {.limit = LIMIT};
    struct address client;
    struct error error;

    (void)state;
    assert_true(cidr_parse(SLICE("192.0.2.0/24"), &rules[0].from, &error));
    assert_true(address_parse_ip(SLICE("192.0.2.9"), 1234, &client));
    input.client = &client;
    assert_int_equal(routing_decide(rules, 2, &input, &choice), ROUTING_DECIDED);
    assert_int_equal(choice.rule, 0); /* without an octet */
    assert_true(address_parse_ip(SLICE("198.51.100.9"), 1234, &client));
    assert_int_equal(routing_decide(rules, 2, &input, &choice), ROUTING_MORE);
    input.client = NULL;
    assert_int_equal(routing_decide(rules, 2, &input, &choice), ROUTING_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_sni),
        cmocka_unit_test(test_an_address_is_no_name),
        cmocka_unit_test(test_decided_early),
        cmocka_unit_test(test_first_words),
        cmocka_unit_test(test_words_are_no_tags),
        cmocka_unit_test(test_a_tag_has_an_end),
        cmocka_unit_test(test_over),
        cmocka_unit_test(test_no_rule),
        cmocka_unit_test(test_hellos_that_cannot_be_read),
        cmocka_unit_test(test_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
