/* A relay in which nothing is looked at: much goes through a duct, little is copied. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_test.h"
#include <stdlib.h>

enum { FLOOD = 2 * 1024 * 1024, TAKEN = 17 * PIPE_READ_CLEAR, PASS_IDLE_MS = 3600000 };

static const char configuration[] =
    "[listener passed]\nbind = 127.0.0.1:11\nprotocol = auto\nroute = default -> pass 10.0.0.9:1\n";

static char flood[FLOOD];

static int set_up(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < FLOOD; i++)
        flood[i] = (char)memory_random(&seed);
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

static void run(void)
{
    assert_true(session_bench_run(&bench));
}

static void begin_passed(void)
{
    session_bench_begin(&bench, 0);
    say(BENCH_CLIENT, "hello");
    assert_heard(BENCH_SERVER, "hello");
    assert_int_equal(bench.session->phase, SESSION_RELAY);
}

static void say_much(enum bench_leg leg, size_t n)
{
    session_bench_say(&bench, leg, slice_of(flood, n));
}

static void assert_flood(enum bench_leg leg, size_t n)
{
    assert_true(slice_equal(session_bench_heard(&bench, leg), slice_of(flood, n)));
    bench.heard[leg].n = 0;
}

static unsigned ducts_of(enum bench_leg leg)
{
    return session_bench_wire(&bench, leg)->duct_calls;
}

static void test_a_flood_both_ways_is_spliced(void **state)
{
    (void)state;
    begin_passed();
    say_much(BENCH_CLIENT, FLOOD);
    say_much(BENCH_SERVER, FLOOD);
    run();
    assert_flood(BENCH_SERVER, FLOOD);
    assert_flood(BENCH_CLIENT, FLOOD);
    assert_true(ducts_of(BENCH_CLIENT) > 0 && ducts_of(BENCH_SERVER) > 0);
    assert_int_equal(bench.session->pipe[LEG_CLIENT].bytes, FLOOD + 5);
    assert_int_equal(bench.session->pipe[LEG_SERVER].sent, FLOOD);
    assert_int_equal(bench.engine.ducts.taken, 0); /* nothing waits, so nothing is held */
    session_bench_finish(&bench, BENCH_CLIENT);
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    end();
}

/* Each answer is followed by a pause. */
static void test_little_is_copied(void **state)
{
    (void)state;
    begin_passed();
    for (int i = 0; i < 50; i++) {
        say_much(BENCH_SERVER, PIPE_READ_CLEAR - 1);
        run();
        assert_flood(BENCH_CLIENT, PIPE_READ_CLEAR - 1);
    }
    assert_int_equal(ducts_of(BENCH_SERVER), 0);
    end();
}

static void test_behind_a_flood_little_is_copied_again(void **state)
{
    unsigned before;

    (void)state;
    begin_passed();
    say_much(BENCH_SERVER, FLOOD);
    run();
    say_much(BENCH_SERVER, 1000);
    run();
    before = ducts_of(BENCH_SERVER);
    for (int i = 0; i < 50; i++) {
        say_much(BENCH_SERVER, 1000);
        run();
    }
    assert_int_equal(ducts_of(BENCH_SERVER), before);
    end();
}

/* ---- A peer that does not read ---- */

/* The client takes a part, and then no more. Its connection has a duct with something in it. */
static void stop_in_the_middle(void)
{
    begin_passed();
    bench.is_deaf[BENCH_CLIENT] = true;
    bench.client.window = TAKEN;
    say_much(BENCH_SERVER, FLOOD);
    run();
    assert_int_equal(bench.engine.ducts.taken, 1);
    assert_true(duct_held(bench.session->pipe[LEG_SERVER].duct) > 0);
}

static void test_a_reader_that_stops_stops_the_server(void **state)
{
    struct memory_wire *server;

    (void)state;
    stop_in_the_middle();
    server = session_bench_wire(&bench, BENCH_SERVER);
    assert_int_equal(server->wire.watched & (unsigned)WIRE_READABLE, 0);
    assert_true(server->inbox.n > FLOOD - TAKEN - DUCT_READ - 1);
    say(BENCH_CLIENT, "still here"); /* the other direction flows */
    assert_heard(BENCH_SERVER, "still here");
    bench.is_deaf[BENCH_CLIENT] = false;
    run();
    assert_flood(BENCH_CLIENT, FLOOD);
    assert_int_equal(bench.engine.ducts.taken, 0);
    end();
}

