/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/relay_test.h"
#include <string.h>

enum { TEXT_MAX = 1000 };

/* The server's replies in their order, `step` octets at a time; what was said goes to `said`. */
static enum relay_test_next play(
    struct relay_test *test, const char *replies, size_t step, char said[TEXT_MAX])
{
    struct slice rest = slice_from(replies);
    size_t known = 0;
    struct buffer out;
    enum relay_test_next next;

    buffer_init(&out, said, TEXT_MAX - 1);
    relay_test_init(test, SLICE("me.example"), SLICE("a@b.example"));
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

static void check(const char *replies, enum relay_judgement expected, const char *text)
{
    for (size_t step = 1; step < 200; step += 66) {
        char said[TEXT_MAX];
        struct relay_test test;

        assert_int_equal(play(&test, replies, step, said), RELAY_TEST_DONE);
        assert_int_equal(test.answer.judgement, expected);
        assert_int_equal(test.answer.n, strlen(text));
        assert_memory_equal(test.answer.text, text, test.answer.n);
        assert_null(strstr(said, "DATA"));
    }
}

#define HELLO "250-old.example\r\n250 8BITMIME\r\n"
#define FINE "250 2.1.0 fine\r\n"

static void test_asks_and_takes_it_back(void **state)
{
    char said[TEXT_MAX];
    struct relay_test test;

    assert_int_equal(play(&test, HELLO FINE "554 5.7.1 no\r\n" FINE, 1000, said), RELAY_TEST_DONE);
    assert_string_equal(
        said, "EHLO me.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRSET\r\n");
}

static void test_judges_the_answer(void **state)
{
    check(HELLO FINE "250 2.1.5 ok\r\n" FINE, RELAY_TAKEN, "250 2.1.5 ok");
    check(HELLO FINE "251 will forward\r\n" FINE, RELAY_TAKEN, "251 will forward");
    check(HELLO FINE "554 5.7.1 denied\r\n" FINE, RELAY_REFUSED, "554 5.7.1 denied");
    check(HELLO FINE "550-no\r\n550 no relaying\r\n500 what\r\n", RELAY_REFUSED, "550 no relaying");
    check(HELLO FINE "550 5.1.2 no such domain\r\n" FINE, RELAY_UNDECIDED,
        "550 5.1.2 no such domain");
    check(HELLO FINE "550 5.4.4 no route\r\n" FINE, RELAY_UNDECIDED, "550 5.4.4 no route");
    check(HELLO FINE "450 4.1.2 not now\r\n" FINE, RELAY_UNDECIDED, "450 4.1.2 not now");
    check(HELLO FINE "354 strange\r\n" FINE, RELAY_UNDECIDED, "354 strange");
}

static void test_may_not_come_to_the_question(void **state)
{
    check(HELLO "530 5.7.0 log in\r\n" FINE, RELAY_REFUSED, "530 5.7.0 log in");
    check(HELLO "451 4.3.0 later\r\n" FINE, RELAY_UNDECIDED, "451 4.3.0 later");
    check("502 no\r\n", RELAY_REFUSED, "502 no");
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
        cmocka_unit_test(test_may_not_come_to_the_question),
        cmocka_unit_test(test_what_is_no_reply_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
