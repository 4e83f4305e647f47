/* Whole sessions in one process: every protocol at every pace, and every end in every phase. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proves.h"
#include "session_play.h"
#include "session_test.h"
#include <errno.h>
#include <string.h>

enum { A_DAY_MS = 24 * 60 * 60 * 1000 };

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, play_configuration) ? 0 : -1;
}

static void assert_good(const char *wrong)
{
    if (wrong)
        fail_msg("%s", wrong);
}

/* ---- Every pace ---- */

static void play_all(enum bench_pace pace)
{
    bench.pace = pace;
    for (size_t i = 0; i < PLAY_COUNT; i++) {
        assert_good(play_whole(&bench, &plays[i]));
        session_bench_finish(&bench, BENCH_CLIENT);
        session_bench_finish(&bench, BENCH_SERVER);
        assert_true(session_bench_run(&bench));
        assert_null(bench.session);
        assert_good(session_bench_end(&bench));
    }
}

static void test_whole_segments(void **state)
{
    (void)state;
    play_all(PACE_WHOLE);
}

static void test_one_byte_per_segment(void **state)
{
    (void)state;
    proves("C53");
    play_all(PACE_BYTES);
}

static void test_again_between_all_bytes(void **state)
{
    (void)state;
    play_all(PACE_STUTTER);
}

static void test_short_writes(void **state)
{
    (void)state;
    play_all(PACE_SHORT_WRITES);
}

static void test_random_paces(void **state)
{
    (void)state;
    for (bench.seed = 1; bench.seed < 20; bench.seed += 2) {
        bench.most = 1 + bench.seed * bench.seed;
        play_all(PACE_RANDOM);
    }
}

/* ---- Every end in every phase ---- */

static void no_more(struct session_bench *b, enum bench_leg leg)
{
    (void)b;
    (void)leg;
}

static void (*const ends[])(struct session_bench *bench, enum bench_leg leg) = {
    no_more, session_bench_finish, session_bench_truncate, session_bench_reset};

/* After n steps each leg ends in its way, or not at all; then time passes until all is over. */
static void end_after(const struct play *play, size_t n, size_t client_end, size_t server_end)
{
    session_bench_begin(&bench, play->listener);
    assert_good(play_steps(&bench, play, n));
    ends[client_end](&bench, BENCH_CLIENT);
    ends[server_end](&bench, BENCH_SERVER);
    assert_true(session_bench_run(&bench));
    for (int day = 0; bench.session && day < 4; day++)
        assert_true(session_bench_pass(&bench, A_DAY_MS));
    if (bench.session)
        fail_msg("%s: alive after step %zu, ends %zu and %zu, in phase %d", play->name, n,
            client_end, server_end, (int)bench.session->phase);
    assert_good(session_bench_end(&bench));
}

static void test_every_end_in_every_phase(void **state)
{
    (void)state;
    proves("C115");
    for (size_t i = 0; i < PLAY_COUNT; i++) {
        for (size_t n = 0; n <= play_length(&plays[i]); n++) {
            for (size_t way = 0; way < 16; way++)
                end_after(&plays[i], n, way % 4, way / 4);
        }
    }
}

static void test_every_end_with_segments_of_one(void **state)
{
    (void)state;
    proves("C115");
    bench.pace = PACE_BYTES;
    /* A handshake by octets costs milliseconds: one leg at a time, and not behind every step. */
    for (size_t i = 0; i < PLAY_COUNT; i++) {
        for (size_t n = i; n <= play_length(&plays[i]); n += 6) {
            for (size_t way = 1; way < 4; way++) {
                end_after(&plays[i], n, way, 0);
                end_after(&plays[i], n, 0, way);
            }
        }
    }
}

