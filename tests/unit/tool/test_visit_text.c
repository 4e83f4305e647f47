/* How what is said of a visit is written. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "visit_text.h"
#include <stdlib.h>

static char *printed;
static size_t n;
static FILE *out;

static int set_up(void **state)
{
    out = open_memstream(&printed, &n);
    return out ? 0 : -1;
}

static int tear_down(void **state)
{
    free(printed);
    return 0;
}

static void assert_printed(const char *text)
{
    assert_int_equal(fclose(out), 0);
    assert_string_equal(printed, text);
}

/* A server's text is no command to a terminal. */
static void test_octets_that_are_not_printable(void **state)
{
    visit_print_text(out, slice_of(" ~a\0\x1f\x7f\xff\n", 8));
    assert_printed(" ~a\\x00\\x1f\\x7f\\xff\\x0a");
}

static void test_findings_are_counted(void **state)
{
    size_t errors = 3;

    visit_find(out, &errors, "error", "%s is %d", "x", 7);
    visit_find(out, NULL, "note", "y");
    assert_int_equal(errors, 4);
    assert_printed("  error: x is 7\n  note: y\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_octets_that_are_not_printable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_findings_are_counted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
