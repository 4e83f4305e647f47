/* The lifetime of a certificate, in its thirds, tenths and last days. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_certificate_age.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static const int64_t begin_s = INT64_C(1764374400); /* 2025-11-29 00:00 UTC */

static struct certificate_dates of_days(int64_t days)
{
    return (struct certificate_dates){begin_s, begin_s + days * DAY_S, 0};
}

static void test_ages(void **state)
{
    struct certificate_dates dates = of_days(90);

    assert_int_equal(certificate_age(&dates, begin_s - 1), CERTIFICATE_NOT_BEGUN);
    assert_int_equal(certificate_age(&dates, begin_s), CERTIFICATE_FRESH);
    assert_int_equal(certificate_age(&dates, dates.end_s - 30 * DAY_S - 1), CERTIFICATE_FRESH);
    assert_int_equal(certificate_age(&dates, dates.end_s - 30 * DAY_S), CERTIFICATE_LAST_THIRD);
    assert_int_equal(certificate_age(&dates, dates.end_s - 9 * DAY_S - 1), CERTIFICATE_LAST_THIRD);
    assert_int_equal(certificate_age(&dates, dates.end_s - 9 * DAY_S), CERTIFICATE_LAST_TENTH);
    assert_int_equal(certificate_age(&dates, dates.end_s - 1), CERTIFICATE_LAST_TENTH);
    assert_int_equal(certificate_age(&dates, dates.end_s), CERTIFICATE_OVER);
}

/* Each moment of news in its order, counted from the end. */
static void assert_news(int64_t lifetime_s, const int64_t *left_s, size_t count)
{
    struct certificate_dates dates = {begin_s, begin_s + lifetime_s, 0};
    int64_t now_s = begin_s - 5 * (int64_t)DAY_S;

    for (size_t i = 0; i < count; i++) {
        int64_t next_s = certificate_next_news_s(&dates, now_s);

        assert_int_equal(dates.end_s - next_s, left_s[i]);
        /* It is the next one from every moment until then. */
        assert_int_equal(certificate_next_news_s(&dates, next_s - 1), next_s);
        now_s = next_s;
    }
}

static void test_news_of_a_usual_one(void **state)
{
    const int64_t left_s[] = {30 * DAY_S, 9 * DAY_S, 7 * DAY_S, 6 * DAY_S, 5 * DAY_S, 4 * DAY_S,
        3 * DAY_S, 2 * DAY_S, DAY_S, 0, -DAY_S, -2 * DAY_S};

    assert_news(90 * (int64_t)DAY_S, left_s, sizeof(left_s) / sizeof(left_s[0]));
}

/* The last days begin within the last tenth, however short it is. */
static void test_news_of_a_short_one(void **state)
{
    const int64_t of_forty_days[] = {(int64_t)40 * DAY_S / 3, 4 * DAY_S, 3 * DAY_S, 2 * DAY_S};
    const int64_t of_six_days[] = {2 * DAY_S, (int64_t)6 * DAY_S / 10, 0, -DAY_S};
    const int64_t of_a_minute[] = {20, 6, 0, -DAY_S};

    assert_news(40 * (int64_t)DAY_S, of_forty_days, 4);
    assert_news(6 * (int64_t)DAY_S, of_six_days, 4);
    assert_news(60, of_a_minute, 4);
}

static void test_news_of_a_long_one(void **state)
{
    const int64_t left_s[] = {1200 * (int64_t)DAY_S, 360 * DAY_S, 7 * DAY_S, 6 * DAY_S};

    assert_news(3600 * (int64_t)DAY_S, left_s, 4);
}

/* One that ends before it begins is over, and asking for its news ends, too. */
static void test_nonsense(void **state)
{
    struct certificate_dates dates = {begin_s, begin_s - DAY_S, 0};

    assert_int_equal(certificate_age(&dates, begin_s), CERTIFICATE_OVER);
    assert_true(certificate_next_news_s(&dates, begin_s) > begin_s);
}

static void assert_text(int64_t days, int64_t left_s, const char *expected)
{
    struct certificate_dates dates = of_days(days);
    char text[CERTIFICATE_AGE_TEXT_MAX];

    assert_string_equal(certificate_age_text(&dates, dates.end_s - left_s, text), expected);
}

static void test_texts(void **state)
{
    assert_text(90, 30 * DAY_S + 1, "");
    assert_text(90, 30 * DAY_S,
        "ends in 30 days (2026-02-27 00:00 UTC), with less than a third of its lifetime left");
    assert_text(90, 9 * DAY_S - 1,
        "ends in 8 days (2026-02-27 00:00 UTC), with less than a tenth of its lifetime left");
    assert_text(90, 2 * DAY_S - 1,
        "ends in 47 hours (2026-02-27 00:00 UTC), with less than a tenth of its lifetime left");
    assert_text(90, 90,
        "ends in 1 minute (2026-02-27 00:00 UTC), with less than a tenth of its lifetime left");
    assert_text(90, 0, "has expired");
    assert_text(90, 91 * DAY_S, "is not valid yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_news_of_a_usual_one),
        cmocka_unit_test(test_news_of_a_short_one),
        cmocka_unit_test(test_news_of_a_long_one),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