/* The ends come while something for the other side waits. */
static void test_every_end_with_peers_that_do_not_read(void **state)
{
    (void)state;
    proves("C115");
    for (size_t i = 0; i < PLAY_COUNT; i++) {
        for (size_t way = 0; way < 16; way++) {
            session_bench_begin(&bench, plays[i].listener);
            assert_good(play_steps(&bench, &plays[i], play_length(&plays[i])));
            bench.is_deaf[BENCH_CLIENT] = bench.is_deaf[BENCH_SERVER] = true;
            bench.client.window = bench.server->window = 10;
            say(BENCH_CLIENT, "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n");
            say(BENCH_SERVER, "250 1\r\n250 2\r\n250 3\r\n250 4\r\n");
            ends[way % 4](&bench, BENCH_CLIENT);
            ends[way / 4](&bench, BENCH_SERVER);
            assert_true(session_bench_run(&bench));
            for (int day = 0; bench.session && day < 4; day++)
                assert_true(session_bench_pass(&bench, A_DAY_MS));
            assert_null(bench.session);
            bench.is_deaf[BENCH_CLIENT] = bench.is_deaf[BENCH_SERVER] = false;
            assert_good(session_bench_end(&bench));
        }
    }
}

/* ---- What a session costs ---- */

static void test_endless_line_stays_small(void **state)
{
    static char part[4096];

    (void)state;
    proves("C55");
    memset(part, 'x', sizeof(part));
    for (size_t i = 0; i < 3; i++) {
        session_bench_begin(&bench, plays[i].listener);
        assert_good(play_steps(&bench, &plays[i], 2));
        for (int n = 0; n < 256 && bench.session; n++) {
            session_bench_say(&bench, BENCH_CLIENT, slice_of(part, sizeof(part)));
            assert_true(session_bench_run(&bench));
        }
        assert_true(bench.most_held < 64 * 1024);
        session_bench_finish(&bench, BENCH_CLIENT);
        assert_true(session_bench_run(&bench));
        wait_out_the_goodbye();
        assert_int_equal(bench.reason, REASON_LINE_TOO_LONG);
        assert_true(slice_find(session_bench_heard(&bench, BENCH_SERVER), 'x') ==
                    session_bench_heard(&bench, BENCH_SERVER).n);
        assert_good(session_bench_end(&bench));
    }
}

/* Before the relay, too, what one side does not take is not read from the other. */
static void test_message_for_a_backend_that_does_not_read(void **state)
{
    static char body[1024 * 1024];
    struct slice heard;

    (void)state;
    proves("C112");
    memset(body, 'x', sizeof(body));
    session_bench_begin(&bench, plays[PLAY_SMTP].listener);
    assert_good(play_steps(&bench, &plays[PLAY_SMTP], 17)); /* up to the 354 */
    session_bench_forget(&bench);
    bench.is_deaf[BENCH_SERVER] = true;
    bench.server->window = 20000;
    session_bench_say(&bench, BENCH_CLIENT, slice_of(body, sizeof(body)));
    assert_true(session_bench_run(&bench));
    assert_int_equal(session_bench_held(&bench), ENGINE_REPLY_BUFFER);
    assert_int_equal(bench.client.wire.watched & (unsigned)WIRE_READABLE, 0);
    assert_true(bench.client.inbox.n > sizeof(body) / 2);
    bench.is_deaf[BENCH_SERVER] = false;
    assert_true(session_bench_run(&bench));
    heard = session_bench_heard(&bench, BENCH_SERVER);
    assert_true(slice_equal(heard, slice_of(body, sizeof(body))));
    assert_good(session_bench_end(&bench));
}

/* A backend that talks while a command is half given is heard later, and not read for long. */
static void test_backend_talks_into_a_command(void **state)
{
    static char much[2 * ENGINE_REPLY_BUFFER];

    (void)state;
    memset(much, 'x', sizeof(much));
    session_bench_begin(&bench, plays[PLAY_PLAIN_IMAP].listener);
    assert_good(play_steps(&bench, &plays[PLAY_PLAIN_IMAP], 2));
    say(BENCH_CLIENT, "a LOGIN {3+}\r\nx");
    say(BENCH_SERVER, "+ go\r\n");
    session_bench_say(&bench, BENCH_SERVER, slice_of(much, sizeof(much)));
    assert_true(session_bench_run(&bench));
    assert_true(bench.server->inbox.n > 0);
    say(BENCH_CLIENT, "yz {3+}\r\nabc\r\n");
    session_bench_finish(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.reason, REASON_REPLY_TOO_LARGE);
    assert_good(session_bench_end(&bench));
}

