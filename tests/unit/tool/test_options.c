/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options.h"
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 16 };

static bool parse(const char *line, struct options *options, struct error *error)
{
    static char text[128];
    char *argv[ARGUMENTS_MAX] = {NULL};
    char *rest = text;
    int argc = 0;

    (void)snprintf(text, sizeof(text), "mailmux %s", line);
    for (char *word = strtok_r(text, " ", &rest); word && argc < ARGUMENTS_MAX - 1;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return options_parse(argc, argv, options, error);
}

static void assert_command(const char *line, enum options_command command, const char *file)
{
    struct options options;
    struct error error;

    assert_true(parse(line, &options, &error));
    assert_int_equal(options.command, command);
    assert_string_equal(options.file, file);
}

static void assert_refused(const char *line, const char *text)
{
    struct options options = {.file = "untouched"};
    struct error error;

    assert_false(parse(line, &options, &error));
    assert_string_equal(error.text, text);
    assert_string_equal(options.file, "untouched");
}

static void test_commands(void **state)
{
    assert_command("", COMMAND_RUN, OPTIONS_DEFAULT_FILE);
    assert_command("-c a.ini", COMMAND_RUN, "a.ini");
    assert_command("--config=a.ini --check", COMMAND_CHECK, "a.ini");
    assert_command("--check -c a.ini", COMMAND_CHECK, "a.ini");
    assert_command("--dump", COMMAND_DUMP, OPTIONS_DEFAULT_FILE);
    assert_command("--reference", COMMAND_REFERENCE, OPTIONS_DEFAULT_FILE);
    assert_command("--man", COMMAND_MANUAL, OPTIONS_DEFAULT_FILE);
    assert_command("--version", COMMAND_VERSION, OPTIONS_DEFAULT_FILE);
    assert_command("--help", COMMAND_HELP, OPTIONS_DEFAULT_FILE);
    assert_command("-h", COMMAND_HELP, OPTIONS_DEFAULT_FILE);
    assert_command("-t -c a.ini", COMMAND_CHECK, "a.ini");
    assert_command("-tc a.ini", COMMAND_CHECK, "a.ini");
    assert_command("-t --check", COMMAND_CHECK, OPTIONS_DEFAULT_FILE);
    assert_command("-V", COMMAND_VERSION, OPTIONS_DEFAULT_FILE);
}

static void test_a_check_may_probe(void **state)
{
    struct options options;
    struct error error;

    assert_true(parse("--check", &options, &error));
    assert_false(options.probe);
    assert_true(parse("--check --probe -c a.ini", &options, &error));
    assert_true(options.probe);
    assert_command("--probe --check", COMMAND_CHECK, OPTIONS_DEFAULT_FILE);
    assert_command("--probe -c a.ini", COMMAND_CHECK, "a.ini");
    assert_true(parse("--probe", &options, &error));
    assert_true(options.probe);
    assert_true(parse("-t --probe", &options, &error));
    assert_true(options.probe);
}

static void test_what_makes_no_sense(void **state)
{
    assert_refused("--chek", "there is no option --chek");
    assert_refused("-x", "there is no option -x");
    assert_refused("-xt", "there is no option -x");
    assert_refused("-tx", "there is no option -x");
    assert_refused("-c", "-c needs a file name behind it");
    assert_refused("--check --dump", "give one command at a time");
    assert_refused("-tV", "give one command at a time");
    assert_refused("--dump --probe", "--probe goes with --check");
    assert_refused(
        "proxy.ini", "\"proxy.ini\" is not expected; the configuration is named with -c FILE");
}

static void assert_route(
    const char *line, const char *sni, const char *listener, const char *address)
{
    struct options options;
    struct error error;

    if (!parse(line, &options, &error))
        fail_msg("%s: %s", line, error.text);
    assert_int_equal(options.command, COMMAND_ROUTE);
    assert_string_equal(options.route[OPTIONS_SNI], sni);
    assert_string_equal(options.route[OPTIONS_LISTENER], listener);
    if (address)
        assert_string_equal(options.route[OPTIONS_ADDRESS], address);
    else
        assert_null(options.route[OPTIONS_ADDRESS]);
}

/* Four words follow it, whatever they look like, and a fifth may. */
static void test_route(void **state)
{
    (void)state;
    assert_route("--route a.example imap - door", "a.example", "door", NULL);
    assert_route("--route - - -ERR door 192.0.2.1", "-", "door", "192.0.2.1");
    assert_route("-c a.ini --route - - - door", "-", "door", NULL);
    assert_route("--route - imap - door -c a.ini", "-", "door", NULL);
    assert_route("--route -c a.ini - imap - door", "-", "door", NULL);
    assert_refused(
        "--route - imap -", "--route takes SNI ALPN FIRSTBYTES LISTENER; - stands for none");
    assert_refused("--route", "--route takes SNI ALPN FIRSTBYTES LISTENER; - stands for none");
    assert_refused(
        "--route a b c d e f", "\"f\" is not expected; the configuration is named with -c FILE");
    assert_refused("--route a b c d --check", "give one command at a time");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_a_check_may_probe),
        cmocka_unit_test(test_what_makes_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
