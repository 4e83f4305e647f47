/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/relay_test.h"
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1000 };

#define OWN "postmaster@own.example"

/* The server's replies in their order, `step` octets at a time; what was said goes to `said`. */
static enum relay_test_next play(
    struct relay_test *test, const char *replies, size_t step, char said[TEXT_MAX])
{
    struct slice rest = slice_from(replies);
    size_t known = 0;
    struct buffer out;
    enum relay_test_next next;

    buffer_init(&out, said, TEXT_MAX - 1);
    relay_test_init(test, SLICE("me.example"), SLICE(OWN), SLICE("a@relay.example"));
    for (;;) {
        size_t used;

        next = relay_test_feed(test, slice_of(rest.p, known), &out, &used);
        if (next != RELAY_TEST_MORE && next != RELAY_TEST_GO_ON)
            break;
        rest = slice_after(rest, used);
        known -= used;
        if (next == RELAY_TEST_MORE) {
            if (known == rest.n)
                break;
            known = known + step < rest.n ? known + step : rest.n;
        }
    }
    said[buffer_held(&out).n] = '\0';
    return next;
}

static void check_reason(
    const char *replies, enum relay_judgement expected, enum relay_reason reason, const char *text)
{
    for (size_t step = 1; step < 200; step += 66) {
        char said[TEXT_MAX];
        struct relay_test test;

        assert_int_equal(play(&test, replies, step, said), RELAY_TEST_DONE);
        assert_int_equal(test.answer.judgement, expected);
        assert_int_equal(test.answer.reason, reason);
        assert_int_equal(test.answer.n, strlen(text));
        assert_memory_equal(test.answer.text, text, test.answer.n);
        assert_null(strstr(said, "DATA"));
    }
}

#define HELLO "250-old.example\r\n250 8BITMIME\r\n"
#define FINE "250 2.1.0 fine\r\n"

static void check(const char *replies, enum relay_judgement expected, const char *text)
{
    check_reason(replies, expected, RELAY_FOR_NOTHING, text);
}

/* Both senders hear the same. */
static void check_both(const char *reply, enum relay_reason reason)
{
    char replies[TEXT_MAX];
    char text[TEXT_MAX];

    (void)snprintf(
        replies, sizeof(replies), HELLO FINE "%s\r\n" FINE FINE "%s\r\n" FINE, reply, reply);
    (void)snprintf(text, sizeof(text), "%s", reply);
    check_reason(replies, RELAY_UNDECIDED, reason, text);
}

static void test_asks_and_takes_it_back(void **state)
{
    char said[TEXT_MAX];
    struct relay_test test;

    assert_int_equal(play(&test, HELLO FINE "554 5.7.1 no\r\n" FINE, 1000, said), RELAY_TEST_DONE);
    assert_string_equal(
        said, "EHLO me.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@relay.example>\r\nRSET\r\n");
}

static void test_judges_the_answer(void **state)
{
    check(HELLO FINE "250 2.1.5 ok\r\n" FINE, RELAY_TAKEN, "250 2.1.5 ok");
    check(HELLO FINE "251 will forward\r\n" FINE, RELAY_TAKEN, "251 will forward");
    check(HELLO FINE "554 5.7.1 denied\r\n" FINE, RELAY_REFUSED, "554 5.7.1 denied");
    check(HELLO FINE "550-no\r\n550 no relaying\r\n500 what\r\n", RELAY_REFUSED, "550 no relaying");
    check(HELLO FINE "550-We do not relay.\r\n550 Authenticate first\r\n" FINE, RELAY_REFUSED,
        "550 Authenticate first");
    check(HELLO FINE "454 4.7.1 <a@relay.example>: Relay access denied\r\n" FINE, RELAY_REFUSED,
        "454 4.7.1 <a@relay.example>: Relay access denied");
    check(HELLO FINE "550 5.1.2 Relay not allowed\r\n" FINE, RELAY_REFUSED,
        "550 5.1.2 Relay not allowed");
    check(HELLO FINE "553 sorry, that domain isn't in my list of rcpthosts\r\n" FINE, RELAY_REFUSED,
        "553 sorry, that domain isn't in my list of rcpthosts");
    check(HELLO FINE "550 Invalid recipient: <a@relay.example>\r\n" FINE, RELAY_REFUSED,
        "550 Invalid recipient: <a@relay.example>");
}

