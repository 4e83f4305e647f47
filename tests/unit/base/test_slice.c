#include "mailmux/slice.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void words_of_a_list_are_found_whole(void **state)
{
    static const char *const words[] = {"STARTTLS", "XCLIENT", NULL};

    (void)state;
    assert_true(slice_has_word(SLICE(" a\tPlain  "), SLICE("PLAIN")));
    assert_false(slice_has_word(SLICE("PLAINER"), SLICE("PLAIN")));
    assert_false(slice_has_word(SLICE(""), SLICE("PLAIN")));
    assert_true(slice_is_one_of(SLICE("xclient"), words));
    assert_false(slice_is_one_of(SLICE("xclient "), words));
}

static void a_word_ends_at_what_is_no_letter_or_digit(void **state)
{
    (void)state;
    assert_true(slice_starts_word(SLICE("ok"), SLICE("OK")));
    assert_true(slice_starts_word(SLICE("OK[x"), SLICE("OK")));
    assert_false(slice_starts_word(SLICE("OKAY"), SLICE("OK")));
    assert_false(slice_starts_word(SLICE("OK1"), SLICE("OK")));
    assert_false(slice_starts_word(SLICE("O"), SLICE("OK")));
}

static void numbers_are_written_in_decimal(void **state)
{
    char memory[SLICE_DECIMAL_MAX];

    (void)state;
    assert_true(slice_equal(slice_decimal(0, memory), SLICE("0")));
    assert_true(slice_equal(slice_decimal(65535, memory), SLICE("65535")));
    assert_true(slice_equal(slice_decimal(UINT32_MAX, memory), SLICE("4294967295")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_a_list_are_found_whole),
        cmocka_unit_test(a_word_ends_at_what_is_no_letter_or_digit),
        cmocka_unit_test(numbers_are_written_in_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
