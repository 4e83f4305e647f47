/* The log: one line per event, of which no foreign byte can make two. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_catch.h"
#include "mailmux/clock.h"

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
    return 0;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fields),
        TEST(test_foreign_bytes),
        TEST(test_as_json),
        TEST(test_levels),
        TEST(test_a_value_that_is_too_long),
        TEST(test_a_line_that_is_full),
        TEST(test_a_message_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
