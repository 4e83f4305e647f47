/*
 * For the tests of configurations: one text, what became of it, and what was said of it. Comes
 * behind cmocka.h.
 */
#ifndef MAILMUX_CONFIG_TEST_H
#define MAILMUX_CONFIG_TEST_H

#include "mailmux/config.h"

static struct config *config; /* of the last text; NULL if it was refused */
static struct config_report report;

static inline bool parse(const char *text)
{
    config_free(&config);
    config_report_free(&report);
    return config_parse_bytes("x.ini", slice_from(text), &config, &report);
}

static inline void assert_parsed(const char *text)
{
    if (!parse(text))
        fail_msg("%s", report.problems[0].text);
}

/* Exactly one problem, and it reads like this. */
static inline void assert_problem(const char *text, bool is_error, const char *expected)
{
    assert_int_equal(parse(text), !is_error);
    if (report.count != 1)
        fail_msg("%zu problems; the first: %s", report.count,
            report.count > 0 ? report.problems[0].text : "none");
    assert_string_equal(report.problems[0].text, expected);
    assert_int_equal(report.problems[0].is_error, is_error);
}

static inline void assert_error(const char *text, const char *expected)
{
    assert_problem(text, true, expected);
}

static inline int clean_up(void **state)
{
    config_free(&config);
    config_report_free(&report);
    return 0;
}

#endif
