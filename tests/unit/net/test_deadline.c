#include "deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COUNT = 6 };

struct clock_bench {
    uv_loop_t loop;
    struct deadline_queue queue;
    struct deadline deadline[COUNT];
    int order[32];
    size_t fired;
    struct deadline *clears; /* what the first to fire clears */
    uint64_t again_ms;       /* the first to fire sets itself again to this */
};

static struct clock_bench bench;

static void on_expiry(struct deadline *deadline)
{
    assert_false(deadline_is_set(deadline));
    bench.order[bench.fired++] = (int)(deadline - bench.deadline);
    if (bench.clears)
        deadline_clear(&bench.queue, bench.clears);
    if (bench.again_ms != 0)
        deadline_set(&bench.queue, deadline, 0, bench.again_ms);
    bench.clears = NULL;
    bench.again_ms = 0;
}

static int setup(void **state)
{
    (void)state;
    bench = (struct clock_bench){0};
    if (uv_loop_init(&bench.loop) != 0)
        return -1;
    deadline_queue_init(&bench.queue, &bench.loop);
    for (size_t i = 0; i < COUNT; i++)
        deadline_init(&bench.deadline[i], on_expiry);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        deadline_clear(&bench.queue, &bench.deadline[i]);
    deadline_queue_close(&bench.queue);
    (void)uv_run(&bench.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&bench.loop);
}

/* The timer does not keep the loop alive, so a test asks for turns until nothing is set. */
static void run_all(void)
{
    uv_ref((uv_handle_t *)&bench.queue.timer);
    while (bench.queue.count > 0)
        (void)uv_run(&bench.loop, UV_RUN_ONCE);
    uv_unref((uv_handle_t *)&bench.queue.timer);
}

static void set(size_t which, unsigned class_index, uint64_t in_ms)
{
    deadline_set(&bench.queue, &bench.deadline[which], class_index, uv_now(&bench.loop) + in_ms);
}

static void test_order(void **state)
{
    static const int wanted[] = {4, 1, 0, 3, 2};

    (void)state;
    set(0, 3, 20);
    set(1, 0, 10);
    set(2, 0, 40);
    set(3, 0, 30); /* out of order within its class, as after a reload */
    set(4, 15, 5);
    run_all();
    assert_int_equal(bench.fired, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bench.order[i], wanted[i]);
}

static void test_set_again_and_cleared(void **state)
{
    (void)state;
    set(0, 0, 5);
    set(0, 0, 30); /* moves it */
    set(1, 1, 10);
    set(2, 1, 15);
    deadline_clear(&bench.queue, &bench.deadline[2]);
    deadline_clear(&bench.queue, &bench.deadline[2]);
    assert_false(deadline_is_set(&bench.deadline[2]));
    assert_int_equal(bench.queue.count, 2);
    run_all();
    assert_int_equal(bench.fired, 2);
    assert_int_equal(bench.order[0], 1);
    assert_int_equal(bench.order[1], 0);
}

/* All three are due in one turn; the first clears the third. */
static void test_cleared_by_a_callback(void **state)
{
    (void)state;
    bench.clears = &bench.deadline[2];
    set(0, 0, 0);
    set(1, 1, 0);
    set(2, 2, 0);
    run_all();
    assert_int_equal(bench.fired, 2);
    assert_int_equal(bench.queue.count, 0);
}

/* Set to the past by its own callback it fires once a turn, and does not hang the loop. */
static void test_set_to_the_past(void **state)
{
    (void)state;
    bench.again_ms = 1;
    set(0, 0, 0);
    run_all();
    assert_int_equal(bench.fired, 2);
}

static void test_does_not_keep_the_loop_alive(void **state)
{
    (void)state;
    set(0, 0, 1000000);
    assert_int_equal(uv_run(&bench.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(bench.fired, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_again_and_cleared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cleared_by_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_to_the_past, setup, teardown),
        cmocka_unit_test_setup_teardown(test_does_not_keep_the_loop_alive, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