static void test_other_reasons_decide_nothing(void **state)
{
    check_both("550 5.1.2 <a@relay.example> no such domain", RELAY_FOR_RECIPIENT);
    check_both("550 5.4.4 no route", RELAY_FOR_RECIPIENT);
    check_both("550 Unrouteable address", RELAY_FOR_RECIPIENT);
    check_both("550 5.1.1 <a@relay.example> unknown", RELAY_FOR_RECIPIENT);
    check_both("450 4.1.2 not now", RELAY_FOR_NOW);
    check_both("451 4.7.1 Greylisted, relay again later", RELAY_FOR_NOW);
    check_both("354 strange", RELAY_FOR_NOTHING);
    check_both("503 5.5.1 bad sequence", RELAY_FOR_NOTHING);
    check_both(
        "504 5.5.2 <me>: Helo command rejected: need fully-qualified hostname", RELAY_FOR_HELLO);
    check_both(
        "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", RELAY_FOR_CLIENT);
    check_both("550 5.7.25 no name for the address", RELAY_FOR_CLIENT);
    check_both("550 5.1.8 <x@y>: no such domain", RELAY_FOR_SENDER);
    check_both("554 5.7.1 <>: Sender address rejected: Access denied", RELAY_FOR_SENDER);
    check_reason(HELLO FINE "421 4.3.2 shutting down\r\n", RELAY_UNDECIDED, RELAY_FOR_NOW,
        "421 4.3.2 shutting down");
    check_reason(HELLO FINE "530 5.7.0 Authentication required\r\n" FINE, RELAY_UNDECIDED,
        RELAY_FOR_LOGIN, "530 5.7.0 Authentication required");
}

static void test_may_not_come_to_the_question(void **state)
{
    check_reason(HELLO "530 5.7.0 please log in\r\n" FINE, RELAY_UNDECIDED, RELAY_FOR_LOGIN,
        "530 5.7.0 please log in");
    check_reason(HELLO "530 5.7.0 Must issue a STARTTLS command first\r\n" FINE, RELAY_UNDECIDED,
        RELAY_FOR_TLS, "530 5.7.0 Must issue a STARTTLS command first");
    check_reason(HELLO "451 4.3.0 later\r\n" FINE "451 4.3.0 later\r\n" FINE, RELAY_UNDECIDED,
        RELAY_FOR_NOW, "451 4.3.0 later");
    check_reason(HELLO "421 4.3.0 later\r\n", RELAY_UNDECIDED, RELAY_FOR_NOW, "421 4.3.0 later");
    check_reason("502 no\r\n", RELAY_UNDECIDED, RELAY_FOR_HELLO, "502 no");
    check_reason("550 5.7.1 your name is not mine\r\n", RELAY_UNDECIDED, RELAY_FOR_HELLO,
        "550 5.7.1 your name is not mine");
}

static void check_again(const char *refusal)
{
    char replies[TEXT_MAX];
    char said[TEXT_MAX];
    struct relay_test test;

    (void)snprintf(
        replies, sizeof(replies), HELLO "%s\r\n" FINE FINE "250 2.1.5 ok\r\n" FINE, refusal);
    assert_int_equal(play(&test, replies, 1000, said), RELAY_TEST_DONE);
    assert_string_equal(said, "EHLO me.example\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<" OWN
                              ">\r\nRCPT TO:<a@relay.example>\r\nRSET\r\n");
    assert_int_equal(test.answer.judgement, RELAY_TAKEN);
    assert_int_equal(test.answer.sender, RELAY_OWN_SENDER);
}

static void test_asks_again_where_the_null_sender_is_refused(void **state)
{
    char said[TEXT_MAX];
    struct relay_test test;

    check_again("550 5.7.1 bounces are not wanted");
    check_again("501 5.1.7 bad sender address");
    check_again("450 4.7.1 later");
    (void)play(&test,
        HELLO FINE "554 5.7.1 <>: Sender address rejected\r\n" FINE FINE
                   "554 5.7.1 Relay access denied\r\n" FINE,
        1000, said);
    assert_int_equal(test.answer.judgement, RELAY_REFUSED);
    assert_int_equal(test.answer.sender, RELAY_OWN_SENDER);
    (void)play(&test, HELLO "550 5.7.1 no\r\n" FINE "553 5.7.1 not yours\r\n" FINE, 1000, said);
    assert_int_equal(test.answer.judgement, RELAY_UNDECIDED);
    assert_int_equal(test.answer.reason, RELAY_FOR_SENDER);
}

static void test_what_is_no_reply_ends_it(void **state)
{
    char said[TEXT_MAX];
    struct relay_test test;

    assert_int_equal(play(&test, HELLO "hello\r\n", 1000, said), RELAY_TEST_BROKEN);
    assert_int_equal(play(&test, HELLO FINE, 1000, said), RELAY_TEST_MORE);
    assert_int_equal(test.answer.judgement, RELAY_NOT_TESTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_and_takes_it_back),
        cmocka_unit_test(test_judges_the_answer),
        cmocka_unit_test(test_other_reasons_decide_nothing),
        cmocka_unit_test(test_asks_again_where_the_null_sender_is_refused),
        cmocka_unit_test(test_may_not_come_to_the_question),
        cmocka_unit_test(test_what_is_no_reply_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
