/* What a reload has changed, in the words of the file. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/config.h"
#include <string.h>

#define REST                                                                                       \
    "[backend b]\nserver = 10.0.0.5:143\n[listener one]\nbind = 127.0.0.1:143\nbackend = b\n"

#define SET "[tls a]\ncertificate = /c\nkey = /k\n"

static struct config *parse(const char *text)
{
    struct config_report report;
    struct config *config = NULL;

    assert_true(config_parse_bytes("x.ini", slice_from(text), &config, &report));
    config_report_free(&report);
    return config;
}

static void assert_changes(const char *before, const char *now, const char *expected)
{
    struct config *configs[2] = {parse(before), parse(now)};
    char text[256];

    config_list_changes(configs[0], configs[1], text, sizeof(text));
    assert_string_equal(text, expected);
    config_free(&configs[0]);
    config_free(&configs[1]);
}

static void test_nothing(void **state)
{
    assert_changes(REST, REST, "");
    assert_changes(REST, "# a comment moves every line\n\n" REST, "");
    assert_changes(REST, "[timeouts]\nlogin = 3m\n" REST, ""); /* that is the default */
}

static void test_sections_that_differ(void **state)
{
    assert_changes(REST, "[timeouts]\nlogin = 4m\n" REST, "timeouts");
    assert_changes(REST, "[proxy]\nhostname = mx.example\n" REST, "proxy");
    assert_changes(REST, REST "strict_sni = yes\n", "listener one");
    assert_changes("[tls]\ntickets = 3\n" REST, REST, "tls");
    assert_changes(REST SET, REST SET "for = *.example.org\n", "tls a, listener one");
    assert_changes(
        REST SET "for = *.example.org\n", REST SET "for = *.example.org, a.test\n", "tls a");
}

static void test_a_value_that_looks_like_a_comment(void **state)
{
    assert_changes("[proxy]\nstate_directory = \"/a  # b\"\n" REST,
        "[proxy]\nstate_directory = \"/a  # c\"\n" REST, "proxy");
}

static void test_sections_that_come_and_go(void **state)
{
    assert_changes(
        REST, REST "[listener two]\nbind = 127.0.0.1:993\nbackend = b\n", "+listener two");
    assert_changes(
        REST "[listener two]\nbind = 127.0.0.1:993\nbackend = b\n", REST, "-listener two");
    assert_changes(REST "[listener two]\nbind = 127.0.0.1:993\nbackend = b\n",
        REST "[listener three]\nbind = 127.0.0.1:993\nbackend = b\n",
        "+listener three, -listener two");
}

static void test_what_does_not_fit_is_left_out(void **state)
{
    struct config *before = parse(REST);
    struct config *now =
        parse("[timeouts]\nlogin = 4m\n[proxy]\nhostname = mx.example\n" REST "strict_sni = yes\n");
    char text[18];

    config_list_changes(before, now, text, sizeof(text));
    assert_string_equal(text, "proxy, timeouts");
    config_free(&before);
    config_free(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_sections_that_differ),
        cmocka_unit_test(test_a_value_that_looks_like_a_comment),
        cmocka_unit_test(test_sections_that_come_and_go),
        cmocka_unit_test(test_what_does_not_fit_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
