/* What the log says of servers that are lost or leave, with times of the test's own. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_catch.h"
#include "pool.h"
#include <stdio.h>

enum { SESSIONS = 8, MINUTE_MS = 60 * 1000 };

static struct pool *pool;
static struct pool_waiter waiters[SESSIONS];
static struct pool_choice choices[SESSIONS];

static void on_wake(struct pool_waiter *waiter)
{
    (void)waiter;
}

static struct config *parse(const char *backend)
{
    char text[1024];
    struct config_report report;
    struct config *parsed;

    (void)snprintf(text, sizeof(text),
        "[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\n%s", backend);
    if (!config_parse_bytes("x.ini", slice_from(text), &parsed, &report))
        fail_msg("%s", report.problems[0].text);
    config_report_free(&report);
    return parsed;
}

static void configure(struct pool *which, const char *backend)
{
    struct config *parsed = parse(backend);

    assert_true(pool_configure(which, &parsed->backends[0], 1));
    config_free(&parsed);
}

/* As a reload does it. */
static void reload(const char *backend, uint64_t now_ms)
{
    struct pool *newer = pool_new("mta");

    assert_non_null(newer);
    configure(newer, backend);
    pool_take_over(pool, newer, now_ms);
    pool_unref(&newer);
}

static int set_up(void **state)
{
    pool = pool_new("mta");
    log_catch(LOG_INFO);
    return pool ? 0 : -1;
}

static int tear_down(void **state)
{
    log_release();
    pool_unref(&pool);
    return 0;
}

static void take(size_t i)
{
    pool_waiter_init(&waiters[i], 7, on_wake);
    assert_int_equal(pool_pick(pool, &waiters[i], 1, &choices[i]), POOL_CHOSEN);
}

/* ---- A server that leaves ---- */

static void test_half_of_the_rest_is_told_at_once_and_the_others_after_ten_minutes(void **state)
{
    uint64_t now_ms = 1000;

    configure(pool, "server = a 10.0.0.1:25\n");
    for (size_t i = 0; i < SESSIONS; i++)
        take(i);
    reload("server = a 10.0.0.1:25 drain\nserver = b 10.0.0.2:25\n", now_ms);
    assert_int_equal(log_count(log_caught(), "server-drain "), 1);
    pool_release(pool, &choices[0], now_ms);
    assert_string_equal(log_caught(), "");
    now_ms += 10 * MINUTE_MS;
    pool_release(pool, &choices[1], now_ms); /* a change, long after the last line */
    assert_non_null(strstr(log_caught(), "state=drain sessions=6 duration_ms=600000"));
    for (size_t i = 2; i < 4; i++)
        pool_release(pool, &choices[i], now_ms);
    assert_string_equal(log_caught(), "");
    pool_release(pool, &choices[4], now_ms);
    assert_non_null(strstr(log_caught(), "sessions=3 "));
    for (size_t i = 5; i < SESSIONS; i++)
        pool_release(pool, &choices[i], now_ms + 1);
    assert_non_null(strstr(log_caught(), "server-drained backend=mta server=a "));
}

static void test_a_place_that_was_never_taken_up_counts_as_well(void **state)
{
    struct pool_waiter waiter;

    configure(pool, "server = a 10.0.0.1:25 max_sessions=1\n");
    take(0);
    pool_waiter_init(&waiter, 7, on_wake);
    assert_int_equal(pool_pick(pool, &waiter, 1, &choices[1]), POOL_WAITING);
    pool_release(pool, &choices[0], 2); /* the waiter has the place now */
    reload("server = a 10.0.0.1:25 drain\nserver = b 10.0.0.2:25\n", 3);
    assert_int_equal(log_count(log_caught(), "sessions=1 "), 1);
    pool_leave(pool, &waiter, 4);
    assert_int_equal(log_count(log_caught(), "server-drained "), 1);
}

/* What was told of an earlier leaving is no part of this one. */
static void test_a_server_that_came_back_and_then_goes_without_sessions_is_no_news(void **state)
{
    configure(pool, "server = a 10.0.0.1:25\n");
    take(0);
    reload("server = a 10.0.0.1:25 drain\nserver = b 10.0.0.2:25\n", 2);
    reload("server = a 10.0.0.1:25\nserver = b 10.0.0.2:25\n", 3);
    assert_int_equal(log_count(log_caught(), "server-drain "), 1);
    pool_release(pool, &choices[0], 4);
    reload("server = b 10.0.0.2:25\n", 5);
    reload("server = b 10.0.0.2:25\n", 6);
    assert_string_equal(log_caught(), "");
}

/* ---- No server is left ---- */

static void test_an_outage_is_told_once_and_with_its_length(void **state)
{
    configure(pool, "server = a 10.0.0.1:25\nfall = 1\n");
    take(0);
    pool_note_failed(pool, &choices[0], "it is dead", 10);
    assert_int_equal(log_count(log_caught(), "backend-down "), 1);
    (void)pool_why_none(pool, 11);
    assert_string_equal(log_caught(), "");
    reload("server = a 10.0.0.1:25\nserver = b 10.0.0.2:25\nfall = 1\n", 5010);
    assert_non_null(strstr(log_caught(), "backend-up backend=mta down_ms=5000"));
    pool_release(pool, &choices[0], 5011);
}

static void test_addresses_that_are_still_to_come_are_no_outage(void **state)
{
    struct pool_address at = {.weight = 1};

    configure(pool, "server = a.test:25 drain\nserver = b.test:25\n");
    assert_true(address_parse_ip(slice_from("10.0.0.1"), 25, &at.address));
    pool_set_addresses(pool, "a.test:25", &at, 1, 2);
    pool_set_addresses(pool, "b.test:25", &at, 1, 3);
    assert_string_equal(log_caught(), "");
}

static void test_a_backend_that_is_gone_has_no_outage(void **state)
{
    configure(pool, "server = a 10.0.0.1:25\nfall = 1\n");
    take(0);
    pool_retire(pool);
    assert_int_equal(log_count(log_caught(), "state=left sessions=1 "), 1);
    pool_note_failed(pool, &choices[0], "it is dead", 10);
    assert_int_equal(log_count(log_caught(), "backend-down "), 0);
    pool_release(pool, &choices[0], 11);
    assert_int_equal(log_count(log_caught(), "server-drained "), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_half_of_the_rest_is_told_at_once_and_the_others_after_ten_minutes),
        TEST(test_a_place_that_was_never_taken_up_counts_as_well),
        TEST(test_a_server_that_came_back_and_then_goes_without_sessions_is_no_news),
        TEST(test_an_outage_is_told_once_and_with_its_length),
        TEST(test_addresses_that_are_still_to_come_are_no_outage),
        TEST(test_a_backend_that_is_gone_has_no_outage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
