/* The log: one line per event, of which no foreign byte can make two. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_catch.h"
#include "mailmux/clock.h"
#include <sys/stat.h>

/* ---- In the place of base/clock.c ---- */

uint64_t clock_monotonic_ms(void)
{
    return 0;
}

void clock_stamp(char out[CLOCK_STAMP_MAX])
{
    (void)snprintf(out, CLOCK_STAMP_MAX, "now");
}

static int set_up(void **state)
{
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    log_release();
    return unsetenv("JOURNAL_STREAM");
}

static void assert_said(const char *text)
{
    assert_string_equal(log_caught(), text);
}

static void write_value(struct slice value)
{
    struct log_line line;

    log_open(&line, LOG_WARNING, "event");
    log_text(&line, "key", value);
    log_number(&line, "n", UINT64_MAX);
    log_write(&line);
}

static void test_fields(void **state)
{
    write_value(SLICE("plain.value:1"));
    assert_said("now warning event key=plain.value:1 n=18446744073709551615\n");
    write_value(SLICE("two words"));
    assert_said("now warning event key=\"two words\" n=18446744073709551615\n");
    write_value(SLICE(""));
    assert_said("now warning event key=\"\" n=18446744073709551615\n");
    write_value(SLICE("a=b"));
    assert_said("now warning event key=\"a=b\" n=18446744073709551615\n");
}

/* No value can end its field or its line, and none is a command to a terminal. */
static void test_foreign_bytes(void **state)
{
    write_value(SLICE("x\r\nnow error \"\\\x1b[0m\xff\x7f"));
    assert_said("now warning event key=\"x\\x0d\\x0anow error \\\"\\\\\\x1b[0m\\xff\\x7f\" "
                "n=18446744073709551615\n");
    write_value(slice_of("a\0b", 3));
    assert_said("now warning event key=\"a\\x00b\" n=18446744073709551615\n");
}

static void test_as_json(void **state)
{
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    write_value(SLICE("x\n\"\\\xff"));
    assert_said("{\"time\":\"now\",\"level\":\"warning\",\"event\":\"event\","
                "\"key\":\"x\\u000a\\\"\\\\\\u00ff\",\"n\":18446744073709551615}\n");
}

static void assert_json_value(struct slice value, const char *shown)
{
    char expected[LOG_LINE_MAX];

    (void)snprintf(expected, sizeof(expected),
        "{\"time\":\"now\",\"level\":\"warning\",\"event\":\"event\",\"key\":\"%s\","
        "\"n\":18446744073709551615}\n",
        shown);
    write_value(value);
    assert_said(expected);
}

