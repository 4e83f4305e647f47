/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_value.h"
#include <string.h>

static const struct directive number = {
    .type = VALUE_NUMBER, .min = 1, .max = 1024, .zero = "auto"};
static const struct directive duration = {.type = VALUE_DURATION, .min = 100, .max = 86400000};
static const struct directive size = {.type = VALUE_SIZE, .min = 16, .max = 1048576};

static uint64_t parse(const struct directive *directive, const char *text)
{
    struct error error;
    uint64_t value = 0;

    assert_true(config_number_parse(directive, slice_from(text), &value, &error));
    return value;
}

static void assert_refused(const struct directive *directive, const char *text, const char *part)
{
    struct error error;
    uint64_t value = 77;

    assert_false(config_number_parse(directive, slice_from(text), &value, &error));
    assert_int_equal(value, 77);
    assert_non_null(strstr(error.text, part));
}

static void test_numbers(void **state)
{
    assert_int_equal(parse(&number, "1"), 1);
    assert_int_equal(parse(&number, "1024"), 1024);
    assert_int_equal(parse(&number, "auto"), 0);
    assert_int_equal(parse(&number, "0"), 0);
    assert_refused(&number, "1025", "too high; allowed: 1 to 1024, or auto");
    assert_refused(&number, "99999999999999999999999", "too high");
    assert_refused(&number, "x", "not a whole number");
    assert_refused(&number, "-1", "not a whole number");
    assert_refused(&number, "5s", "not a whole number");
    assert_refused(&number, "0x10", "not a whole number");
}

static void test_durations(void **state)
{
    assert_int_equal(parse(&duration, "500ms"), 500);
    assert_int_equal(parse(&duration, "30s"), 30000);
    assert_int_equal(parse(&duration, "5m"), 300000);
    assert_int_equal(parse(&duration, "24h"), 86400000);
    assert_refused(&duration, "30", "did you mean 30s?");
    assert_refused(&duration, "99ms", "too low; allowed: 100ms to 24h");
    assert_refused(&duration, "25h", "too high");
    assert_refused(&duration, "99999999999999999999h", "too high");
    assert_refused(&duration, "18446744073709551615h", "too high");
    assert_refused(&duration, "s", "not a time");
    assert_refused(&duration, "5d", "too high");
    assert_refused(&duration, "5 x", "not a time");
}

/* As nginx, HAProxy, Dovecot, Postfix and systemd write them. */
static void test_durations_as_others_write_them(void **state)
{
    const char *const ninety_minutes[] = {
        "1h30m", "1h 30m", "1h30min", "1H30Min", "90min", "90 mins", "90 minutes", "5400 secs"};

    for (size_t i = 0; i < sizeof(ninety_minutes) / sizeof(ninety_minutes[0]); i++)
        assert_int_equal(parse(&duration, ninety_minutes[i]), 5400000);
    assert_int_equal(parse(&duration, "1d"), 86400000);
    assert_int_equal(parse(&duration, "1 day"), 86400000);
    assert_int_equal(parse(&duration, "90 s"), 90000);
    assert_int_equal(parse(&duration, "500 msec"), 500);
    assert_int_equal(parse(&duration, "1s500ms"), 1500);
    assert_refused(&duration, "1w", "too high");
    assert_refused(&duration, "1d1ms", "too high");
    assert_refused(&duration, "18446744073709551615ms 1h", "not a time");
    assert_refused(&duration, "5000000h18446744073709551615ms", "too high");
    assert_refused(&duration, "5M", "not a time"); /* months, to nginx */
    assert_refused(&duration, "1h30", "not a time");
    assert_refused(&duration, "30m1h", "not a time");
    assert_refused(&duration, "1m1min", "not a time");
    assert_refused(&duration, "1.5h", "not a time");
    assert_refused(&duration, "1h,30m", "not a time");
    assert_refused(&duration, "-1h", "not a time");
}

static void test_sizes(void **state)
{
    assert_int_equal(parse(&size, "4096"), 4096);
    assert_int_equal(parse(&size, "64k"), 65536);
    assert_int_equal(parse(&size, "1m"), 1048576);
    assert_refused(&size, "2m", "too high; allowed: 16 to 1m");
    assert_int_equal(parse(&size, "64K"), 65536);
    assert_int_equal(parse(&size, "64KB"), 65536);
    assert_int_equal(parse(&size, "64KiB"), 65536);
    assert_int_equal(parse(&size, "64 kB"), 65536);
    assert_int_equal(parse(&size, "1M"), 1048576);
    assert_int_equal(parse(&size, "4096 bytes"), 4096);
    assert_int_equal(parse(&size, "4096B"), 4096);
    assert_refused(&size, "1g", "too high; allowed: 16 to 1m");
    assert_refused(&size, "18446744073709551615g", "too high");
    assert_refused(&size, "1m1k", "not a size");
    assert_refused(&size, "64kbit", "not a size");
    assert_refused(&size, "kb", "not a size");
}

static void assert_text(const struct directive *directive, uint64_t value, const char *expected)
{
    char text[NUMBER_TEXT_MAX];

    assert_string_equal(config_number_text(directive, value, text), expected);
}

static void test_numbers_as_text(void **state)
{
    assert_text(&number, 0, "auto");
    assert_text(&number, 8, "8");
    assert_text(&duration, 0, "0s");
    assert_text(&duration, 1, "1ms");
    assert_text(&duration, 1500, "1500ms");
    assert_text(&duration, 90000, "90s");
    assert_text(&duration, 86400000, "24h");
    assert_text(&size, 0, "0");
    assert_text(&size, 4097, "4097");
    assert_text(&size, 65536, "64k");
    assert_text(&size, 1048576, "1m");
}

static void test_choices(void **state)
{
    static const struct choice words[] = {{"no", 0}, {"auth", 1}, {"yes", 2}, {NULL, 0}};
    const struct directive choice = {.type = VALUE_CHOICE, .choices = words};
    struct error error;
    unsigned value;

    assert_true(config_choice_parse(&choice, SLICE("auth"), &value, &error));
    assert_int_equal(value, 1);
    assert_false(config_choice_parse(&choice, SLICE("aut"), &value, &error));
    assert_non_null(strstr(error.text, "did you mean auth? allowed: no, auth, yes"));
    assert_false(config_choice_parse(&choice, SLICE("on"), &value, &error));
    assert_non_null(strstr(error.text, "allowed: no, auth, yes"));
    assert_string_equal(config_choice_text(&choice, 2), "yes");
    assert_null(config_choice_text(&choice, 9));
}

static void test_hosts(void **state)
{
    const char *const good[] = {"a", "mx1", "mail.example.org", "1.example", "a_b.c-d"};
    const char *const bad[] = {
        "", ".", "a..b", "-a", "a-", "10.0.0.1", "300.1.1.1", "a b", "a/b", "::1", "*"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(config_host_is_valid(slice_from(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(config_host_is_valid(slice_from(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_durations_as_others_write_them),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_numbers_as_text),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
