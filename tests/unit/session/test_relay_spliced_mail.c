/* A relay of mail in which much goes through a duct: it ends as one that was copied. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_test.h"
#include <stdlib.h>

enum { FLOOD = 2 * 1024 * 1024, TAKEN = 17 * PIPE_READ_CLEAR, STALLED_MS = 5000 };

static const char configuration[] =
    "[timeouts]\nstalled = 5s\n"
    "[listener mail]\nbind = 127.0.0.1:12\nprotocol = pop3\ntls = none\nbackend = drops\n"
    "[backend drops]\nserver = 10.0.0.5:110\n";

static char flood[FLOOD];

static int set_up(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < FLOOD; i++)
        flood[i] = (char)memory_random(&seed);
    memcpy(flood + FLOOD - 2, "\r\n", 2);
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

static void run(void)
{
    assert_true(session_bench_run(&bench));
}

static void log_in(void)
{
    session_bench_begin(&bench, 0);
    run();
    say(BENCH_SERVER, "+OK ready\r\n");
    say(BENCH_CLIENT, "USER u\r\n");
    say(BENCH_SERVER, "+OK\r\n");
    say(BENCH_CLIENT, "PASS p\r\n");
    say(BENCH_SERVER, "+OK\r\n");
    assert_int_equal(bench.session->phase, SESSION_RELAY);
    session_bench_forget(&bench);
}

static void send_flood(enum bench_leg leg)
{
    session_bench_say(&bench, leg, slice_of(flood, FLOOD));
}

static void assert_flood(enum bench_leg leg)
{
    assert_true(slice_equal(session_bench_heard(&bench, leg), slice_of(flood, FLOOD)));
    bench.heard[leg].n = 0;
}

static unsigned ducts_of(enum bench_leg leg)
{
    return session_bench_wire(&bench, leg)->duct_calls;
}

/* ---- Last words ---- */

static void test_a_flood_both_ways(void **state)
{
    (void)state;
    log_in();
    send_flood(BENCH_SERVER);
    send_flood(BENCH_CLIENT);
    run();
    assert_flood(BENCH_CLIENT);
    assert_flood(BENCH_SERVER);
    assert_true(ducts_of(BENCH_CLIENT) > 0 && ducts_of(BENCH_SERVER) > 0);
    assert_int_equal(bench.engine.ducts.taken, 0);
    say(BENCH_CLIENT, "QUIT\r\n");
    say(BENCH_SERVER, "+OK bye\r\n");
    session_bench_finish(&bench, BENCH_SERVER);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_QUIT);
    end();
}

/* All of it is there at once, and the end comes only later. */
static void test_last_words_at_the_end_of_a_flood(void **state)
{
    static const char words[] = "\r\n-ERR gone\r\n";
    const size_t n = sizeof(words) - 1;

    (void)state;
    log_in();
    memcpy(flood + FLOOD - n, words, n);
    send_flood(BENCH_SERVER);
    run();
    assert_true(ducts_of(BENCH_SERVER) > 0);
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_flood(BENCH_CLIENT);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_SERVER_FAREWELL);
    end();
}

static void test_the_word_of_the_client_at_the_end_of_a_flood(void **state)
{
    static const char words[] = "\r\nQUIT\r\n";
    const size_t n = sizeof(words) - 1;

    (void)state;
    log_in();
    memcpy(flood + FLOOD - n, words, n);
    send_flood(BENCH_CLIENT);
    run();
    assert_true(ducts_of(BENCH_CLIENT) > 0);
    assert_flood(BENCH_SERVER);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_int_equal(bench.reason, REASON_QUIT);
    end();
}

/* Right before the first octet that is spliced. */
static void test_words_before_what_is_spliced_are_not_the_last(void **state)
{
    static const char words[] = "\r\nQUIT\r\n";
    const size_t n = sizeof(words) - 1;

    (void)state;
    log_in();
    memcpy(flood + (size_t)16 * PIPE_READ_CLEAR - n, words, n);
    bench.is_deaf[BENCH_SERVER] = true;
    bench.server->window = TAKEN;
    send_flood(BENCH_CLIENT);
    run();
    assert_true(duct_held(bench.session->pipe[LEG_CLIENT].duct) > 0);
    session_bench_say(&bench, BENCH_SERVER, SLICE("+OK\r\n"));
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    bench.is_deaf[BENCH_SERVER] = false;
    run();
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_SERVER_CLOSED);
    end();
}

