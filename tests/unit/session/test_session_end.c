/* What a session owes to others while it changes or ends: the worker's time, a place, silence. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool.h"
#include "proves.h"
#include "session_test.h"
#include <string.h>

static const char configuration[] =
    "[listener smtp]\nbind = 127.0.0.1:11\nprotocol = smtp\nbackend = mta\n"
    "[listener imaps]\nbind = 127.0.0.1:12\nprotocol = imap\ntls = implicit\nbackend = mailboxes\n"
    "[backend mailboxes]\nserver = 10.0.0.5:143\n"
    "[backend mta]\nserver = only 10.0.0.5:25 max_sessions=1\n";

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

/* Up to the server's 221; the client does not close. */
static void quit(void)
{
    session_bench_begin(&bench, 0);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    say(BENCH_CLIENT, "QUIT\r\n");
    say(BENCH_SERVER, "221 x\r\n");
}

static uint32_t places_taken(void)
{
    struct pool_server server;

    assert_true(pool_look(snapshot_pool(bench.snapshot, 1), 0, &server));
    return server.sessions;
}

/* A client that goes on sending after the end gets no more than its share of the worker. */
static void test_what_comes_after_the_end_is_read_in_turns(void **state)
{
    static char much[8 * ENGINE_SCRATCH];

    (void)state;
    memset(much, 'x', sizeof(much));
    quit();
    assert_int_equal(bench.session->phase, SESSION_LINGER);
    session_bench_say(&bench, BENCH_CLIENT, slice_of(much, sizeof(much)));
    (void)memory_wire_poll(&bench.client);
    assert_true(bench.client.inbox.n > 0);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.client.inbox.n, 0);
    assert_int_equal(bench.session->phase, SESSION_LINGER);
    end();
}

/* A session that waits for a place must not wait for a client that has had its last word, or does
 * not read it. */
static void test_a_place_is_free_when_the_server_is_left(void **state)
{
    (void)state;
    quit();
    assert_int_equal(bench.session->phase, SESSION_LINGER);
    assert_int_equal(places_taken(), 0);
    end();
    bench.is_deaf[BENCH_CLIENT] = true;
    session_bench_begin(&bench, 0);
    bench.client.window = 10;
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    say(BENCH_CLIENT, "QUIT\r\n");
    say(BENCH_SERVER, "221 x\r\n");
    assert_int_equal(bench.session->phase, SESSION_FAREWELL);
    assert_int_equal(places_taken(), 0);
    end();
    assert_int_equal(places_taken(), 0);
}

/* Our own last words, with close_notify behind them, are one write. */
static void test_a_farewell_is_one_write(void **state)
{
    unsigned before;

    (void)state;
    session_bench_begin(&bench, 1);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "* OK x\r\n");
    session_bench_forget(&bench);
    before = bench.client.send_calls;
    sessions_drain(&bench.sessions);
    assert_true(session_bench_run(&bench));
    assert_memory_equal(session_bench_heard(&bench, BENCH_CLIENT).p, "* BYE ", 6);
    assert_true(bench.tls.is_ended);
    assert_int_equal(bench.client.send_calls - before, 1);
    bench.sessions.is_draining = false;
    end();
}

/* What was said in clear and not taken by the first connection is not for the second. */
static void test_a_renewal_says_nothing_again(void **state)
{
    (void)state;
    proves("C33");
    session_bench_begin(&bench, 0);
    assert_true(session_bench_run(&bench));
    bench.is_deaf[BENCH_SERVER] = true;
    bench.server->window = 5;
    say(BENCH_SERVER, "220 first\r\n");
    say(BENCH_CLIENT, "EHLO c.example\r\nVRFY x\r\nSTARTTLS\r\n");
    say(BENCH_SERVER, "250 first\r\n"); /* it has not read all of that */
    say(BENCH_SERVER, "252 maybe\r\n");
    session_bench_start_tls(&bench);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.dials, 2);
    bench.is_deaf[BENCH_SERVER] = false;
    assert_true(session_bench_run(&bench));
    session_bench_forget(&bench);
    say(BENCH_SERVER, "220 second\r\n");
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    assert_heard(BENCH_SERVER, "EHLO c.example\r\n");
    end();
}

