/* What a session waits for, and for how long: no leg calls for ever, and no wait is endless. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/check.h"
#include "proves.h"
#include "session_parts.h"
#include "session_test.h"

enum { SMTP, EARLY, IMAP };
enum { A_DAY_MS = 24 * 60 * 60 * 1000, LINE_MS = 1000, HANDSHAKE_MS = 30 * 1000 };

static const char configuration[] =
    "[listener smtp]\nbind = 127.0.0.1:11\nprotocol = smtp\nbackend = mta\n"
    "[listener early]\nbind = 127.0.0.1:12\nprotocol = smtp\nbackend = mta\n"
    "early_talker = refuse\n"
    "[listener imap]\nbind = 127.0.0.1:13\nprotocol = imap\ntls = none\nbackend = mailboxes\n"
    "[backend mta]\nserver = 10.0.0.5:25\n"
    "[backend mailboxes]\nserver = 10.0.0.5:143\n"
    "[timeouts]\nline = 1s\ndrain = 0\n";

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

/* Behind its own STARTTLS a client waits for no greeting: what it says is held, and it does not
 * keep the worker busy while another connection is opened for it. */
static void test_nobody_talks_early_at_a_renewal(void **state)
{
    (void)state;
    session_bench_begin(&bench, EARLY);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 first\r\n");
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    say(BENCH_SERVER, "250 first\r\n");
    say(BENCH_CLIENT, "VRFY x\r\n");
    say(BENCH_SERVER, "252 maybe\r\n");
    say(BENCH_CLIENT, "STARTTLS\r\n");
    session_bench_start_tls(&bench);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.dials, 2);
    session_bench_forget(&bench);
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    assert_heard(BENCH_SERVER, "");
    say(BENCH_SERVER, "220 second\r\n");
    assert_heard(BENCH_SERVER, "EHLO c.example\r\n");
    end();
}

/* drain = 0 is about the end of the process; a client that does not read must not stay for ever. */
static void test_a_farewell_that_nobody_reads_ends(void **state)
{
    (void)state;
    bench.is_deaf[BENCH_CLIENT] = true;
    session_bench_begin(&bench, SMTP);
    bench.client.window = 10;
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_TIMEOUT_FIRST_COMMAND);
    end();
}

static void test_half_a_relay_ends(void **state)
{
    (void)state;
    proves("C94");
    session_bench_begin(&bench, IMAP);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "* OK x\r\n");
    say(BENCH_CLIENT, "a LOGIN b c\r\n");
    say(BENCH_SERVER, "a OK d\r\n");
    session_bench_forget(&bench);
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_non_null(bench.session);
    say(BENCH_SERVER, "* BYE\r\n");
    assert_heard(BENCH_CLIENT, "* BYE\r\n");
    assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_CLIENT_CLOSED);
    end();
}

/* IDLE: the server says something at times, and each time the day begins anew. */
static void test_an_idle_session_lives_for_a_day(void **state)
{
    (void)state;
    proves("C107");
    session_bench_begin(&bench, IMAP);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "* OK x\r\n");
    say(BENCH_CLIENT, "a LOGIN b c\r\n");
    say(BENCH_SERVER, "a OK d\r\n");
    say(BENCH_CLIENT, "b IDLE\r\n");
    say(BENCH_SERVER, "+ idling\r\n");
    session_bench_forget(&bench);
    for (int day = 0; day < 3; day++) {
        assert_true(session_bench_pass(&bench, A_DAY_MS - 1000));
        assert_non_null(bench.session);
        say(BENCH_SERVER, "* 1 EXISTS\r\n");
        assert_heard(BENCH_CLIENT, "* 1 EXISTS\r\n");
    }
    assert_true(session_bench_pass(&bench, A_DAY_MS + 1000));
    wait_out_the_goodbye();
    assert_int_equal(bench.reason, REASON_TIMEOUT_IDLE);
    end();
}

/* The line that asked for TLS is complete: its time is not that of the handshake. */
static void test_a_handshake_has_its_own_time(void **state)
{
    (void)state;
    session_bench_begin(&bench, SMTP);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "220 x\r\n");
    say(BENCH_CLIENT, "START");
    say(BENCH_CLIENT, "TLS\r\n");
    assert_true(session_bench_pass(&bench, LINE_MS + 1));
    assert_non_null(bench.session);
    assert_int_equal(bench.session->phase, SESSION_HANDSHAKE);
    assert_true(session_bench_pass(&bench, HANDSHAKE_MS));
    wait_out_the_goodbye();
    assert_int_equal(bench.reason, REASON_TIMEOUT_HANDSHAKE);
    end();
}

/* What the table does not have is a fault of ours: this session ends, and no other. */
static void test_a_way_that_is_not_in_the_table(void **state)
{
    uint64_t faults = check_failures();

    (void)state;
    session_bench_begin(&bench, IMAP);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "* OK x\r\n");
    assert_int_equal(bench.session->phase, SESSION_DIALOG);
    session_enter(bench.session, SESSION_HANDSHAKE);
    assert_int_equal(check_failures(), faults + 1);
    assert_true(session_bench_run(&bench));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_FAULT);
    end();
}

#define FRESH(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_nobody_talks_early_at_a_renewal),
        FRESH(test_a_farewell_that_nobody_reads_ends),
        FRESH(test_half_a_relay_ends),
        FRESH(test_an_idle_session_lives_for_a_day),
        FRESH(test_a_handshake_has_its_own_time),
        FRESH(test_a_way_that_is_not_in_the_table),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
