/* What becomes of a try that fails on the way to a session. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proves.h"
#include "session_bench.h"
#include <string.h>

static const char configuration[] =
    "[listener smtp]\nbind = 127.0.0.1:11\nprotocol = smtp\ntls = none\nbackend = mta\n"
    "[backend mta]\nsend_client_address = xclient\n"
    "server = a 10.0.0.5:25\nserver = b 10.0.0.6:25\n";

static struct session_bench bench; /* large */

static int set_up(void **state)
{
    (void)state;
    return session_bench_init(&bench, configuration) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    if (bench.has_begun)
        (void)session_bench_end(&bench); /* of a test that failed */
    session_bench_deinit(&bench);
    return 0;
}

static void say(struct slice bytes)
{
    session_bench_say(&bench, BENCH_SERVER, bytes);
    assert_true(session_bench_run(&bench));
}

/* A second server whose greeting and what it says behind its answers are too much together: the
 * refusal of the first is told as it was. */
static void test_a_refusal_is_told_as_it_was(void **state)
{
    enum { LINES = 15, LINE = 4000 };
    static char much[LINES * LINE];
    struct slice heard;
    const char *wrong;

    (void)state;
    proves("C5");
    memset(much, 'x', sizeof(much));
    for (size_t i = 0; i < LINES; i++) {
        memcpy(much + i * LINE, i + 1 < LINES ? "220-" : "220 ", 4);
        memcpy(much + (i + 1) * LINE - 2, "\r\n", 2);
    }
    session_bench_begin(&bench, 0);
    assert_true(session_bench_run(&bench));
    say(SLICE("421 busy\r\n"));
    assert_int_equal(bench.dials, 2);
    say(slice_of(much, sizeof(much)));
    say(SLICE("250-b\r\n250 XCLIENT NAME ADDR PORT\r\n"));
    session_bench_say(&bench, BENCH_SERVER, SLICE("220 b\r\n"));
    say(slice_of(much, 3 * LINE));
    heard = session_bench_heard(&bench, BENCH_CLIENT);
    if (!slice_equal(heard, SLICE("421 busy\r\n")))
        fail_msg("heard %.*s", (int)heard.n, heard.p);
    wrong = session_bench_end(&bench);
    if (wrong)
        fail_msg("%s", wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_is_told_as_it_was),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
