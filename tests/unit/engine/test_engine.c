/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine.h"

enum { SENDERS = 4, MESSAGES = 500 };

/* Somebody who can be written to. */
struct reader {
    struct engine_task task;
    unsigned arrived;
    struct reader *calls_back; /* the other's message, when its own arrives */
};

static uv_loop_t loop;
static struct engine engine;
static atomic_uint wakes;

static void on_wake(struct engine *woken)
{
    assert_ptr_equal(woken, &engine);
    (void)atomic_fetch_add(&wakes, 1);
}

static const struct engine_hooks hooks = {.wake = on_wake};

static void on_arrival(struct engine_task *task)
{
    struct reader *reader = LIST_ENTRY(task, struct reader, task);

    reader->arrived++;
    if (reader->calls_back)
        engine_unpost(&engine, &reader->calls_back->task);
}

static void init(struct reader *reader)
{
    *reader = (struct reader){.arrived = 0};
    engine_task_init(&reader->task, on_arrival);
}

static int set_up(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    engine_init(&engine, &loop, &hooks, NULL);
    atomic_store(&wakes, 0);
    return 0;
}

static int tear_down(void **state)
{
    engine_deinit(&engine);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void test_a_message_arrives_once_and_in_its_turn(void **state)
{
    struct reader reader;

    init(&reader);
    engine_post(&engine, &reader.task);
    assert_int_equal(atomic_load(&wakes), 1);
    assert_int_equal(reader.arrived, 0);
    engine_read_post(&engine);
    engine_read_post(&engine);
    assert_int_equal(reader.arrived, 1);
    engine_post(&engine, &reader.task);
    engine_read_post(&engine);
    assert_int_equal(reader.arrived, 2);
}

static void test_a_message_that_is_called_back_does_not_arrive(void **state)
{
    struct reader reader;

    init(&reader);
    engine_unpost(&engine, &reader.task);
    engine_post(&engine, &reader.task);
    engine_unpost(&engine, &reader.task);
    engine_read_post(&engine);
    assert_int_equal(reader.arrived, 0);
}

static void test_who_is_read_first_may_call_back_the_next(void **state)
{
    struct reader first;
    struct reader next;

    init(&first);
    init(&next);
    first.calls_back = &next;
    engine_post(&engine, &first.task);
    engine_post(&engine, &next.task);
    engine_read_post(&engine);
    assert_int_equal(first.arrived, 1);
    assert_int_equal(next.arrived, 0);
}

static void *send_all(void *readers)
{
    for (int i = 0; i < MESSAGES; i++)
        engine_post(&engine, &((struct reader *)readers)[i].task);
    return NULL;
}

static void test_many_threads_may_send(void **state)
{
    static struct reader readers[SENDERS][MESSAGES];
    pthread_t threads[SENDERS];
    unsigned arrived = 0;

    for (int i = 0; i < SENDERS; i++) {
        for (int j = 0; j < MESSAGES; j++)
            init(&readers[i][j]);
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, readers[i]), 0);
    }
    while (atomic_load(&wakes) < SENDERS * MESSAGES)
        engine_read_post(&engine);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    engine_read_post(&engine);
    for (int i = 0; i < SENDERS; i++) {
        for (int j = 0; j < MESSAGES; j++)
            arrived += readers[i][j].arrived;
    }
    assert_int_equal(arrived, SENDERS * MESSAGES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_arrives_once_and_in_its_turn),
        TEST(test_a_message_that_is_called_back_does_not_arrive),
        TEST(test_who_is_read_first_may_call_back_the_next),
        TEST(test_many_threads_may_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