/* A client that resets when it hears of the end does not change its reason, nor that it counts. */
static void test_a_reset_during_the_farewell_is_no_reason(void **state)
{
    (void)state;
    bench.is_deaf[BENCH_CLIENT] = true;
    session_bench_begin(&bench, 0);
    bench.client.window = 10;
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    say(BENCH_CLIENT, "STARTTLS\r\nEHLO injected\r\n");
    assert_int_equal(bench.session->phase, SESSION_FAREWELL);
    session_bench_reset(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    wait_out_the_goodbye();
    assert_int_equal(bench.reason, REASON_INJECTION);
    end();
}

/* The kernel had room for the last bytes, but not for the word that they were the last. */
static void test_the_end_of_a_relay_waits_for_room(void **state)
{
    static char last[60];

    (void)state;
    proves("C92 C94");
    memset(last, 'x', sizeof(last));
    session_bench_begin(&bench, 1);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "* OK x\r\n");
    say(BENCH_CLIENT, "a LOGIN b c\r\n");
    say(BENCH_SERVER, "a OK d\r\n");
    session_bench_forget(&bench);
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    bench.is_deaf[BENCH_CLIENT] = true;
    bench.client.window = sizeof(last) + 40;
    session_bench_say(&bench, BENCH_SERVER, slice_of(last, sizeof(last)));
    session_bench_finish(&bench, BENCH_SERVER);
    assert_true(session_bench_run(&bench));
    bench.is_deaf[BENCH_CLIENT] = false;
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    assert_true(
        slice_equal(session_bench_heard(&bench, BENCH_CLIENT), slice_of(last, sizeof(last))));
    assert_true(bench.tls.is_ended);
    end();
}

/* The goodbye is under way when the client, which takes nothing of its farewell, is gone, too. */
static void test_the_goodbye_is_said_once(void **state)
{
    (void)state;
    proves("C133");
    bench.is_deaf[BENCH_CLIENT] = true;
    session_bench_begin(&bench, 0);
    bench.client.window = 10;
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    assert_true(session_bench_pass(&bench, 60 * 1000));
    assert_int_equal(bench.session->phase, SESSION_FAREWELL);
    assert_heard(BENCH_SERVER, "QUIT\r\n");
    session_bench_reset(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.session->phase, SESSION_GOODBYE);
    assert_heard(BENCH_SERVER, "");
    say(BENCH_SERVER, "221 x\r\n");
    session_bench_finish(&bench, BENCH_SERVER);
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    end();
}

/*
 * A client that gave its QUIT together with a hello, for which the server was changed, has said no
 * word to the new one but that: it hears no second goodbye.
 */
static void test_a_quit_behind_a_hello_is_said_once(void **state)
{
    (void)state;
    proves("C133");
    session_bench_begin(&bench, 0);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 first\r\n");
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    say(BENCH_SERVER, "250 first\r\n");
    say(BENCH_CLIENT, "STARTTLS\r\n");
    session_bench_start_tls(&bench);
    assert_true(session_bench_run(&bench));
    say(BENCH_CLIENT, "EHLO c.example\r\nQUIT\r\n");
    say(BENCH_SERVER, "503 again\r\n");
    assert_int_equal(bench.dials, 2);
    session_bench_forget(&bench);
    say(BENCH_SERVER, "220 second\r\n");
    say(BENCH_SERVER, "250 second\r\n");
    say(BENCH_SERVER, "221 bye\r\n");
    assert_heard(BENCH_SERVER, "EHLO c.example\r\nQUIT\r\n");
    end();
}

#define FRESH(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_what_comes_after_the_end_is_read_in_turns),
        FRESH(test_a_place_is_free_when_the_server_is_left),
        FRESH(test_a_renewal_says_nothing_again),
        FRESH(test_a_reset_during_the_farewell_is_no_reason),
        FRESH(test_the_end_of_a_relay_waits_for_room),
        FRESH(test_the_goodbye_is_said_once),
        FRESH(test_a_quit_behind_a_hello_is_said_once),
        cmocka_unit_test(test_a_farewell_is_one_write),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