static void test_waiting_session_holds_no_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLAY_COUNT; i++) {
        session_bench_begin(&bench, plays[i].listener);
        assert_good(play_steps(&bench, &plays[i], play_length(&plays[i])));
        if (bench.session)
            assert_int_equal(session_bench_held(&bench), 0);
        assert_good(session_bench_end(&bench));
    }
}

/* ---- Ends, seen from the client ---- */

/* C1: nothing is said before the backend has spoken. C11: what the client said waits. */
static void test_client_speaks_first(void **state)
{
    (void)state;
    proves("C1 C11");
    session_bench_begin(&bench, plays[PLAY_SMTP].listener);
    say(BENCH_CLIENT, "EHLO early.example\r\n");
    assert_heard(BENCH_CLIENT, "");
    assert_heard(BENCH_SERVER, "");
    say(BENCH_SERVER, "220 old.example\r\n");
    assert_heard(BENCH_CLIENT, "220 old.example\r\n");
    assert_heard(BENCH_SERVER, "EHLO early.example\r\n");
    assert_good(session_bench_end(&bench));
}

static void test_no_backend(void **state)
{
    (void)state;
    proves("C10");
    bench.refusal_errno = ECONNREFUSED;
    session_bench_begin(&bench, plays[PLAY_IMAPS].listener);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.dials, 2);
    assert_heard(BENCH_CLIENT, "* BYE [UNAVAILABLE] No backend available\r\n");
    assert_true(bench.tls.is_ended);
    assert_good(session_bench_end(&bench));
}

static void test_backend_never_answers(void **state)
{
    (void)state;
    proves("C10");
    bench.has_no_answer = true;
    session_bench_begin(&bench, plays[PLAY_SMTP].listener);
    assert_true(session_bench_run(&bench));
    assert_heard(BENCH_CLIENT, "");
    assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_heard(BENCH_CLIENT, "421 4.4.1 proxy.example No backend available\r\n");
    assert_good(session_bench_end(&bench));
}

/* The second server is tried before the client has seen a byte. */
static void test_next_server(void **state)
{
    (void)state;
    session_bench_begin(&bench, plays[PLAY_PLAIN_IMAP].listener);
    assert_true(session_bench_run(&bench));
    say(BENCH_SERVER, "* BYE [UNAVAILABLE] busy\r\n");
    assert_int_equal(bench.dials, 2);
    assert_true(bench.servers[0].closed);
    assert_heard(BENCH_CLIENT, "");
    say(BENCH_SERVER, "* OK second\r\n");
    assert_heard(BENCH_CLIENT, "* OK second\r\n");
    assert_good(session_bench_end(&bench));
}

/* When no server is left, the last one that refused has the last word. */
static void test_last_refusal_is_told(void **state)
{
    (void)state;
    proves("C5");
    session_bench_begin(&bench, plays[PLAY_PLAIN_IMAP].listener);
    assert_true(session_bench_run(&bench));
    bench.refusal_errno = ECONNREFUSED; /* of the second */
    say(BENCH_SERVER, "* BYE [UNAVAILABLE] busy\r\n");
    assert_int_equal(bench.dials, 2);
    assert_heard(BENCH_CLIENT, "* BYE [UNAVAILABLE] busy\r\n");
    assert_true(bench.client.finished);
    assert_good(session_bench_end(&bench));
}

static void test_no_connection_can_begin(void **state)
{
    (void)state;
    proves("C10");
    bench.connect_errno = ENETUNREACH;
    session_bench_begin(&bench, plays[PLAY_POP3].listener);
    assert_true(session_bench_run(&bench));
    assert_heard(BENCH_CLIENT, "-ERR [SYS/TEMP] No backend available\r\n");
    assert_good(session_bench_end(&bench));
}

