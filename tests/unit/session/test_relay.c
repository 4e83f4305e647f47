/* The relay: back-pressure, half-close, and what each end of one leg means for the other. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proves.h"
#include "session_play.h"
#include <stdlib.h>

enum { FLOOD = 1024 * 1024, KERNEL = 20000, A_DAY_MS = 24 * 60 * 60 * 1000 };

static struct session_bench bench; /* large */
static char flood[FLOOD];

static int fresh(void **state)
{
    (void)state;
    if (bench.has_begun)
        (void)session_bench_end(&bench); /* of a test that failed */
    bench.pace = PACE_WHOLE;
    bench.is_deaf[BENCH_CLIENT] = bench.is_deaf[BENCH_SERVER] = false;
    return 0;
}

static int set_up(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < FLOOD; i++)
        flood[i] = (char)memory_random(&seed);
    return session_bench_init(&bench, play_configuration) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)fresh(state);
    session_bench_deinit(&bench);
    return 0;
}

/* A session that relays, with nothing heard yet. */
static void begin_relay(size_t play)
{
    const char *wrong = play_whole(&bench, &plays[play]);

    if (wrong)
        fail_msg("%s", wrong);
    assert_int_equal(bench.session->phase, SESSION_RELAY);
}

static void end(void)
{
    const char *left;

    for (int day = 0; bench.session && day < 4; day++)
        assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_null(bench.session);
    left = session_bench_end(&bench);
    if (left)
        fail_msg("%s", left);
}

static void run(void)
{
    assert_true(session_bench_run(&bench));
}

static void say(enum bench_leg leg, const char *text)
{
    session_bench_say(&bench, leg, slice_from(text));
    run();
}

static void assert_heard(enum bench_leg leg, const char *text)
{
    struct slice got = session_bench_heard(&bench, leg);

    if (!slice_equal(got, slice_from(text)))
        fail_msg("heard %.*s instead of %s", (int)got.n, got.p, text);
    bench.heard[leg].n = 0;
}

static enum bench_leg other(enum bench_leg leg)
{
    return leg == BENCH_CLIENT ? BENCH_SERVER : BENCH_CLIENT;
}

/* ---- Idle, and back-pressure ---- */

static void test_idle_relay_holds_nothing(void **state)
{
    (void)state;
    begin_relay(PLAY_IMAPS);
    assert_int_equal(session_bench_held(&bench), 0);
    assert_null(bench.session->dialog);
    say(BENCH_CLIENT, "DONE\r\n");
    assert_heard(BENCH_SERVER, "DONE\r\n");
    assert_int_equal(session_bench_held(&bench), 0);
    end();
}

/* The peer of `leg` stops reading; the other one says far more than fits. */
static void check_stopped_reader(size_t play, enum bench_leg leg)
{
    struct memory_wire *from;

    begin_relay(play);
    from = session_bench_wire(&bench, other(leg));
    bench.is_deaf[leg] = true;
    session_bench_wire(&bench, leg)->window = KERNEL;
    session_bench_say(&bench, other(leg), slice_of(flood, sizeof(flood)));
    run();
    assert_true(session_bench_held(&bench) <= ENGINE_REPLY_BUFFER);
    assert_true(from->inbox.n > FLOOD - 2 * ENGINE_REPLY_BUFFER - KERNEL);
    assert_int_equal(from->wire.watched & (unsigned)WIRE_READABLE, 0);
    /* The other direction still flows. */
    say(leg, "still here");
    assert_heard(other(leg), "still here");
    bench.is_deaf[leg] = false;
    run();
    assert_true(slice_equal(session_bench_heard(&bench, leg), slice_of(flood, sizeof(flood))));
    assert_int_equal(session_bench_held(&bench), 0);
    end();
}

static void test_stopped_client(void **state)
{
    (void)state;
    proves("C112");
    check_stopped_reader(PLAY_PLAIN_IMAP, BENCH_CLIENT);
    check_stopped_reader(PLAY_IMAPS, BENCH_CLIENT);
}

static void test_stopped_server(void **state)
{
    (void)state;
    proves("C112");
    check_stopped_reader(PLAY_PLAIN_IMAP, BENCH_SERVER);
    check_stopped_reader(PLAY_IMAPS, BENCH_SERVER);
}

/* What is read at once goes out at once. */
static void check_pieces(size_t play, size_t size)
{
    enum { PIECES = 8 };
    unsigned before;

    begin_relay(play);
    session_bench_forget(&bench);
    before = bench.client.send_calls;
    session_bench_say(&bench, BENCH_SERVER, slice_of(flood, PIECES * size));
    run();
    assert_true(
        slice_equal(session_bench_heard(&bench, BENCH_CLIENT), slice_of(flood, PIECES * size)));
    assert_int_equal(bench.client.send_calls - before, PIECES);
    end();
}