/* ---- An end in the middle ---- */

/* The client takes a part, and then no more. Its connection has a duct with something in it. */
static void stop_in_the_middle(void)
{
    log_in();
    bench.is_deaf[BENCH_CLIENT] = true;
    bench.client.window = TAKEN;
    send_flood(BENCH_SERVER);
    run();
    assert_int_equal(bench.engine.ducts.taken, 1);
    assert_true(duct_held(bench.session->pipe[LEG_SERVER].duct) > 0);
}

static void go_on(void)
{
    bench.is_deaf[BENCH_CLIENT] = false;
    run();
    assert_flood(BENCH_CLIENT);
    assert_int_equal(bench.engine.ducts.taken, 0);
}

static void test_the_end_of_the_server(void **state)
{
    (void)state;
    stop_in_the_middle();
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_false(bench.client.finished);
    go_on();
    assert_true(bench.client.finished);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_SERVER_CLOSED);
    end();
}

/* What it sent before reaches the client, and then no end that looks clean. */
static void test_a_reset_of_the_server(void **state)
{
    (void)state;
    stop_in_the_middle();
    session_bench_reset(&bench, BENCH_SERVER);
    run();
    assert_non_null(bench.session);
    go_on();
    assert_false(bench.client.finished);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_SERVER_RESET);
    assert_true(bench.client.closed_with_reset);
    end();
}

/* A client that has said all may still take what it asked for. */
static void test_the_end_of_the_client(void **state)
{
    (void)state;
    stop_in_the_middle();
    session_bench_say(&bench, BENCH_CLIENT, SLICE("QUIT\r\n"));
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_heard(BENCH_SERVER, "QUIT\r\n");
    assert_true(bench.server->finished);
    go_on();
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_int_equal(bench.reason, REASON_QUIT);
    end();
}

/* Nor does the next session hear what was left. */
static void test_a_reset_of_the_client(void **state)
{
    (void)state;
    stop_in_the_middle();
    session_bench_reset(&bench, BENCH_CLIENT);
    run();
    assert_int_equal(bench.reason, REASON_CLIENT_RESET);
    assert_int_equal(bench.engine.ducts.taken, 0);
    end();
    bench.is_deaf[BENCH_CLIENT] = false;
    log_in();
    send_flood(BENCH_SERVER);
    run();
    assert_flood(BENCH_CLIENT);
    end();
}

static void test_a_client_that_takes_nothing(void **state)
{
    (void)state;
    stop_in_the_middle();
    assert_true(session_bench_pass(&bench, STALLED_MS));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_STALLED);
    assert_true(bench.client.closed_with_reset);
    end();
}

/* Drained, a relay goes on as long as there is time. */
static void test_a_drain(void **state)
{
    (void)state;
    stop_in_the_middle();
    sessions_drain(&bench.sessions);
    run();
    assert_non_null(bench.session);
    go_on();
    session_drain(bench.session);
    bench.sessions.is_draining = false;
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_flood_both_ways, fresh),
        cmocka_unit_test_setup(test_last_words_at_the_end_of_a_flood, fresh),
        cmocka_unit_test_setup(test_the_word_of_the_client_at_the_end_of_a_flood, fresh),
        cmocka_unit_test_setup(test_words_before_what_is_spliced_are_not_the_last, fresh),
        cmocka_unit_test_setup(test_the_end_of_the_server, fresh),
        cmocka_unit_test_setup(test_a_reset_of_the_server, fresh),
        cmocka_unit_test_setup(test_the_end_of_the_client, fresh),
        cmocka_unit_test_setup(test_a_reset_of_the_client, fresh),
        cmocka_unit_test_setup(test_a_client_that_takes_nothing, fresh),
        cmocka_unit_test_setup(test_a_drain, fresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