/* The server's end stands behind what the duct still holds. */
static void test_the_end_comes_behind_the_last_octet(void **state)
{
    (void)state;
    stop_in_the_middle();
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_false(bench.client.finished);
    bench.is_deaf[BENCH_CLIENT] = false;
    run();
    assert_flood(BENCH_CLIENT, FLOOD);
    assert_true(bench.client.finished);
    assert_int_equal(bench.reason, REASON_NONE);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_SERVER_CLOSED);
    end();
}

static void test_a_client_that_takes_nothing_is_left(void **state)
{
    (void)state;
    stop_in_the_middle();
    assert_true(session_bench_pass(&bench, PASS_IDLE_MS));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_STALLED);
    assert_true(bench.client.closed_with_reset);
    end();
}

/* What the duct of one session held must never reach another one. */
static void test_a_reset_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    stop_in_the_middle();
    session_bench_reset(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_CLIENT_RESET);
    assert_int_equal(bench.engine.ducts.taken, 0);
    assert_true(bench.server->closed_with_reset);
    end();
    begin_passed();
    say_much(BENCH_CLIENT, FLOOD);
    run();
    assert_flood(BENCH_SERVER, FLOOD);
    end();
}

static void test_short_writes(void **state)
{
    (void)state;
    bench.pace = PACE_SHORT_WRITES;
    begin_passed();
    say_much(BENCH_SERVER, 20 * PIPE_READ_CLEAR);
    run();
    assert_flood(BENCH_CLIENT, 20 * PIPE_READ_CLEAR);
    end();
}

/* ---- The bound ---- */

static void test_without_a_duct_it_is_copied(void **state)
{
    struct duct *taken[DUCT_MAX];

    (void)state;
    for (size_t i = 0; i < DUCT_MAX; i++) {
        taken[i] = duct_take(&bench.engine.ducts);
        assert_non_null(taken[i]);
    }
    assert_null(duct_take(&bench.engine.ducts));
    begin_passed();
    say_much(BENCH_SERVER, FLOOD);
    run();
    assert_flood(BENCH_CLIENT, FLOOD);
    assert_int_equal(ducts_of(BENCH_SERVER), 0);
    for (size_t i = 0; i < DUCT_MAX; i++)
        duct_give(&bench.engine.ducts, &taken[i]);
    say_much(BENCH_SERVER, FLOOD);
    run();
    assert_flood(BENCH_CLIENT, FLOOD);
    assert_true(ducts_of(BENCH_SERVER) > 0);
    end();
}

static void test_without_splice_it_is_copied(void **state)
{
    (void)state;
    begin_passed();
    session_bench_wire(&bench, BENCH_SERVER)->lacks_splice = true;
    say_much(BENCH_SERVER, FLOOD);
    run();
    assert_flood(BENCH_CLIENT, FLOOD);
    assert_int_equal(ducts_of(BENCH_SERVER), 1); /* it was tried once */
    assert_int_equal(bench.engine.ducts.taken, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_flood_both_ways_is_spliced, fresh),
        cmocka_unit_test_setup(test_little_is_copied, fresh),
        cmocka_unit_test_setup(test_behind_a_flood_little_is_copied_again, fresh),
        cmocka_unit_test_setup(test_a_reader_that_stops_stops_the_server, fresh),
        cmocka_unit_test_setup(test_the_end_comes_behind_the_last_octet, fresh),
        cmocka_unit_test_setup(test_a_client_that_takes_nothing_is_left, fresh),
        cmocka_unit_test_setup(test_a_reset_in_the_middle_leaves_nothing, fresh),
        cmocka_unit_test_setup(test_short_writes, fresh),
        cmocka_unit_test_setup(test_without_a_duct_it_is_copied, fresh),
        cmocka_unit_test_setup(test_without_splice_it_is_copied, fresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