/* What plaintext left at the backend ends with a fresh connection, whose greeting is swallowed. */
static void test_renewal(void **state)
{
    (void)state;
    proves("C33");
    session_bench_begin(&bench, plays[PLAY_SMTP].listener);
    assert_good(play_steps(&bench, &plays[PLAY_SMTP], 6));
    say(BENCH_CLIENT, "VRFY x\r\n");
    say(BENCH_SERVER, "252 maybe\r\n");
    say(BENCH_CLIENT, "STARTTLS\r\n");
    session_bench_forget(&bench);
    session_bench_start_tls(&bench);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.dials, 2);
    assert_true(bench.servers[0].finished && bench.servers[0].closed);
    assert_heard(BENCH_SERVER, "QUIT\r\n"); /* on the connection that is left */
    say(BENCH_SERVER, "220 second\r\n");
    say(BENCH_CLIENT, "EHLO c.example\r\n");
    assert_heard(BENCH_SERVER, "EHLO c.example\r\n");
    assert_heard(BENCH_CLIENT, "");
    assert_good(session_bench_end(&bench));
}

static void test_farewells_end_cleanly(void **state)
{
    (void)state;
    proves("C92 C106");
    session_bench_begin(&bench, plays[PLAY_IMAPS].listener);
    assert_good(play_steps(&bench, &plays[PLAY_IMAPS], 3));
    assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_heard(BENCH_CLIENT, "* BYE Disconnected for inactivity.\r\n");
    assert_true(bench.tls.is_ended);
    assert_good(session_bench_end(&bench));
}

static void test_drain(void **state)
{
    (void)state;
    proves("C92 C110");
    session_bench_begin(&bench, plays[PLAY_SMTP].listener);
    assert_good(play_steps(&bench, &plays[PLAY_SMTP], 18)); /* inside message data */
    sessions_drain(&bench.sessions);
    assert_true(session_bench_run(&bench));
    assert_heard(BENCH_CLIENT, "");
    say(BENCH_CLIENT, "\r\n.\r\n");
    say(BENCH_SERVER, "250 queued\r\n");
    assert_heard(BENCH_CLIENT, "250 queued\r\n421 4.3.2 proxy.example Shutting down\r\n");
    assert_true(bench.tls.is_ended);
    bench.sessions.is_draining = false;
    assert_good(session_bench_end(&bench));
}

/* What the message was cut off with must not look to the backend like its end. */
static void test_message_cut_short(void **state)
{
    (void)state;
    session_bench_begin(&bench, plays[PLAY_SMTP].listener);
    assert_good(play_steps(&bench, &plays[PLAY_SMTP], 18));
    session_bench_forget(&bench);
    session_bench_truncate(&bench, BENCH_CLIENT);
    assert_true(session_bench_run(&bench));
    assert_int_equal(session_bench_heard(&bench, BENCH_SERVER).n, 0);
    assert_true(bench.server->closed);
    assert_int_equal(bench.reason, REASON_CLIENT_TRUNCATED);
    assert_good(session_bench_end(&bench));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_segments),
        TEST(test_one_byte_per_segment),
        TEST(test_again_between_all_bytes),
        TEST(test_short_writes),
        TEST(test_random_paces),
        TEST(test_every_end_in_every_phase),
        TEST(test_every_end_with_segments_of_one),
        TEST(test_every_end_with_peers_that_do_not_read),
        TEST(test_endless_line_stays_small),
        TEST(test_message_for_a_backend_that_does_not_read),
        TEST(test_backend_talks_into_a_command),
        TEST(test_waiting_session_holds_no_buffer),
        TEST(test_client_speaks_first),
        TEST(test_no_backend),
        TEST(test_backend_never_answers),
        TEST(test_next_server),
        TEST(test_last_refusal_is_told),
        TEST(test_no_connection_can_begin),
        TEST(test_renewal),
        TEST(test_farewells_end_cleanly),
        TEST(test_drain),
        TEST(test_message_cut_short),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
