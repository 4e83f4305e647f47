/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "suggest.h"

static const char *nearest(const char *wrong, const char *const *words)
{
    struct suggestion near;

    suggest_begin(&near, slice_from(wrong));
    for (; *words; words++)
        (void)suggest_offer(&near, *words);
    return near.best;
}

static const char *const keys[] = {"bind", "backend", "protocol", "require_tls", "certificate",
    "connect", "connect_deadline", "tls", NULL};

static void test_finds_what_was_meant(void **state)
{
    assert_string_equal(nearest("bnd", keys), "bind");
    assert_string_equal(nearest("bindd", keys), "bind");
    assert_string_equal(nearest("bidn", keys), "bind");
    assert_string_equal(nearest("Backend", keys), "backend");
    assert_string_equal(nearest("require-tls", keys), "require_tls");
    assert_string_equal(nearest("cert", keys), "certificate");
    assert_string_equal(nearest("conect", keys), "connect");
}

static void test_says_nothing_when_nothing_is_near(void **state)
{
    assert_null(nearest("queue", keys));
    assert_null(nearest("x", keys));
    assert_null(nearest("", keys));
    assert_null(nearest("1.4", (const char *const[]){"1.0", "1.2", NULL}));
}

static void test_survives_words_of_any_length(void **state)
{
    char longest[300];

    for (size_t i = 0; i < sizeof(longest) - 1; i++)
        longest[i] = 'b';
    longest[sizeof(longest) - 1] = '\0';
    assert_null(nearest(longest, keys));
    longest[48] = '\0';
    assert_null(nearest(longest, keys));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_meant),
        cmocka_unit_test(test_says_nothing_when_nothing_is_near),
        cmocka_unit_test(test_survives_words_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
