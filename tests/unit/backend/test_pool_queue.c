/*
 * What a queue costs: how often the balancer is asked, with many that wait. The linker lets it be
 * asked through here.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITERS = 1000, SERVERS = 1000 };

static struct pool *pool;
static struct pool_waiter waiters[WAITERS + SERVERS];
static struct pool_choice choices[WAITERS + SERVERS];
static unsigned asked;
static struct pool_waiter *woken;

int __real_balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms);
int __wrap_balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms);

int __wrap_balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms)
{
    asked++;
    return __real_balance_pick(table, tried, key, now_ms);
}

static void on_wake(struct pool_waiter *waiter)
{
    woken = waiter;
}

/* A pool of so many servers on loopback addresses, with these settings each. */
static void set_up_pool(unsigned servers, const char *settings, const char *of_backend)
{
    size_t size = 200 + servers * 64;
    char *text = malloc(size);
    struct config_report report;
    struct config *parsed;
    size_t n;

    assert_non_null(text);
    n = (size_t)snprintf(
        text, size, "[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\n%s", of_backend);
    for (unsigned i = 0; i < servers; i++)
        n += (size_t)snprintf(text + n, size - n, "server = s%u 127.0.%u.%u:26 %s\n", i, i / 250,
            i % 250 + 1, settings);
    if (!config_parse_bytes("x.ini", slice_of(text, n), &parsed, &report))
        fail_msg("%s", report.problems[0].text);
    pool = pool_new("mta");
    assert_non_null(pool);
    assert_true(pool_configure(pool, &parsed->backends[0], 1));
    config_report_free(&report);
    config_free(&parsed);
    free(text);
    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    for (size_t i = 0; i < WAITERS + SERVERS; i++)
        pool_waiter_init(&waiters[i], i, on_wake);
}

static enum pool_answer pick(size_t i)
{
    return pool_pick(pool, &waiters[i], 1, &choices[i]);
}

static void end_pool(void)
{
    pool_unref(&pool);
    for (size_t i = 0; i < WAITERS + SERVERS; i++)
        balance_end_tried(&waiters[i].tried);
}

/* None is left out, and none has a second session before all have one. */
static void test_a_thousand_servers_are_all_used(void **state)
{
    static const char *const methods[] = {"", "balance = least-sessions\n"};

    for (size_t method = 0; method < 2; method++) {
        static bool is_used[SERVERS];

        memset(is_used, 0, sizeof(is_used));
        set_up_pool(SERVERS, "", methods[method]);
        for (size_t i = 0; i < SERVERS; i++) {
            assert_int_equal(pick(i), POOL_CHOSEN);
            assert_false(is_used[choices[i].slot]);
            is_used[choices[i].slot] = true;
        }
        for (size_t i = 0; i < SERVERS; i++)
            pool_release(pool, &choices[i], 1);
        end_pool();
    }
}

/* A place that comes free goes to the first. The others are not asked, however many they are. */
static void test_a_free_place_asks_one_of_those_that_wait(void **state)
{
    set_up_pool(2, "max_sessions=1", "queue_size = 10000\n");
    assert_int_equal(pick(0), POOL_CHOSEN);
    assert_int_equal(pick(1), POOL_CHOSEN);
    asked = 0;
    for (size_t i = 2; i < WAITERS; i++)
        assert_int_equal(pick(i), POOL_WAITING);
    assert_int_equal(asked, WAITERS - 2); /* each for itself */
    asked = 0;
    for (size_t i = 0; i + 2 < WAITERS; i++) {
        pool_release(pool, &choices[i], 1);
        assert_ptr_equal(woken, &waiters[i + 2]);
        assert_int_equal(pool_take(pool, &waiters[i + 2], &choices[i + 2]), POOL_CHOSEN);
    }
    assert_int_equal(asked, WAITERS - 2);
    pool_release(pool, &choices[WAITERS - 2], 1);
    pool_release(pool, &choices[WAITERS - 1], 1);
    end_pool();
}

/*
 * The first server sends all away, and they wait for the other one. What comes free at the first is
 * for none of them, and is not offered to each.
 */
static void test_those_that_have_tried_a_server_are_not_asked_for_it(void **state)
{
    size_t others = WAITERS - 1;

    set_up_pool(2, "max_sessions=1", "queue_size = 10000\n");
    assert_int_equal(pick(0), POOL_CHOSEN);
    for (size_t i = 1; i < others; i++) {
        assert_int_equal(pick(i), POOL_CHOSEN);
        pool_release(pool, &choices[i], 1); /* it was sent away */
        assert_int_equal(pick(i), POOL_WAITING);
    }
    asked = 0;
    assert_int_equal(pick(others), POOL_CHOSEN);
    pool_release(pool, &choices[others], 1);
    assert_int_equal(asked, 1);
    pool_release(pool, &choices[0], 1); /* this is what they wait for */
    assert_ptr_equal(woken, &waiters[1]);
    assert_int_equal(asked, 2);
    for (size_t i = 1; i < others; i++) {
        assert_int_equal(pool_take(pool, &waiters[i], &choices[i]), POOL_CHOSEN);
        pool_release(pool, &choices[i], 1);
    }
    assert_int_equal(asked, others);
    end_pool();
}

/* The order of those that wait is that in which they came, whatever they have tried. */
static void test_the_first_come_is_the_first_served(void **state)
{
    set_up_pool(3, "max_sessions=1", "");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pick(i), POOL_CHOSEN);
    balance_mark_tried(&waiters[3].tried, choices[0].slot);
    balance_mark_tried(&waiters[5].tried, choices[1].slot);
    for (size_t i = 3; i < 7; i++)
        assert_int_equal(pick(i), POOL_WAITING);
    pool_release(pool, &choices[0], 1); /* not for the first, which has tried it */
    assert_ptr_equal(woken, &waiters[4]);
    pool_release(pool, &choices[1], 1);
    assert_ptr_equal(woken, &waiters[3]);
    pool_release(pool, &choices[2], 1);
    assert_ptr_equal(woken, &waiters[5]);
    for (size_t i = 3; i < 6; i++) {
        assert_int_equal(pool_take(pool, &waiters[i], &choices[i]), POOL_CHOSEN);
        pool_release(pool, &choices[i], 1);
    }
    assert_ptr_equal(woken, &waiters[6]);
    pool_leave(pool, &waiters[6], 1);
    end_pool();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_servers_are_all_used),
        cmocka_unit_test(test_a_free_place_asks_one_of_those_that_wait),
        cmocka_unit_test(test_those_that_have_tried_a_server_are_not_asked_for_it),
        cmocka_unit_test(test_the_first_come_is_the_first_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
