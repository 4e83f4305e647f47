#include "deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <time.h>
#include <unistd.h>

enum { COUNT = 6 };

struct clock_bench {
    uv_loop_t loop;
    struct deadline_queue queue;
    struct deadline deadline[COUNT];
    int order[32];
    size_t fired;
    struct deadline *clears; /* what the first to fire clears */
    uint64_t again_ms;       /* the first to fire sets itself again to this */
    uint64_t stalled_ms;     /* what was said of the last pause */
    unsigned stalls;
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

static void on_stall(struct deadline_queue *queue, uint64_t ms)
{
    assert_ptr_equal(queue, &bench.queue);
    bench.stalled_ms = ms;
    bench.stalls++;
}

static int setup(void **state)
{
    (void)state;
    bench = (struct clock_bench){0};
    if (uv_loop_init(&bench.loop) != 0)
        return -1;
    deadline_queue_init(&bench.queue, &bench.loop, on_stall);
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
    set(3, 0, 30);
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

/* The process stands still: the loop gets no turn. */
static void stand_still(unsigned ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&rest, &rest) != 0)
        continue;
}

static void turn(uv_run_mode mode)
{
    uv_ref((uv_handle_t *)&bench.queue.timer);
    (void)uv_run(&bench.loop, mode);
    uv_unref((uv_handle_t *)&bench.queue.timer);
}

/* What is due begins anew; what is not is put off by the pause. */
static void test_a_pause_is_not_held_against_anybody(void **state)
{
    uint64_t far_ms;

    (void)state;
    set(0, 0, 50);
    set(1, 1, 60000);
    far_ms = bench.deadline[1].expires_ms;
    stand_still(50 + DEADLINE_STALL_MS + 50);
    while (bench.stalls == 0)
        turn(UV_RUN_ONCE);
    assert_int_equal(bench.fired, 0);
    assert_true(bench.stalled_ms >= DEADLINE_STALL_MS);
    assert_true(bench.deadline[0].expires_ms == bench.queue.stall_ms + 50);
    assert_int_equal(bench.deadline[1].expires_ms, far_ms + bench.stalled_ms);
    assert_true(deadline_queue_has_stalled(&bench.queue, far_ms - 60000));
    assert_false(deadline_queue_has_stalled(&bench.queue, uv_now(&bench.loop) + 1));
    deadline_clear(&bench.queue, &bench.deadline[1]);
    run_all();
    assert_int_equal(bench.fired, 1);
}

/* On a machine that is late each time deadlines end all the same. */
static void test_pauses_do_not_put_off_for_ever(void **state)
{
    unsigned pauses = 0;

    (void)state;
    set(0, 0, 10);
    while (bench.fired == 0 && pauses < 20) {
        pauses++;
        stand_still(10 + DEADLINE_STALL_MS + 10);
        turn(UV_RUN_NOWAIT);
    }
    assert_int_equal(bench.fired, 1);
    assert_int_equal(pauses, DEADLINE_RENEWALS_MAX + 2); /* one more to look at the sockets */
}

/* Checks all below the deadline, and returns how many there are with it. */
static unsigned check_heap(const struct deadline *deadline, const struct deadline *above)
{
    if (!deadline)
        return 0;
    assert_ptr_equal(deadline->above, above);
    if (above)
        assert_true(deadline->expires_ms >= above->expires_ms);
    return 1 + check_heap(deadline->left, deadline) + check_heap(deadline->right, deadline);
}

/* To set or to clear one beside them visits no more than these. */
static unsigned steps_down(void)
{
    unsigned steps = 0;

    for (const struct deadline *at = bench.queue.first; at; at = at->right)
        steps++;
    return steps;
}

/* Idle sessions, and a client that logs in: its deadlines are shorter, and there are 5,000 later.
 */
static void test_it_costs_the_same_beside_many(void **state)
{
    enum { MANY = 5000, STEPS_MAX = 13 /* the binary logarithm of MANY */ };
    static struct deadline many[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        deadline_init(&many[i], on_expiry);
        deadline_set(&bench.queue, &many[i], 12, uv_now(&bench.loop) + 1800000 + i);
        assert_in_range(steps_down(), 1, STEPS_MAX);
    }
    for (size_t i = 0; i < MANY; i++) {
        set(0, 12, 600000 + i);
        assert_in_range(steps_down(), 1, STEPS_MAX);
        deadline_clear(&bench.queue, &many[(i * 1237) % MANY]);
        assert_in_range(steps_down(), 1, STEPS_MAX);
        deadline_set(
            &bench.queue, &many[(i * 1237) % MANY], 12, uv_now(&bench.loop) + (i * 7919) % 1800000);
    }
    assert_int_equal(check_heap(bench.queue.first, NULL), MANY + 1);
    for (size_t i = 0; i < MANY; i++)
        deadline_clear(&bench.queue, &many[i]);
    assert_int_equal(check_heap(bench.queue.first, NULL), 1);
    assert_int_equal(bench.queue.count, 1);
}

/* All that are due expire in their order, and of those that are due together in that of setting. */
static void test_many_expire_in_order(void **state)
{
    enum { ROUNDS = 5 };

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        bench.fired = 0;
        for (size_t i = 0; i < COUNT; i++)
            set((i * 5 + round) % COUNT, 0, 2 * (i % 2));
        run_all();
        assert_int_equal(bench.fired, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            size_t nth = i < COUNT / 2 ? 2 * i : 2 * (i - COUNT / 2) + 1;

            assert_int_equal(bench.order[i], (nth * 5 + round) % COUNT);
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    deadline_clear(&bench.queue, &bench.deadline[0]);
    (void)uv_poll_stop(poll);
}

/* The byte came in time and is seen late: the socket is looked at before the verdict. */
static void test_what_came_in_time_counts(void **state)
{
    int ends[2];
    uv_poll_t poll;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_poll_init(&bench.loop, &poll, ends[0]), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    set(0, 0, 20);
    assert_int_equal(write(ends[1], "x", 1), 1);
    stand_still(40);
    run_all();
    assert_int_equal(bench.fired, 0);
    uv_close((uv_handle_t *)&poll, NULL);
    (void)uv_run(&bench.loop, UV_RUN_NOWAIT);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_again_and_cleared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cleared_by_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_to_the_past, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_costs_the_same_beside_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_expire_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_does_not_keep_the_loop_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pause_is_not_held_against_anybody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pauses_do_not_put_off_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_came_in_time_counts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
