/* Slices: comparing, cutting, numbers. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/slice.h"

static void assert_slice(struct slice found, const char *expected)
{
    if (!slice_equal(found, slice_from(expected)))
        fail_msg("%.*s is not %s", (int)found.n, found.n > 0 ? found.p : "", expected);
}

static void test_comparing(void **state)
{
    assert_true(slice_equal(SLICE("abc"), SLICE("abc")));
    assert_false(slice_equal(SLICE("abc"), SLICE("abd")));
    assert_false(slice_equal(SLICE("abc"), SLICE("abcd")));
    assert_false(slice_equal(SLICE("abc"), SLICE("ABC")));
    assert_true(slice_equal(slice_of(NULL, 0), SLICE("")));
    assert_true(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    assert_false(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
}

/* Letters of ASCII alone: neither their neighbours nor those of other alphabets. */
static void test_without_case(void **state)
{
    assert_true(slice_equal_nocase(SLICE("aZ-09"), SLICE("Az-09")));
    assert_false(slice_equal_nocase(SLICE("@"), SLICE("`")));
    assert_false(slice_equal_nocase(SLICE("["), SLICE("{")));
    assert_false(slice_equal_nocase(SLICE("\xc4"), SLICE("\xe4")));
    assert_false(slice_equal_nocase(SLICE("a"), SLICE("aa")));
}

static void test_beginnings_ends_and_parts(void **state)
{
    assert_true(slice_starts(SLICE("AUTH PLAIN"), SLICE("AUTH")));
    assert_false(slice_starts(SLICE("AUTH PLAIN"), SLICE("auth")));
    assert_false(slice_starts(SLICE("AUT"), SLICE("AUTH")));
    assert_true(slice_starts(SLICE(""), SLICE("")));
    assert_true(slice_starts_nocase(SLICE("AUTH PLAIN"), SLICE("auth")));
    assert_false(slice_starts_nocase(SLICE("AUT"), SLICE("auth")));
    assert_true(slice_ends_nocase(SLICE("mx.EXAMPLE"), SLICE(".example")));
    assert_false(slice_ends_nocase(SLICE("example"), SLICE(".example")));
    assert_true(slice_has_nocase(SLICE("is an Open Relay"), SLICE("RELAY")));
    assert_true(slice_has_nocase(SLICE("relay"), SLICE("relay")));
    assert_false(slice_has_nocase(SLICE("rela"), SLICE("relay")));
    assert_true(slice_has_nocase(SLICE(""), SLICE("")));
    assert_false(slice_has_nocase(SLICE(""), SLICE("x")));
}

static void test_cutting(void **state)
{
    assert_slice(slice_after(SLICE("abc"), 1), "bc");
    assert_slice(slice_after(SLICE("abc"), 3), "");
    assert_slice(slice_after(SLICE("abc"), 9), "");
    assert_slice(slice_after(slice_of(NULL, 0), 1), "");
    assert_slice(slice_trim(SLICE(" \t a b\t ")), "a b");
    assert_slice(slice_trim(SLICE(" \t ")), "");
    assert_slice(slice_trim_end(SLICE(" a ")), " a");
    assert_slice(slice_trim(SLICE("\r\na")), "\r\na"); /* ends of lines are no blanks */
    assert_int_equal(slice_find(SLICE("a=b=c"), '='), 1);
    assert_int_equal(slice_find(SLICE("abc"), '='), 3);
    assert_int_equal(slice_find(slice_of(NULL, 0), '='), 0);
    assert_int_equal(slice_from(NULL).n, 0);
}

static void test_words(void **state)
{
    struct slice rest = SLICE("  MAIL \tFROM:<> ");
    struct slice word = SLICE("before");

    assert_true(slice_word(&rest, &word));
    assert_slice(word, "MAIL");
    assert_true(slice_word(&rest, &word));
    assert_slice(word, "FROM:<>");
    assert_false(slice_word(&rest, &word));
    assert_slice(word, "FROM:<>");
    assert_int_equal(rest.n, 0);
}

/* Every part counts, the empty ones and the last, too. */
static void test_splitting(void **state)
{
    static const char *const parts[] = {"a", "", "b", ""};
    struct slice rest = SLICE("a,,b,");
    struct slice part;

    for (size_t i = 0; i < 4; i++) {
        assert_true(slice_split(&rest, ',', &part));
        assert_slice(part, parts[i]);
    }
    assert_false(slice_split(&rest, ',', &part));
    rest = SLICE("");
    assert_true(slice_split(&rest, ',', &part));
    assert_slice(part, "");
    assert_false(slice_split(&rest, ',', &part));
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "-1", "+1", "0x1", "1a", "18446744073709551616", "99999999999999999999999"};
    uint64_t value = 7;

    assert_true(slice_number(SLICE("0"), 0, &value));
    assert_int_equal(value, 0);
    assert_true(slice_number(SLICE("000123"), 123, &value));
    assert_int_equal(value, 123);
    assert_false(slice_number(SLICE("124"), 123, &value));
    assert_int_equal(value, 123);
    assert_true(slice_number(SLICE("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(slice_number(slice_from(bad[i]), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
}

static void test_words_of_a_list_are_found_whole(void **state)
{
    static const char *const words[] = {"STARTTLS", "XCLIENT", NULL};

    assert_true(slice_has_word(SLICE(" a\tPlain  "), SLICE("PLAIN")));
    assert_false(slice_has_word(SLICE("PLAINER"), SLICE("PLAIN")));
    assert_false(slice_has_word(SLICE(""), SLICE("PLAIN")));
    assert_true(slice_is_one_of(SLICE("xclient"), words));
    assert_false(slice_is_one_of(SLICE("xclient "), words));
}

static void test_a_word_ends_at_what_is_no_letter_or_digit(void **state)
{
    assert_true(slice_starts_word(SLICE("ok"), SLICE("OK")));
    assert_true(slice_starts_word(SLICE("OK[x"), SLICE("OK")));
    assert_false(slice_starts_word(SLICE("OKAY"), SLICE("OK")));
    assert_false(slice_starts_word(SLICE("OK1"), SLICE("OK")));
    assert_false(slice_starts_word(SLICE("O"), SLICE("OK")));
}

static void test_numbers_are_written_in_decimal(void **state)
{
    char memory[SLICE_DECIMAL_MAX];

    assert_true(slice_equal(slice_decimal(0, memory), SLICE("0")));
    assert_true(slice_equal(slice_decimal(65535, memory), SLICE("65535")));
    assert_true(slice_equal(slice_decimal(UINT32_MAX, memory), SLICE("4294967295")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_without_case),
        cmocka_unit_test(test_beginnings_ends_and_parts),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_splitting),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_words_of_a_list_are_found_whole),
        cmocka_unit_test(test_a_word_ends_at_what_is_no_letter_or_digit),
        cmocka_unit_test(test_numbers_are_written_in_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
