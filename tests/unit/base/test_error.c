/* A failure in words. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/error.h"
#include <string.h>

static void test_is_written(void **state)
{
    struct error error;

    error_set(&error, "%s: %d", "x", 7);
    assert_string_equal(error.text, "x: 7");
    error_set(&error, "y");
    assert_string_equal(error.text, "y");
}

static void test_is_cut_where_it_is_too_long(void **state)
{
    char text[2 * ERROR_TEXT_MAX];
    struct error error;

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&error, "%s", text);
    assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_written),
        cmocka_unit_test(test_is_cut_where_it_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
