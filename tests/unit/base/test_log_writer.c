/* C143: a reader of the log that stops delays nobody, and lost lines are counted. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/log.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, READ_MAX = 16 * 1024 * 1024, THREADS = 4, LINES_EACH = 2000 };

static int real_stderr;
static int reader;
static char *text; /* what was read */
static size_t text_n;

static int set_up_group(void **state)
{
    text = malloc(READ_MAX);
    real_stderr = dup(STDERR_FILENO);
    return text && real_stderr >= 0 ? 0 : -1;
}

static int tear_down_group(void **state)
{
    free(text);
    return close(real_stderr);
}

/* Makes one end standard error and the other end the reader. Its reads do not wait. */
static void become(int ends[2])
{
    reader = ends[0];
    assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(ends[1]), 0);
    text_n = 0;
}

static void use_pipe(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    become(ends);
}

static int set_up(void **state)
{
    log_setup(LOG_FORMAT_TEXT, LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    (void)close(reader);
    return dup2(real_stderr, STDERR_FILENO) >= 0 ? 0 : -1;
}

static void read_some(void)
{
    ssize_t n;

    while ((n = read(reader, text + text_n, READ_MAX - text_n)) > 0)
        text_n += (size_t)n;
}

/* A line of 1 KiB or so, with its number. */
static void log_one(unsigned number)
{
    char filling[200];
    struct log_line line;

    memset(filling, 'x', sizeof(filling));
    log_open(&line, LOG_INFO, "event");
    log_number(&line, "number", number);
    for (int i = 0; i < 5; i++)
        log_text(&line, "filling", slice_of(filling, sizeof(filling)));
    log_write(&line);
}

struct seen {
    size_t lines;
    size_t lost;
    size_t gaps;
    uint64_t last_number;
};

/* Every line must be whole: lines of two threads never mix. */
static struct seen look(void)
{
    struct slice rest = slice_of(text, text_n);
    struct slice one;
    struct seen seen = {0};

    while (slice_split(&rest, '\n', &one)) {
        char line[LOG_LINE_MAX];
        const char *number;

        if (one.n == 0)
            continue;
        (void)snprintf(line, sizeof(line), "%.*s", (int)one.n, one.p);
        number = strstr(line, " info event number=");
        if (number) {
            seen.lines++;
            seen.last_number = strtoull(number + strlen(" info event number="), NULL, 10);
            assert_true(strlen(line) > 1000 && strlen(line) < 1200);
        } else {
            number = strstr(line, " warning log-lost lines=");
            assert_non_null(number);
            seen.gaps++;
            seen.lost += strtoull(number + strlen(" warning log-lost lines="), NULL, 10);
        }
    }
    return seen;
}

static void *log_many(void *nothing)
{
    for (unsigned n = 0; n < LINES_EACH; n++)
        log_one(n);
    return NULL;
}

static void *read_along(void *nothing)
{
    ssize_t n;

    assert_int_equal(fcntl(reader, F_SETFL, 0), 0);
    while ((n = read(reader, text + text_n, READ_MAX - text_n)) > 0)
        text_n += (size_t)n;
    return NULL;
}

static void test_lines_of_all_threads_arrive_whole(void **state)
{
    pthread_t threads[THREADS];
    pthread_t along;
    struct seen seen;

    use_pipe();
    assert_int_equal(pthread_create(&along, NULL, read_along, NULL), 0);
    assert_true(log_writer_start());
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_writer_stop(PATIENCE_MS);
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    assert_int_equal(pthread_join(along, NULL), 0);
    seen = look();
    assert_int_equal(seen.lines + seen.lost, THREADS * LINES_EACH);
}

/* More than waits in a pipe and less than waits in the ring: nothing is lost. */
static void test_a_reader_that_pauses_loses_nothing(void **state)
{
    pthread_t along;
    struct seen seen;

    use_pipe();
    assert_true(log_writer_start());
    log_many(NULL);
    assert_int_equal(pthread_create(&along, NULL, read_along, NULL), 0);
    log_writer_stop(PATIENCE_MS);
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    assert_int_equal(pthread_join(along, NULL), 0);
    seen = look();
    assert_int_equal(seen.lines, LINES_EACH);
    assert_int_equal(seen.gaps, 0);
}

/* This test hangs if anything waits for the reader. */
static void test_a_reader_that_stops(void **state)
{
    pthread_t along;
    struct seen seen;

    use_pipe();
    assert_true(log_writer_start());
    for (int i = 0; i < 5; i++)
        log_many(NULL);
    assert_int_equal(pthread_create(&along, NULL, read_along, NULL), 0);
    log_writer_stop(PATIENCE_MS);
    log_one(77); /* directly, behind what was lost last */
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    assert_int_equal(pthread_join(along, NULL), 0);
    seen = look();
    assert_true(seen.lost > 0);
    assert_int_equal(seen.lines + seen.lost, 5 * LINES_EACH + 1);
    assert_int_equal(seen.last_number, 77);
}

static void assert_is_left_to_others(void)
{
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}

/* Without a writer a line waits a little, and then is lost. */
static void fill_and_read(void)
{
    struct seen seen;

    for (unsigned n = 0; n < 500; n++)
        log_one(n);
    assert_is_left_to_others();
    read_some();
    log_one(500);
    read_some();
    seen = look();
    assert_true(seen.lost > 0);
    assert_int_equal(seen.gaps, 1);
    assert_int_equal(seen.lines + seen.lost, 501);
    assert_int_equal(seen.last_number, 500);
}

static void test_a_pipe_without_a_writer(void **state)
{
    use_pipe();
    fill_and_read();
}

static void test_a_socket_without_a_writer(void **state)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    become(ends);
    fill_and_read();
}

/* Another user may not open the pipe of root anew. */
static void test_a_pipe_of_another_user(void **state)
{
    if (geteuid() != 0)
        skip();
    use_pipe();
    assert_int_equal(seteuid(65534), 0);
    fill_and_read();
    assert_int_equal(seteuid(0), 0);
}

/* A file never waits, and others append to it. */
static void test_a_file(void **state)
{
    FILE *file = tmpfile();
    char bytes[4096] = "";

    assert_non_null(file);
    reader = dup(fileno(file));
    assert_true(write(reader, "before\n", 7) == 7);
    assert_true(dup2(reader, STDERR_FILENO) >= 0);
    assert_true(log_writer_start());
    log_message(LOG_INFO, "first", "x");
    log_writer_stop(PATIENCE_MS);
    log_message(LOG_INFO, "second", "x");
    assert_true(pread(reader, bytes, sizeof(bytes) - 1, 0) > 0);
    assert_memory_equal(bytes, "before\n", 7);
    assert_true(strstr(bytes, " first ") && strstr(bytes, " first ") < strstr(bytes, " second "));
    assert_int_equal(fclose(file), 0);
}

/* The last test, as the thread hangs on for a moment. */
static void test_the_end_does_not_wait_for_a_reader_that_stops(void **state)
{
    use_pipe();
    assert_true(log_writer_start());
    log_many(NULL);
    log_writer_stop(1);
    log_one(1);
    assert_is_left_to_others();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_of_all_threads_arrive_whole),
        TEST(test_a_reader_that_pauses_loses_nothing),
        TEST(test_a_reader_that_stops),
        TEST(test_a_pipe_without_a_writer),
        TEST(test_a_socket_without_a_writer),
        TEST(test_a_pipe_of_another_user),
        TEST(test_a_file),
        TEST(test_the_end_does_not_wait_for_a_reader_that_stops),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