static void test_a_piece_is_one_write(void **state)
{
    (void)state;
    check_pieces(PLAY_PLAIN_IMAP, PIPE_READ_CLEAR);
    check_pieces(PLAY_IMAPS, STREAM_PIECE);
}

static void check_flood(size_t play, enum bench_pace pace)
{
    bench.pace = pace;
    bench.most = 3000;
    begin_relay(play);
    session_bench_say(&bench, BENCH_CLIENT, slice_of(flood, FLOOD / 8));
    session_bench_say(&bench, BENCH_SERVER, slice_of(flood, FLOOD / 8));
    run();
    assert_true(slice_equal(session_bench_heard(&bench, BENCH_CLIENT), slice_of(flood, FLOOD / 8)));
    assert_true(slice_equal(session_bench_heard(&bench, BENCH_SERVER), slice_of(flood, FLOOD / 8)));
    end();
}

static void test_bytes_pass_unchanged(void **state)
{
    (void)state;
    check_flood(PLAY_PLAIN_IMAP, PACE_WHOLE);
    check_flood(PLAY_PLAIN_IMAP, PACE_RANDOM);
    check_flood(PLAY_IMAPS, PACE_WHOLE);
    check_flood(PLAY_IMAPS, PACE_RANDOM);
}

/* ---- Ends ---- */

static void test_half_close_of_the_client(void **state)
{
    (void)state;
    begin_relay(PLAY_PLAIN_IMAP);
    session_bench_say(&bench, BENCH_CLIENT, SLICE("last words"));
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_heard(BENCH_SERVER, "last words");
    assert_true(bench.server->finished);
    assert_false(bench.client.finished);
    say(BENCH_SERVER, "an answer");
    assert_heard(BENCH_CLIENT, "an answer");
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_CLIENT_CLOSED);
    assert_true(bench.client.finished);
    end();
}

static void test_half_close_of_the_server(void **state)
{
    (void)state;
    begin_relay(PLAY_PLAIN_IMAP);
    session_bench_say(&bench, BENCH_SERVER, SLICE("* BYE\r\n"));
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_heard(BENCH_CLIENT, "* BYE\r\n");
    assert_true(bench.client.finished);
    say(BENCH_CLIENT, "late");
    assert_heard(BENCH_SERVER, "late");
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_SERVER_CLOSED);
    end();
}

/* A peer that never says its own end is waited for, but not for ever. */
static void test_half_closed_for_too_long(void **state)
{
    (void)state;
    begin_relay(PLAY_PLAIN_IMAP);
    session_bench_finish(&bench, BENCH_CLIENT);
    run();
    assert_non_null(bench.session);
    assert_true(session_bench_pass(&bench, A_DAY_MS));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_CLIENT_CLOSED);
    end();
}

static void test_clean_end_of_the_server_is_said(void **state)
{
    (void)state;
    proves("C92");
    begin_relay(PLAY_IMAPS);
    session_bench_say(&bench, BENCH_SERVER, SLICE("* BYE\r\n"));
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_heard(BENCH_CLIENT, "* BYE\r\n");
    assert_true(bench.tls.is_ended);
    assert_true(bench.client.finished);
    end();
}

static void test_reset_of_the_server_is_no_clean_end(void **state)
{
    (void)state;
    proves("C93");
    begin_relay(PLAY_IMAPS);
    session_bench_say(&bench, BENCH_SERVER, SLICE("* 1 FETCH (BODY {1000}\r\nhalf"));
    session_bench_reset(&bench, BENCH_SERVER);
    run();
    assert_heard(BENCH_CLIENT, "* 1 FETCH (BODY {1000}\r\nhalf"); /* what is unsent goes first */
    assert_true(bench.client.finished);
    session_bench_finish(&bench, BENCH_CLIENT);
    end();
    assert_false(bench.tls.is_ended);
    assert_int_equal(bench.reason, REASON_SERVER_RESET);
}

/* The same while the client does not read: the rest is delivered later, and no clean end behind. */
static void test_reset_of_the_server_behind_a_stopped_client(void **state)
{
    (void)state;
    proves("C93");
    begin_relay(PLAY_IMAPS);
    bench.is_deaf[BENCH_CLIENT] = true;
    bench.client.window = KERNEL;
    session_bench_say(&bench, BENCH_SERVER, slice_of(flood, 2 * KERNEL));
    run();
    session_bench_reset(&bench, BENCH_SERVER);
    run();
    bench.is_deaf[BENCH_CLIENT] = false;
    run();
    assert_true(
        slice_equal(session_bench_heard(&bench, BENCH_CLIENT), slice_of(flood, 2 * KERNEL)));
    assert_true(bench.client.finished);
    assert_false(bench.tls.is_ended);
    end();
}

