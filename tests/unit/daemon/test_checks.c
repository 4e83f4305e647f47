/* When servers are checked, and what becomes of it: a clock of the test's own, real sockets. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checks.h"
#include "daemon_test.h"
#include "mailmux/clock.h"
#include "pool.h"
#include "socket.h"

enum { INTERVAL_MS = 10000, FIRST_PORT = 18100, MANY = CHECKS_AT_ONCE + 8, TURNS = 20 };

#define LISTENER "[listener a]\nbind = @:1001\nprotocol = imap\ntls = none\nbackend = b\n"
#define CHECKED(how) "[backend b]\ncheck = " how "\ncheck_interval = 10s\nfall = 2\nrise = 1\n"
#define ONE "server = one @:18100\n"

static uint64_t now_ms;
static uv_loop_t loop;
static struct checks *checks;
static struct snapshot *snapshot;
static int servers[MANY]; /* they listen */
static unsigned finished;

/* ---- In the place of base/clock.c ---- */

uint64_t clock_monotonic_ms(void)
{
    return now_ms;
}

void clock_stamp(char out[CLOCK_STAMP_MAX])
{
    (void)snprintf(out, CLOCK_STAMP_MAX, "now");
}

/* ---- Time, and the sockets ---- */

static void fire(uv_handle_t *handle, void *unused)
{
    uv_timer_t *timer = (uv_timer_t *)handle;

    if (handle->data != checks || handle->type != UV_TIMER || !uv_is_active(handle))
        return;
    (void)uv_timer_stop(timer);
    timer->timer_cb(timer);
}

static void turn(void)
{
    for (int i = 0; i < TURNS; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
}

static void pass(uint64_t ms)
{
    now_ms += ms;
    uv_walk(&loop, fire, NULL);
    turn();
}

static int listen_without_blocking(uint16_t port)
{
    struct address at = own_address(port);
    int fd = listening_bind(&at, false, false);

    assert_true(fd >= 0 && listening_begin(fd));
    return fd;
}

/* -1: no check has come there. The kernel connects on the loopback at once. */
static int try_accept(size_t server)
{
    struct address from;
    int fd = socket_accept(servers[server], &from);

    return fd >= 0 ? fd : -1;
}

static int take(size_t server)
{
    int fd = try_accept(server);

    assert_true(fd >= 0);
    return fd;
}

static void expect(int fd, const char *text)
{
    char heard[256];
    size_t n = 0;

    while (n < strlen(text)) {
        ssize_t got = recv(fd, heard + n, strlen(text) - n, 0);

        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        n += got > 0 ? (size_t)got : 0;
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_memory_equal(heard, text, n);
}

static void expect_end(int fd)
{
    char byte;
    ssize_t got;

    while ((got = recv(fd, &byte, 1, 0)) < 0 && errno == EAGAIN)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(got <= 0);
    (void)close(fd);
    turn();
}

/* A server that is well. */
static void answer(int fd)
{
    say(fd, "* OK hi\r\n");
    expect(fd, "m1 LOGOUT\r\n");
    say(fd, "* BYE\r\nm1 OK\r\n");
    (void)shutdown(fd, SHUT_WR);
    expect_end(fd);
}

/* One that ends without a word. */
static void hang_up(int fd)
{
    (void)shutdown(fd, SHUT_WR);
    expect_end(fd);
}

static struct pool_server look(size_t slot)
{
    struct pool_server server = {0};

    assert_true(pool_look(snapshot_pool(snapshot, 0), slot, &server));
    return server;
}

/* ---- The bench ---- */

static int set_up(void **state)
{
    now_ms = 1000 * 1000;
    finished = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    checks = checks_new(&loop);
    assert_non_null(checks);
    servers[0] = listen_without_blocking(FIRST_PORT);
    log_catch(LOG_WARNING);
    return 0;
}

static int tear_down(void **state)
{
    log_release();
    checks_stop(checks);
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
        continue;
    checks_free(&checks);
    assert_int_equal(uv_loop_close(&loop), 0);
    snapshot_unref(&snapshot);
    (void)close(servers[0]);
    return 0;
}

static void follow(const char *text)
{
    struct snapshot *before = snapshot;

    snapshot = snapshot_after(text, before);
    if (before)
        snapshot_take_pools(snapshot, before);
    checks_follow(checks, snapshot);
    snapshot_unref(&before);
}

static void on_finished(void *owner)
{
    assert_ptr_equal(owner, &finished);
    finished++;
}

/* ---- When ---- */

/* The first time of a server is anywhere in the interval; the next a tenth more or less later. */
static void test_each_server_has_its_times(void **state)
{
    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS - 1);
    answer(take(0));
    assert_int_equal(try_accept(0), -1);
    for (int i = 0; i < 20; i++) {
        pass(INTERVAL_MS * 9 / 10 - 1);
        assert_int_equal(try_accept(0), -1);
        pass(INTERVAL_MS * 2 / 10 + 1);
        answer(take(0));
    }
}

static void test_one_check_of_a_server_at_a_time(void **state)
{
    int fd;

    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS);
    fd = take(0);
    pass(3 * INTERVAL_MS);
    assert_int_equal(try_accept(0), -1);
    answer(fd);
    answer(take(0)); /* it was due long ago */
}

