/* The commands that answer and end: what they print, where, and how they exit. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command.h"
#include "ini_file.h"
#include "mailmux/config.h"
#include "stdout_catch.h"
#include <fcntl.h>

#define LISTENER                                                                                   \
    "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = starttls\nbackend = b\n"          \
    "[backend b]\nserver = 127.0.0.1:1143\n"

static char out[LOG_CATCH_MAX]; /* what the last command has printed */

/* Its standard output goes to that descriptor. */
static int run_into(int fd, enum options_command command)
{
    const struct options options = {.command = command, .file = file};
    int before = stdout_take(fd);
    int status = command_run(&options);

    stdout_give_back(before);
    return status;
}

static int run(enum options_command command)
{
    int fd = stdout_file();
    int status = run_into(fd, command);

    stdout_read(fd, out, sizeof(out));
    return status;
}

static void assert_begins(const char *text, const char *with)
{
    if (strncmp(text, with, strlen(with)) != 0)
        fail_msg("%.200s", text);
}

/* "FILE TEXT" is what the last line of --check says. */
static void assert_summary(const char *text)
{
    char expected[1024];

    (void)snprintf(expected, sizeof(expected), "%s: %s\n", file, text);
    assert_string_equal(out, expected);
}

/* ---- --check ---- */

static void test_check_of_a_good_one(void **state)
{
    write_file_of_ours(LISTENER);
    assert_int_equal(run(COMMAND_CHECK), 0);
    assert_summary("good: 0 errors, 0 warnings");
    assert_string_equal(log_caught(), "");
}

static void test_check_tells_warnings_and_is_content(void **state)
{
    write_file_of_ours(
        "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = b\n"
        "[backend b]\nserver = 127.0.0.1:1143\n");
    assert_int_equal(run(COMMAND_CHECK), 0);
    assert_summary("good: 0 errors, 1 warning");
    assert_begins(log_caught(), "warning: /");
}

static void test_check_tells_every_error(void **state)
{
    const char *said;

    write_file("[proxy]\nworkers = many\nhostnam = x\n" LISTENER);
    assert_int_equal(run(COMMAND_CHECK), 1);
    assert_summary("not usable: 2 errors, 0 warnings");
    said = log_caught();
    assert_int_equal(log_count(said, "error: "), 2);
    assert_int_equal(log_count(said, "proxy.ini:2: [proxy] workers"), 1);
    assert_int_equal(log_count(said, "\n"), 2);
}

/* Certificates are read, and none is made. */
static void test_check_looks_at_certificates(void **state)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "[proxy]\nstate_directory = %s/state.d\n[tls]\nticket_keys = %s/proxy.ini\n" LISTENER,
        directory, directory);
    write_file(text);
    assert_int_equal(run(COMMAND_CHECK), 1);
    assert_summary("not usable: 1 error, 0 warnings");
    assert_int_equal(log_count(log_caught(), "proxy.ini:4: [tls] ticket_keys = "), 1);
    assert_int_equal(access(certificates_path(directory, "state", "d"), F_OK), -1);
}

static void test_check_of_no_file(void **state)
{
    assert_int_equal(run(COMMAND_CHECK), 1);
    assert_summary("not usable: 1 error, 0 warnings");
}

/* ---- --dump ---- */

static void test_dump_is_a_configuration_with_sources(void **state)
{
    write_file("[proxy]\nhostname = mx.example\n" LISTENER);
    assert_int_equal(run(COMMAND_DUMP), 0);
    assert_begins(out, "[proxy]");
    assert_int_equal(log_count(out, "hostname = mx.example"), 1);
    assert_non_null(strstr(out, "proxy.ini:2"));
    assert_string_equal(log_caught(), "");
}

static void test_dump_of_a_bad_one_is_nothing(void **state)
{
    write_file("[proxy]\nworkers = many\n" LISTENER);
    assert_int_equal(run(COMMAND_DUMP), 1);
    assert_string_equal(out, "");
    assert_int_equal(log_count(log_caught(), "error: "), 1);
}

/* ---- The others ---- */

static void test_what_needs_no_file(void **state)
{
    assert_int_equal(run(COMMAND_HELP), 0);
    assert_begins(out, "usage: mailmux ");
    assert_int_equal(run(COMMAND_VERSION), 0);
    assert_begins(out, "mailmux " MAILMUX_VERSION "\nlibuv ");
    assert_int_equal(log_count(out, "\n"), 5);
    assert_int_equal(run(COMMAND_REFERENCE), 0);
    assert_int_equal(log_count(out, "`resolve_interval`") > 0, 1);
    assert_int_equal(run(COMMAND_MANUAL), 0);
    assert_non_null(strstr(out, ".TH "));
    assert_string_equal(log_caught(), "");
}

/* A disk that is full must not pass for an answer. */
static void test_an_answer_that_cannot_be_written(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(full >= 0);
    assert_int_equal(run_into(full, COMMAND_HELP), 1);
    assert_string_equal(log_caught(), "mailmux: the answer could not be written\n");
    (void)close(full);
}

static void test_a_command_line_without_sense(void **state)
{
    struct error error;

    error_set(&error, "what is this");
    assert_int_equal(command_refuse(&error), 2);
    assert_string_equal(log_caught(), "mailmux: what is this; mailmux --help shows the options\n");
}

/* [proxy] with so many lines that are wrong. */
static void write_problems(size_t count)
{
    FILE *ini = fopen(file, "w");

    assert_non_null(ini);
    assert_true(fputs(LISTENER "[proxy]\n", ini) >= 0);
    for (size_t i = 0; i < count; i++)
        assert_true(fputs("?\n", ini) >= 0);
    assert_int_equal(fclose(ini), 0);
}

/* However long the log is. */
static bool is_logged(const char *part)
{
    static char said[8 * LOG_CATCH_MAX];
    size_t n = 0;

    for (const char *piece = log_caught(); *piece != '\0'; piece = log_caught())
        n += (size_t)snprintf(said + n, sizeof(said) - n, "%s", piece);
    return strstr(said, part) != NULL;
}

/* A report that has no more room says so. */
static void test_too_many_problems(void **state)
{
    write_problems(CONFIG_PROBLEMS_MAX);
    assert_int_equal(run(COMMAND_CHECK), 1);
    assert_false(is_logged("left out"));
    write_problems(CONFIG_PROBLEMS_MAX + 1);
    assert_int_equal(run(COMMAND_CHECK), 1);
    assert_true(is_logged("error: further problems are left out\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check_of_a_good_one),
        TEST(test_check_tells_warnings_and_is_content),
        TEST(test_check_tells_every_error),
        TEST(test_check_looks_at_certificates),
        TEST(test_check_of_no_file),
        TEST(test_dump_is_a_configuration_with_sources),
        TEST(test_dump_of_a_bad_one_is_nothing),
        TEST(test_what_needs_no_file),
        TEST(test_an_answer_that_cannot_be_written),
        TEST(test_a_command_line_without_sense),
        TEST(test_too_many_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