static void test_close_notify_of_the_client(void **state)
{
    (void)state;
    proves("C94");
    begin_relay(PLAY_IMAPS);
    session_bench_say(&bench, BENCH_CLIENT, SLICE("z LOGOUT\r\n"));
    memory_tls_end(&bench.tls);
    run();
    assert_heard(BENCH_SERVER, "z LOGOUT\r\n");
    assert_true(bench.server->finished);
    bench.tls.is_ended = false;
    say(BENCH_SERVER, "* BYE\r\n");
    say(BENCH_SERVER, "z OK bye\r\n");
    assert_heard(BENCH_CLIENT, "* BYE\r\nz OK bye\r\n");
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_true(bench.tls.is_ended);
    assert_int_equal(bench.reason, REASON_CLIENT_CLOSED);
    end();
}

static void test_truncated_client(void **state)
{
    (void)state;
    proves("C93");
    begin_relay(PLAY_IMAPS);
    session_bench_say(&bench, BENCH_CLIENT, SLICE("z APPEND x {100}\r\nhalf"));
    session_bench_truncate(&bench, BENCH_CLIENT);
    run();
    assert_heard(BENCH_SERVER, "z APPEND x {100}\r\nhalf");
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_false(bench.tls.is_ended);
    assert_int_equal(bench.reason, REASON_CLIENT_TRUNCATED);
    end();
}

static void test_idle_for_too_long(void **state)
{
    (void)state;
    proves("C107");
    begin_relay(PLAY_IMAPS);
    assert_true(session_bench_pass(&bench, A_DAY_MS - 1000));
    assert_non_null(bench.session);
    say(BENCH_SERVER, "* 2 EXISTS\r\n");
    assert_true(session_bench_pass(&bench, A_DAY_MS - 1000));
    assert_non_null(bench.session); /* it moved in between */
    assert_true(session_bench_pass(&bench, 2000));
    assert_null(bench.session);
    assert_int_equal(bench.reason, REASON_TIMEOUT_IDLE);
    end();
}

/* The tail is what the last octets are, however they came. */
static void test_the_tail_of_what_passed(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct pipe pipe = {.tail_len = 0};
        size_t passed = 0;

        while (passed < 4 * PIPE_TAIL) {
            size_t n = memory_random(&seed) % (PIPE_TAIL + PIPE_TAIL / 2);
            size_t kept;

            pipe_note_tail(&pipe, slice_of(flood + passed, n));
            passed += n;
            kept = passed < PIPE_TAIL ? passed : PIPE_TAIL;
            assert_int_equal(pipe.tail_len, kept);
            assert_memory_equal(pipe.tail, flood + passed - kept, kept);
        }
    }
}

/* What the server says last, with its end, goes to the client in one write with our end. */
static void test_last_words_and_the_end_in_one_write(void **state)
{
    unsigned before;

    (void)state;
    begin_relay(PLAY_IMAPS);
    session_bench_forget(&bench);
    before = bench.client.send_calls;
    session_bench_say(&bench, BENCH_SERVER, SLICE("* BYE\r\n"));
    session_bench_finish(&bench, BENCH_SERVER);
    run();
    assert_heard(BENCH_CLIENT, "* BYE\r\n");
    assert_true(bench.tls.is_ended);
    assert_true(bench.client.finished);
    assert_int_equal(bench.client.send_calls - before, 1);
    end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(test_idle_relay_holds_nothing),
        TEST(test_stopped_client),
        TEST(test_stopped_server),
        TEST(test_a_piece_is_one_write),
        TEST(test_bytes_pass_unchanged),
        TEST(test_half_close_of_the_client),
        TEST(test_half_close_of_the_server),
        TEST(test_half_closed_for_too_long),
        TEST(test_clean_end_of_the_server_is_said),
        TEST(test_reset_of_the_server_is_no_clean_end),
        TEST(test_reset_of_the_server_behind_a_stopped_client),
        TEST(test_close_notify_of_the_client),
        TEST(test_truncated_client),
        TEST(test_idle_for_too_long),
        TEST(test_the_tail_of_what_passed),
        cmocka_unit_test_setup(test_last_words_and_the_end_in_one_write, fresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