static size_t take_many(int visitors[MANY])
{
    size_t count = 0;

    for (size_t i = 0; i < MANY; i++) {
        if (visitors[i] < 0)
            visitors[i] = try_accept(i);
        count += visitors[i] >= 0 ? 1 : 0;
    }
    return count;
}

static void test_so_many_at_once_and_no_more(void **state)
{
    char text[SNAPSHOTS_TEXT_MAX];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", LISTENER CHECKED("greeting"));
    int visitors[MANY];

    for (size_t i = 0; i < MANY; i++) {
        if (i > 0)
            servers[i] = listen_without_blocking((uint16_t)(FIRST_PORT + i));
        visitors[i] = -1;
        n += (size_t)snprintf(text + n, sizeof(text) - n, "server = @:%zu\n", FIRST_PORT + i);
    }
    follow(text);
    pass(INTERVAL_MS);
    assert_int_equal(take_many(visitors), CHECKS_AT_ONCE);
    for (size_t over = 1; over <= MANY; over++) { /* each that ends makes room for one */
        size_t i = 0;

        while (visitors[i] < 0)
            i++;
        answer(visitors[i]);
        visitors[i] = -1;
        (void)close(servers[i]);
        servers[i] = -1;
        assert_int_equal(
            take_many(visitors), over + CHECKS_AT_ONCE <= MANY ? CHECKS_AT_ONCE : MANY - over);
    }
    servers[0] = listen_without_blocking(FIRST_PORT);
}

static void test_not_in_maintenance(void **state)
{
    follow(LISTENER CHECKED("greeting") "server = one @:18100 maintenance\n"
                                        "server = two @:18101\n");
    pass(INTERVAL_MS);
    pass(INTERVAL_MS);
    assert_int_equal(try_accept(0), -1);
    follow(LISTENER CHECKED("greeting") ONE "server = two @:18101\n");
    pass(INTERVAL_MS);
    answer(take(0));
}

static void test_backends_that_ask_for_none_have_none(void **state)
{
    follow(LISTENER "[backend b]\ncheck = none\n" ONE);
    pass(10 * INTERVAL_MS);
    assert_int_equal(try_accept(0), -1);
}

/* ---- What becomes of it ---- */

static void test_failures_and_successes_in_a_row_move_the_mark(void **state)
{
    const char *said;

    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS);
    hang_up(take(0));
    assert_false(look(0).health.is_down);
    assert_int_equal(look(0).health.failures, 1);
    pass(2 * INTERVAL_MS);
    hang_up(take(0));
    assert_true(look(0).health.is_down);
    said = log_caught();
    assert_int_equal(log_count(said, "warning check-failed backend=b server=one"), 1);
    assert_int_equal(log_count(said, "warning server-down"), 1);
    pass(2 * INTERVAL_MS);
    answer(take(0));
    assert_false(look(0).health.is_down);
}

