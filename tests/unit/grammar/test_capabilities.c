/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/capabilities.h"

static void check(const char *words, const char *other, const char *expected)
{
    char memory[64];
    struct buffer out;

    buffer_init(&out, memory, sizeof(memory));
    assert_int_equal(
        capabilities_missing(slice_from(words), slice_from(other), &out), expected[0] != '\0');
    assert_int_equal(buffer_held(&out).n, slice_from(expected).n);
    assert_memory_equal(buffer_held(&out).p, expected, buffer_held(&out).n);
}

static void test_equal_sets_lack_nothing(void **state)
{
    check("", "", "");
    check("A\nB\nSIZE 10\n", "B\nsize 10\na\nC\n", "");
    check("AUTH PLAIN LOGIN\n", "AUTH LOGIN PLAIN CRAM-MD5\n", "");
    check("SASL PLAIN\n", "sasl plain\n", "");
    check("AUTH=PLAIN\nIMAP4rev1\n", "IMAP4rev1\nAUTH=PLAIN\n", "");
    check("XCLIENT NAME ADDR\n", "XCLIENT ADDR NAME\n", "");
}

static void test_what_is_missing_is_named(void **state)
{
    check("A\nB\nC\n", "B\n", "A, C");
    check("SIZE 10\n", "SIZE 20\n", "SIZE 10");
    check("AUTH PLAIN LOGIN\nX\n", "AUTH PLAIN\n", "AUTH LOGIN, X");
    check("AUTH PLAIN\n", "SASL PLAIN\nPLAIN\n", "AUTH PLAIN");
    check("STARTTLS\n", "STARTTLS2\n", "STARTTLS");
}

static void test_the_name_of_the_software_does_not_count(void **state)
{
    check("IMPLEMENTATION Dovecot\n", "IMPLEMENTATION Courier 2\n", "");
    check("implementation\n", "", "");
}

static void test_what_does_not_fit_is_left_out(void **state)
{
    char memory[8];
    struct buffer out;

    buffer_init(&out, memory, sizeof(memory));
    assert_true(capabilities_missing(
        slice_from("VERYLONGWORD\nAB\nAUTH PLAIN LOGIN\nC\n"), slice_from(""), &out));
    assert_memory_equal(buffer_held(&out).p, "AB, C", buffer_held(&out).n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_sets_lack_nothing),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_the_name_of_the_software_does_not_count),
        cmocka_unit_test(test_what_does_not_fit_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
