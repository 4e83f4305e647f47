#include "mailmux/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void lines_end_at_lf(void **state)
{
    static const struct {
        struct slice in;
        const char *line;
        size_t used;
    } rows[] = {
        {{"abc\r\ndef\r\n", 10}, "abc", 5},
        {{"abc\ndef", 7}, "abc", 4},
        {{"\n", 1}, "", 1},
        {{"\r\n", 2}, "", 2},
        {{"a\rb\r\r\n", 6}, "a\rb\r", 6},
        {{"abcdef\r\n", 8}, "abcdef", 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct slice line;
        size_t used;

        assert_int_equal(line_cut(rows[i].in, 8, &line, &used), LINE_WHOLE);
        assert_int_equal(used, rows[i].used);
        assert_true(slice_equal(line, slice_from(rows[i].line)));
    }
}

static void the_limit_counts_the_end_too(void **state)
{
    struct slice line = SLICE("untouched");
    size_t used = 77;

    (void)state;
    assert_int_equal(line_cut(SLICE(""), 4, &line, &used), LINE_MORE);
    assert_int_equal(line_cut(SLICE("abc"), 4, &line, &used), LINE_MORE);
    assert_int_equal(line_cut(SLICE("abcd"), 4, &line, &used), LINE_LONG);
    assert_int_equal(line_cut(SLICE("abcd\n"), 4, &line, &used), LINE_LONG);
    assert_int_equal(line_cut(SLICE("abc\r\n"), 4, &line, &used), LINE_LONG);
    assert_true(slice_equal(line, SLICE("untouched")));
    assert_int_equal(used, 77);
    assert_int_equal(line_cut(SLICE("abc\n"), 4, &line, &used), LINE_WHOLE);
    assert_int_equal(line_cut(SLICE("ab\r\n"), 4, &line, &used), LINE_WHOLE);
}

/* A cut must not depend on how much of the input is there already. */
static void a_verdict_stays_when_more_comes(void **state)
{
    struct slice in = SLICE("abcdef\r\nghi\r\n");

    (void)state;
    for (size_t limit = 1; limit < 10; limit++) {
        struct slice line;
        size_t used;
        enum line_cut end = line_cut(in, limit, &line, &used);

        for (size_t n = 0; n < in.n; n++) {
            enum line_cut cut = line_cut(slice_of(in.p, n), limit, &line, &used);

            assert_true(cut == LINE_MORE || cut == end);
        }
    }
}

static void a_clean_line_has_no_nul_and_no_cr(void **state)
{
    (void)state;
    assert_true(line_is_clean(SLICE("")));
    assert_true(line_is_clean(SLICE("a\tb\xff\x01")));
    assert_false(line_is_clean(SLICE("a\rb")));
    assert_false(line_is_clean(SLICE("a\r")));
    assert_false(line_is_clean(SLICE("a\0b")));
}

static void a_line_is_appended_whole_or_not(void **state)
{
    char memory[8];
    struct buffer out;

    (void)state;
    buffer_init(&out, memory, sizeof(memory));
    assert_true(line_append(&out, SLICE("abc")));
    assert_false(line_append(&out, SLICE("de")));
    assert_true(slice_equal(buffer_held(&out), SLICE("abc\r\n")));
    assert_true(line_append(&out, SLICE("d")));
    assert_true(slice_equal(buffer_held(&out), SLICE("abc\r\nd\r\n")));
}

static void a_line_is_made_clean(void **state)
{
    char memory[16];
    struct buffer out;

    (void)state;
    buffer_init(&out, memory, sizeof(memory));
    assert_true(line_append_clean(&out, slice_of("\ra\0\0b\r", 6)));
    assert_true(slice_equal(buffer_held(&out), SLICE(" a  b \r\n")));
    assert_false(line_append_clean(&out, slice_of("\0234567", 7)));
    assert_true(slice_equal(buffer_held(&out), SLICE(" a  b \r\n")));
    buffer_cut(&out, 3);
    assert_true(slice_equal(buffer_held(&out), SLICE(" a ")));
    buffer_cut(&out, 5);
    assert_int_equal(buffer_held(&out).n, 3);
}

static void a_servers_line_loses_all_its_returns(void **state)
{
    struct slice line = SLICE("");
    size_t used = 0;

    (void)state;
    assert_int_equal(line_cut_reply(SLICE("ab\r\r"), 9, &line, &used), REPLY_MORE);
    assert_int_equal(line_cut_reply(SLICE("ab\r\r\ncd"), 9, &line, &used), REPLY_WHOLE);
    assert_true(slice_equal(line, SLICE("ab")));
    assert_int_equal(used, 5);
    assert_int_equal(line_cut_reply(SLICE("ab\r\r\ncd"), 4, &line, &used), REPLY_LARGE);
}

static void lines_are_walked_to_the_last_that_ends(void **state)
{
    struct slice rest = SLICE("a\r\n\nb\nc");
    struct slice line = SLICE("");

    (void)state;
    assert_true(line_next(&rest, &line) && slice_equal(line, SLICE("a")));
    assert_true(line_next(&rest, &line) && line.n == 0);
    assert_true(line_next(&rest, &line) && slice_equal(line, SLICE("b")));
    assert_false(line_next(&rest, &line));
    assert_true(slice_equal(line, SLICE("b")) && slice_equal(rest, SLICE("c")));
}

static void an_empty_line_is_one_that_has_ended(void **state)
{
    (void)state;
    assert_int_equal(line_blank(SLICE("\n250 x")), 1);
    assert_int_equal(line_blank(SLICE("\r\r\n\n")), 3);
    assert_int_equal(line_blank(SLICE("\r")), 0);
    assert_int_equal(line_blank(SLICE(" \n")), 0);
    assert_int_equal(line_blank(SLICE("")), 0);
}

static void a_name_stands_where_a_text_wants_it(void **state)
{
    char memory[16];
    struct buffer out;

    (void)state;
    buffer_init(&out, memory, sizeof(memory));
    assert_true(line_append_named(&out, "220 %h x", SLICE("mux")));
    assert_false(line_append_named(&out, "%h!", SLICE("mux")));
    assert_true(slice_equal(buffer_held(&out), SLICE("220 mux x\r\n")));
    assert_true(line_append_named(&out, "ok", SLICE("a name that is not wanted")));
    assert_true(slice_equal(buffer_held(&out), SLICE("220 mux x\r\nok\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_lf),
        cmocka_unit_test(the_limit_counts_the_end_too),
        cmocka_unit_test(a_verdict_stays_when_more_comes),
        cmocka_unit_test(a_clean_line_has_no_nul_and_no_cr),
        cmocka_unit_test(a_line_is_appended_whole_or_not),
        cmocka_unit_test(a_line_is_made_clean),
        cmocka_unit_test(a_servers_line_loses_all_its_returns),
        cmocka_unit_test(lines_are_walked_to_the_last_that_ends),
        cmocka_unit_test(an_empty_line_is_one_that_has_ended),
        cmocka_unit_test(a_name_stands_where_a_text_wants_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
