/* Names of protocols in ALPN: what stands for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/alpn.h"

static bool means(const char *protocol, const char *offered)
{
    return alpn_means(slice_from(protocol), slice_from(offered));
}

static void test_other_names(void **state)
{
    (void)state;
    assert_true(means("imap", "imaps"));
    assert_true(means("pop3", "pop3s"));
    assert_true(means("smtp", "submission"));
    assert_true(means("smtp", "submissions"));
    assert_true(means("smtp", "esmtp"));
}

/* A rule for imaps is for clients that offer that, so that it can differ from one for imap. */
static void test_a_name_stands_in_one_direction(void **state)
{
    (void)state;
    assert_false(means("imaps", "imap"));
    assert_false(means("submission", "smtp"));
    assert_true(means("submission", "submission"));
}

static void test_everything_else_is_what_it_is(void **state)
{
    (void)state;
    assert_true(means("imap", "imap"));
    assert_true(means("h2", "h2"));
    assert_true(means("managesieve", "managesieve"));
    assert_false(means("imap", "IMAP"));
    assert_false(means("imap", "pop3s"));
    assert_false(means("imap", "ima"));
    assert_false(means("imap", ""));
    assert_false(means("h2", "h2c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_a_name_stands_in_one_direction),
        cmocka_unit_test(test_everything_else_is_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
