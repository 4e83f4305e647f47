/*
 * For the tests of sessions: one bench for a program, and what all of them say and ask of it. Comes
 * behind cmocka.h.
 */
#ifndef MAILMUX_SESSION_TEST_H
#define MAILMUX_SESSION_TEST_H

#include "session_bench.h"

static struct session_bench bench; /* large */

/* Before each test: nothing is left of what the one before has set. */
static inline int fresh(void **state)
{
    (void)state;
    if (bench.has_begun)
        (void)session_bench_end(&bench); /* of a test that failed */
    bench.pace = PACE_WHOLE;
    bench.window = 0;
    bench.connect_errno = 0;
    bench.refusal_errno = 0;
    bench.has_no_answer = false;
    bench.is_deaf[BENCH_CLIENT] = bench.is_deaf[BENCH_SERVER] = false;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)fresh(state);
    session_bench_deinit(&bench);
    return 0;
}

static inline void say(enum bench_leg leg, const char *text)
{
    session_bench_say(&bench, leg, slice_from(text));
    assert_true(session_bench_run(&bench));
}

/* All that this leg's peer has read since the last look at it. */
static inline void assert_heard(enum bench_leg leg, const char *text)
{
    struct slice got = session_bench_heard(&bench, leg);

    if (!slice_equal(got, slice_from(text)))
        fail_msg("heard %.*s instead of %s", (int)got.n, got.p, text);
    bench.heard[leg].n = 0;
}

/* The server does not answer the goodbye that it hears in the name of a client that is gone. */
static inline void wait_out_the_goodbye(void)
{
    if (bench.session)
        assert_int_equal(bench.session->phase, SESSION_GOODBYE);
    assert_true(session_bench_pass(&bench, 2000));
    assert_null(bench.session);
}

static inline void end(void)
{
    const char *wrong = session_bench_end(&bench);

    if (wrong)
        fail_msg("%s", wrong);
}

#endif
