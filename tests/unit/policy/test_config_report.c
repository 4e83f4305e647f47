/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/config.h"
#include <string.h>

static void add(struct config_report *report, const char *file, unsigned line)
{
    config_report_add(report, true, (struct config_origin){file, line}, "x");
}

static void test_stands_in_the_order_of_the_files(void **state)
{
    const char *const expected[] = {
        "a:1: x", "a:3: x", "a:3: x", "a:7: x", "a: x", "b:2: x", "b:5: x"};
    struct config_report report = {0};

    add(&report, "a", 7);
    add(&report, "b", 5);
    add(&report, "a", 0);
    add(&report, "a", 3);
    add(&report, "b", 2);
    add(&report, "a", 1);
    add(&report, "a", 3);
    assert_int_equal(report.count, 7);
    assert_int_equal(report.error_count, 7);
    for (size_t i = 0; i < report.count; i++)
        assert_string_equal(report.problems[i].text, expected[i]);
    config_report_free(&report);
    assert_int_equal(report.count, 0);
}

static void test_keeps_its_own_copies(void **state)
{
    struct config_report report = {0};
    char file[] = "name.ini";

    config_report_add(&report, false, (struct config_origin){file, 2}, "%s", "text");
    file[0] = 'X';
    assert_string_equal(report.problems[0].text, "name.ini:2: text");
    assert_string_equal(report.problems[0].origin.file, "name.ini");
    assert_int_equal(report.error_count, 0);
    config_report_free(&report);
}

static void test_says_nothing_of_a_file_where_there_is_none(void **state)
{
    struct config_report report = {0};

    config_report_add(&report, true, (struct config_origin){NULL, 0}, "text");
    assert_string_equal(report.problems[0].text, "text");
    config_report_free(&report);
}

static void test_moves_what_was_counted_alone(void **state)
{
    struct config_report report = {0};
    struct config_report more = {0};

    for (unsigned i = 0; i < CONFIG_PROBLEMS_MAX; i++)
        config_report_add(&more, false, (struct config_origin){"a", 1}, "x");
    add(&more, "a", 2);
    config_report_move(&report, &more);
    assert_int_equal(report.count, CONFIG_PROBLEMS_MAX);
    assert_int_equal(report.error_count, 1);
    assert_true(report.is_cut);
    config_report_free(&report);
}

static void test_moves_to_another(void **state)
{
    const char *const expected[] = {"a:1: x", "a:2: x", "a:3: x", "b:1: x"};
    struct config_report report = {0};
    struct config_report more = {0};

    add(&report, "a", 1);
    add(&report, "a", 3);
    add(&more, "a", 2);
    config_report_add(&more, false, (struct config_origin){"b", 1}, "x");
    config_report_move(&report, &more);
    assert_int_equal(more.count, 0);
    assert_null(more.store);
    assert_int_equal(report.count, 4);
    assert_int_equal(report.error_count, 3);
    for (size_t i = 0; i < report.count; i++)
        assert_string_equal(report.problems[i].text, expected[i]);
    config_report_move(&report, &more); /* nothing */
    assert_int_equal(report.count, 4);
    config_report_free(&report);
}

static void test_is_bounded(void **state)
{
    struct config_report report = {0};

    for (unsigned i = 0; i < CONFIG_PROBLEMS_MAX + 50; i++)
        add(&report, "a", i);
    assert_int_equal(report.count, CONFIG_PROBLEMS_MAX);
    assert_int_equal(report.error_count, CONFIG_PROBLEMS_MAX + 50);
    config_report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stands_in_the_order_of_the_files),
        cmocka_unit_test(test_keeps_its_own_copies),
        cmocka_unit_test(test_says_nothing_of_a_file_where_there_is_none),
        cmocka_unit_test(test_moves_to_another),
        cmocka_unit_test(test_moves_what_was_counted_alone),
        cmocka_unit_test(test_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
