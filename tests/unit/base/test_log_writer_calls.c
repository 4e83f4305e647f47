/* How often the writer asks the kernel to take what waits, with a sink in the place of the kernel.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_sink.h"
#include "mailmux/log.h"
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 60000, LINES = 200, TEXT_MAX = 1024 * 1024 };

static struct {
    bool is_by_line;
    unsigned fails;      /* which write fails; 0: none */
    sem_t is_written_to; /* the first write has begun */
    sem_t may_go_on;     /* the first write may end */
    unsigned writes;
    size_t longest;
    char text[TEXT_MAX];
    size_t n;
} sink;

/* ---- In the place of base/log_sink.c ---- */

void log_sink_open(struct log_sink *opened)
{
    *opened = (struct log_sink){.is_by_line = sink.is_by_line};
}

void log_sink_close(struct log_sink *closed) {}

void log_sink_wait(const struct log_sink *full, int timeout_ms) {}

enum log_sink_result log_sink_write(const struct log_sink *to, struct slice line)
{
    if (sink.writes++ == 0) {
        (void)sem_post(&sink.is_written_to);
        (void)sem_wait(&sink.may_go_on);
    }
    if (sink.writes == sink.fails)
        return LOG_SINK_FAILED;
    assert_true(line.n <= sizeof(sink.text) - sink.n);
    memcpy(sink.text + sink.n, line.p, line.n);
    sink.n += line.n;
    if (sink.longest < line.n)
        sink.longest = line.n;
    return LOG_SINK_TOOK;
}

static int set_up(void **state)
{
    memset(&sink, 0, sizeof(sink));
    log_setup(LOG_FORMAT_TEXT, LOG_INFO);
    return sem_init(&sink.is_written_to, 0, 0) == 0 && sem_init(&sink.may_go_on, 0, 0) == 0 ? 0
                                                                                            : -1;
}

/* One line reaches the sink, which is busy with it while others come; then all are written. */
static void log_many(void)
{
    assert_true(log_writer_start());
    log_message(LOG_INFO, "first", "x");
    assert_int_equal(sem_wait(&sink.is_written_to), 0);
    for (unsigned n = 0; n < LINES; n++)
        log_message(LOG_INFO, "event", "number %u.", n);
    (void)sem_post(&sink.may_go_on);
    log_writer_stop(PATIENCE_MS);
}

/* All lines are there, each once and whole, in their order. */
static void assert_all_in_order(void)
{
    struct slice rest = slice_of(sink.text, sink.n);
    struct slice line;

    assert_true(slice_split(&rest, '\n', &line));
    for (unsigned n = 0; n < LINES; n++) {
        char end[64];

        assert_true(slice_split(&rest, '\n', &line));
        (void)snprintf(end, sizeof(end), " info event message=\"number %u.\"", n);
        assert_true(slice_ends_nocase(line, slice_from(end)));
    }
    assert_int_equal(rest.n, 0);
}

/* A pipe takes LOG_LINE_MAX as a whole or not at all, so this is the most that may go at once. */
static void test_lines_that_wait_go_out_together(void **state)
{
    log_many();
    assert_all_in_order();
    assert_true(sink.longest <= LOG_LINE_MAX);
    assert_true(sink.writes <= 2 + sink.n / (LOG_LINE_MAX / 2));
}

static void test_a_line_each_where_a_write_is_a_message(void **state)
{
    sink.is_by_line = true;
    log_many();
    assert_all_in_order();
    assert_int_equal(sink.writes, 1 + LINES);
}

/* What fails together is counted line by line. */
static void test_lines_that_fail_are_counted(void **state)
{
    const char *lost;
    unsigned lines = 0;

    sink.fails = 2;
    log_many();
    lost = strstr(sink.text, " warning log-lost lines=");
    assert_non_null(lost);
    for (size_t at = 0; at < sink.n; at++)
        lines += sink.text[at] == '\n';
    assert_int_equal(
        lines - 1 + strtoul(lost + strlen(" warning log-lost lines="), NULL, 10), 1 + LINES);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_that_wait_go_out_together),
        TEST(test_a_line_each_where_a_write_is_a_message),
        TEST(test_lines_that_fail_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
