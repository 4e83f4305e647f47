/* The two clocks. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/clock.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The kernel's own, in milliseconds: between two looks at it. */
static void test_counts_as_the_kernel_does(void **state)
{
    struct timespec before;
    struct timespec after;
    uint64_t now_ms;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    now_ms = clock_monotonic_ms();
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &after), 0);
    assert_true(now_ms >= (uint64_t)before.tv_sec * 1000 + (uint64_t)before.tv_nsec / 1000000);
    assert_true(now_ms <= (uint64_t)after.tv_sec * 1000 + (uint64_t)after.tv_nsec / 1000000);
}

/* Of UTC, whatever the place. */
static void test_stamps(void **state)
{
    char text[CLOCK_STAMP_MAX];
    struct tm parts = {0};
    struct timespec before;
    struct timespec after;
    time_t stamped;
    const char *rest;

    assert_int_equal(setenv("TZ", "XYZ-9", 1), 0);
    tzset();
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &before), 0);
    clock_stamp(text);
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &after), 0);
    rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    assert_non_null(rest);
    stamped = timegm(&parts);
    assert_true(stamped >= before.tv_sec && stamped <= after.tv_sec);
    assert_int_equal(strlen(rest), 5);
    assert_int_equal(rest[0], '.');
    assert_int_equal(strspn(rest + 1, "0123456789"), 3);
    assert_int_equal(rest[4], 'Z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_as_the_kernel_does),
        cmocka_unit_test(test_stamps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