static void test_a_check_that_only_connects_says_nothing(void **state)
{
    follow(LISTENER CHECKED("connect") ONE);
    pass(INTERVAL_MS);
    expect_end(take(0));
    assert_int_equal(look(0).health.failures, 0);
    (void)close(servers[0]);
    pass(2 * INTERVAL_MS);
    assert_int_equal(look(0).health.failures, 1);
    servers[0] = listen_without_blocking(FIRST_PORT);
}

static void test_goes_as_far_as_it_is_told(void **state)
{
    int fd;

    follow(LISTENER CHECKED("capabilities") ONE);
    pass(INTERVAL_MS);
    fd = take(0);
    say(fd, "* OK hi\r\n");
    expect(fd, "m1 CAPABILITY\r\n");
    say(fd, "* CAPABILITY IMAP4rev1\r\nm1 OK\r\n");
    expect(fd, "m2 LOGOUT\r\n");
    say(fd, "* BYE\r\nm2 OK\r\n");
    (void)shutdown(fd, SHUT_WR);
    expect_end(fd);
    assert_int_equal(look(0).health.failures, 0);
}

/* ---- Configurations, and the end ---- */

/* Over a reload a backend keeps its times, and what was said of it is not said again. */
static void test_a_reload_keeps_what_is_known(void **state)
{
    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS);
    hang_up(take(0));
    assert_int_equal(log_count(log_caught(), "check-failed"), 1);
    follow(LISTENER CHECKED("greeting") ONE "retries = 1\n");
    pass(INTERVAL_MS * 9 / 10 - 1);
    assert_int_equal(try_accept(0), -1);
    pass(INTERVAL_MS * 2 / 10 + 1);
    hang_up(take(0));
    assert_true(look(0).health.is_down); /* the second in a row */
    assert_int_equal(log_count(log_caught(), "check-failed"), 0);
}

/* What is under way when its backend is not checked any more ends by itself, and counts. */
static void test_a_reload_lets_checks_end(void **state)
{
    int fd;

    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS);
    fd = take(0);
    follow(LISTENER "[backend b]\ncheck = none\n" ONE);
    answer(fd);
    pass(10 * INTERVAL_MS);
    assert_int_equal(try_accept(0), -1);
}

static void test_none_begins_after_the_finish(void **state)
{
    int fd;

    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS);
    fd = take(0);
    checks_finish(checks, on_finished, &finished);
    pass(10 * INTERVAL_MS);
    assert_int_equal(finished, 0); /* one takes its leave first */
    answer(fd);
    assert_int_equal(finished, 1);
    pass(10 * INTERVAL_MS);
    assert_int_equal(try_accept(0), -1);
    assert_int_equal(finished, 1);
}

static void test_the_finish_of_nothing_comes_from_the_loop(void **state)
{
    follow(LISTENER CHECKED("greeting") ONE);
    checks_finish(checks, on_finished, &finished);
    assert_int_equal(finished, 0);
    turn();
    assert_int_equal(finished, 1);
}

/* In mid-sentence: the server sees the end, and nothing is told of it. */
static void test_stops(void **state)
{
    int fd;

    follow(LISTENER CHECKED("greeting") ONE);
    pass(INTERVAL_MS);
    fd = take(0);
    checks_finish(checks, on_finished, &finished);
    checks_stop(checks);
    expect_end(fd);
    assert_int_equal(finished, 0);
    assert_int_equal(look(0).health.failures, 0);
    assert_string_equal(log_caught(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_server_has_its_times),
        TEST(test_one_check_of_a_server_at_a_time),
        TEST(test_so_many_at_once_and_no_more),
        TEST(test_not_in_maintenance),
        TEST(test_backends_that_ask_for_none_have_none),
        TEST(test_failures_and_successes_in_a_row_move_the_mark),
        TEST(test_a_check_that_only_connects_says_nothing),
        TEST(test_goes_as_far_as_it_is_told),
        TEST(test_a_reload_keeps_what_is_known),
        TEST(test_a_reload_lets_checks_end),
        TEST(test_none_begins_after_the_finish),
        TEST(test_the_finish_of_nothing_comes_from_the_loop),
        TEST(test_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