/* UTF-8 is shown as it is in JSON, which is UTF-8, and nowhere else. */
static void test_characters_in_json(void **state)
{
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    assert_json_value(SLICE("j\xc3\xbcrgen"), "j\xc3\xbcrgen");
    assert_json_value(SLICE("\xe5\xa4\xa7 \xf0\x9f\x93\xab"), "\xe5\xa4\xa7 \xf0\x9f\x93\xab");
    assert_json_value(SLICE("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"),
        "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"); /* the ends of the ranges */
    assert_json_value(
        SLICE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    log_message(LOG_ERROR, "event", "/etc/m\xc3\xbcll/%s", "a\xff.ini");
    assert_said("{\"time\":\"now\",\"level\":\"error\",\"event\":\"event\","
                "\"message\":\"/etc/m\xc3\xbcll/a\\u00ff.ini\"}\n");
    log_setup(LOG_FORMAT_TEXT, LOG_INFO);
    write_value(SLICE("j\xc3\xbcrgen"));
    assert_said("now warning event key=\"j\\xc3\\xbcrgen\" n=18446744073709551615\n");
}

/* Overlong forms, surrogates, what is beyond Unicode, and sequences that are cut. */
static void test_bytes_that_are_no_characters_in_json(void **state)
{
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    assert_json_value(SLICE("\xc0\xaf"), "\\u00c0\\u00af");
    assert_json_value(SLICE("\xc1\xbf"), "\\u00c1\\u00bf");
    assert_json_value(SLICE("\xe0\x9f\xbf"), "\\u00e0\\u009f\\u00bf");
    assert_json_value(SLICE("\xf0\x8f\xbf\xbf"), "\\u00f0\\u008f\\u00bf\\u00bf");
    assert_json_value(SLICE("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080");
    assert_json_value(SLICE("\xed\xbf\xbf"), "\\u00ed\\u00bf\\u00bf");
    assert_json_value(SLICE("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080");
    assert_json_value(SLICE("\xf8\x88\x80\x80\x80"), "\\u00f8\\u0088\\u0080\\u0080\\u0080");
    assert_json_value(SLICE("\x80"), "\\u0080");
    assert_json_value(SLICE("a\xe5\xa4"), "a\\u00e5\\u00a4");
    assert_json_value(SLICE("\xe5\xa4z\xc3"), "\\u00e5\\u00a4z\\u00c3");
}

/* Some programs see a line's end, or a command to a terminal, in characters as well. */
static void test_characters_that_are_escaped_in_json(void **state)
{
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    assert_json_value(SLICE("\xc2\x85\xc2\x9b"), "\\u0085\\u009b");
    assert_json_value(SLICE("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
}

/* A value is cut between two characters. */
static void test_a_long_value_of_characters(void **state)
{
    char value[LOG_FIELD_MAX + 2] = "a";
    char shown[LOG_FIELD_MAX + 1] = "a";

    for (size_t i = 1; i < sizeof(value) - 1; i += 2)
        memcpy(value + i, "\xc3\xbc", 2);
    memcpy(shown, value, LOG_FIELD_MAX - 1);
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    assert_json_value(slice_of(value, sizeof(value) - 1), shown);
}

/* The journal has a time of its own. The level goes before the line as a priority of syslog. */
static void test_a_journal(void **state)
{
    char stream[64];
    struct stat info;

    assert_int_equal(fstat(STDERR_FILENO, &info), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)info.st_dev,
        (unsigned long long)info.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_setup(LOG_FORMAT_TEXT, LOG_DEBUG);
    log_message(LOG_DEBUG, "event", "x");
    assert_said("<7>debug event message=\"x\"\n");
    log_message(LOG_INFO, "event", "x");
    assert_said("<6>info event message=\"x\"\n");
    write_value(SLICE("x"));
    assert_said("<4>warning event key=x n=18446744073709551615\n");
    log_message(LOG_ERROR, "event", "x");
    assert_said("<3>error event message=\"x\"\n");
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    log_message(LOG_INFO, "event", "x");
    assert_said("<6>{\"time\":\"now\",\"level\":\"info\",\"event\":\"event\",\"message\":\"x\"}\n");
}

/* The variable is inherited by a process whose standard error goes elsewhere. */
static void test_no_journal(void **state)
{
    struct stat info;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &info), 0);
    for (int wrong = 0; wrong < 3; wrong++) {
        (void)snprintf(stream, sizeof(stream), wrong == 2 ? "%llu" : "%llu:%llu",
            (unsigned long long)info.st_dev + (wrong == 0), (unsigned long long)info.st_ino + 1);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
        log_setup(LOG_FORMAT_TEXT, LOG_INFO);
        log_message(LOG_INFO, "event", "x");
        assert_said("now info event message=\"x\"\n");
    }
}

static void test_levels(void **state)
{
    log_message(LOG_DEBUG, "quiet", "no");
    assert_said("");
    log_message(LOG_INFO, "loud", "%d times \"x\"", 2);
    assert_said("now info loud message=\"2 times \\\"x\\\"\"\n");
    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    write_value(SLICE("x"));
    assert_said("");
    log_message(LOG_ERROR, "worst", "x");
    assert_said("now error worst message=\"x\"\n");
}

static void test_a_value_that_is_too_long(void **state)
{
    char value[LOG_FIELD_MAX + 50];
    char line[LOG_FIELD_MAX + 100];

    memset(value, 'v', sizeof(value));
    (void)snprintf(line, sizeof(line), "now warning event key=%.*s n=18446744073709551615\n",
        LOG_FIELD_MAX, value);
    write_value(slice_of(value, sizeof(value)));
    assert_said(line);
}

/* A field that does not fit is left out whole; the line ends as every other. */
static void test_a_line_that_is_full(void **state)
{
    char value[LOG_FIELD_MAX];
    struct log_line line;
    const char *said;

    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_setup((enum log_format)format, LOG_INFO);
        memset(value, '\n', sizeof(value));
        log_open(&line, LOG_INFO, "event");
        for (int i = 0; i < 20; i++)
            log_text(&line, "key", slice_of(value, sizeof(value)));
        log_text(&line, "last", SLICE("x"));
        log_write(&line);
        said = log_caught();
        assert_true(strlen(said) <= LOG_LINE_MAX);
        assert_int_equal(log_count(said, "\n"), 1);
        assert_int_equal(said[strlen(said) - 1], '\n');
        assert_int_equal(log_count(said, "key") * LOG_FIELD_MAX,
            log_count(said, format == LOG_FORMAT_JSON ? "\\u000a" : "\\x0a"));
        assert_int_equal(log_count(said, "  ") + log_count(said, ",,"), 0);
        assert_int_equal(log_count(said, "last"), 1); /* there was room for this one */
    }
}

static void test_a_message_that_is_too_long(void **state)
{
    char text[LOG_LINE_MAX + 1];
    const char *said;

    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_message(LOG_INFO, "event", "%s", text);
    said = log_caught();
    assert_int_equal(log_count(said, "\n"), 1);
    assert_true(strlen(said) <= LOG_LINE_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* For the one that has given an order: what the log says of its failure, and no more. */
static void test_errors_are_kept(void **state)
{
    char kept[16];

    log_message(LOG_ERROR, "event", "before");
    log_keep_errors(kept, sizeof(kept));
    assert_string_equal(kept, "");
    log_message(LOG_WARNING, "event", "warning");
    log_message(LOG_ERROR, "event", "one %d", 1);
    log_message(LOG_ERROR, "event", "what does not fit is left out");
    log_message(LOG_ERROR, "event", "two");
    log_keep_errors(NULL, 0);
    log_message(LOG_ERROR, "event", "x");
    assert_string_equal(kept, "one 1\ntwo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fields),
        TEST(test_foreign_bytes),
        TEST(test_as_json),
        TEST(test_characters_in_json),
        TEST(test_bytes_that_are_no_characters_in_json),
        TEST(test_characters_that_are_escaped_in_json),
        TEST(test_a_long_value_of_characters),
        TEST(test_a_journal),
        TEST(test_no_journal),
        TEST(test_levels),
        TEST(test_a_value_that_is_too_long),
        TEST(test_a_line_that_is_full),
        TEST(test_a_message_that_is_too_long),
        TEST(test_errors_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
