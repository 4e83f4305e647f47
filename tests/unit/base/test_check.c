/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/check.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_small(int number)
{
    return check_holds(number < 10);
}

/* What the call writes to standard error. */
static size_t log_of(void (*act)(void), char *text, size_t cap)
{
    int pipe_ends[2];
    int kept = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe(pipe_ends), 0);
    assert_true(dup2(pipe_ends[1], STDERR_FILENO) >= 0);
    (void)close(pipe_ends[1]);
    act();
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    n = read(pipe_ends[0], text, cap - 1);
    (void)close(pipe_ends[0]);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static void fail_three_times(void)
{
    for (int i = 0; i < 3; i++)
        assert_false(is_small(12));
}

static void test_a_failure_is_logged_once_and_counted_each_time(void **state)
{
    char text[4096];
    char *first;

    (void)state;
    assert_true(is_small(3));
    assert_int_equal(check_failures(), 0);
    (void)log_of(fail_three_times, text, sizeof(text));
    assert_int_equal(check_failures(), 3);
    first = strstr(text, "test_check.c");
    assert_non_null(first);
    assert_non_null(strstr(first, "number < 10"));
    assert_null(strstr(first + 1, "test_check.c"));
}

static int evaluations;

static bool count_evaluation(void)
{
    evaluations++;
    return true;
}

static void test_the_condition_is_evaluated_once(void **state)
{
    (void)state;
    assert_true(check_holds(count_evaluation()));
    assert_int_equal(evaluations, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_is_logged_once_and_counted_each_time),
        cmocka_unit_test(test_the_condition_is_evaluated_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
