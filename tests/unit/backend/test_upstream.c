/* What becomes of tries: how much time each gets, and what the client hears in the end. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_catch.h"
#include "proves.h"
#include "session_bench.h"
#include <string.h>

enum { TWO_WITH_XCLIENT, ONE, TWO, IMAP_TWO, FULL, SHRINKING };

static const char configuration[] =
    "[listener xclient]\nbind = 127.0.0.1:11\nprotocol = smtp\ntls = none\nbackend = mta\n"
    "[listener one]\nbind = 127.0.0.1:12\nprotocol = smtp\ntls = none\nbackend = one\n"
    "[listener two]\nbind = 127.0.0.1:13\nprotocol = smtp\ntls = none\nbackend = two\n"
    "[listener imap]\nbind = 127.0.0.1:14\nprotocol = imap\ntls = none\nbackend = imap\n"
    "[listener full]\nbind = 127.0.0.1:15\nprotocol = smtp\ntls = none\nbackend = full\n"
    "[backend mta]\nsend_client_address = xclient\n"
    "server = a 10.0.0.5:25\nserver = b 10.0.0.6:25\n"
    "[backend one]\nserver = a 10.0.0.5:25\nfall = 1\n"
    "[backend two]\nserver = a 10.0.0.5:25\nserver = b 10.0.0.6:25\nfall = 1\n"
    "[backend imap]\nserver = a 10.0.0.5:143\nserver = b 10.0.0.6:143\nfall = 1\n"
    "[backend full]\nserver = c 10.0.0.7:25 max_sessions=1\nserver = a 10.0.0.5:25\n"
    "server = b 10.0.0.6:25\n"
    "[listener shrinking]\nbind = 127.0.0.1:16\nprotocol = smtp\ntls = none\nbackend = shrinking\n"
    "[backend shrinking]\nserver = c 10.0.0.7:25 max_sessions=1\nserver = a 10.0.0.5:25\n";

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
    static char behind[ENGINE_REPLY_BUFFER - sizeof(much) + 1];
    struct slice heard;
    const char *wrong;

    (void)state;
    proves("C5");
    memset(much, 'x', sizeof(much));
    memset(behind, 'x', sizeof(behind));
    for (size_t i = 0; i < LINES; i++) {
        memcpy(much + i * LINE, i + 1 < LINES ? "220-" : "220 ", 4);
        memcpy(much + (i + 1) * LINE - 2, "\r\n", 2);
    }
    session_bench_begin(&bench, TWO_WITH_XCLIENT);
    assert_true(session_bench_run(&bench));
    say(SLICE("421 busy\r\n"));
    assert_int_equal(bench.dials, 2);
    say(slice_of(much, sizeof(much)));
    say(SLICE("250-b\r\n250 XCLIENT NAME ADDR PORT\r\n"));
    session_bench_say(&bench, BENCH_SERVER, SLICE("220 b\r\n"));
    say(slice_of(behind, sizeof(behind)));
    heard = session_bench_heard(&bench, BENCH_CLIENT);
    if (!slice_equal(heard, SLICE("421 busy\r\n")))
        fail_msg("heard %.*s", (int)heard.n, heard.p);
    wrong = session_bench_end(&bench);
    if (wrong)
        fail_msg("%s", wrong);
}

static void begin(size_t listener)
{
    session_bench_begin(&bench, listener);
    assert_true(session_bench_run(&bench));
}

static void pass(uint64_t seconds)
{
    assert_true(session_bench_pass(&bench, seconds * 1000));
}

static void end(void)
{
    const char *wrong = session_bench_end(&bench);

    if (wrong)
        fail_msg("%s", wrong);
}

static void assert_heard(const char *text)
{
    struct slice heard = session_bench_heard(&bench, BENCH_CLIENT);

    if (!slice_starts(heard, slice_from(text)))
        fail_msg("heard %.*s", (int)heard.n, heard.p);
}

static unsigned marks(size_t backend)
{
    unsigned count = 0;
    struct pool_server server;

    for (size_t i = 0; pool_look(snapshot_pool(bench.snapshot, backend), i, &server); i++)
        count += server.health.is_down;
    return count;
}

/* Slow greetings are legal [RFC 5321 4.5.3.2.1]; connect_deadline is 15 s here. */
static void test_a_slow_greeting_is_waited_for(void **state)
{
    (void)state;
    proves("C135");
    begin(ONE);
    pass(50);
    assert_int_equal(bench.dials, 1);
    say(SLICE("220 at last\r\n"));
    assert_heard("220 at last\r\n");
    end();
    assert_int_equal(marks(1), 0);
}

static void test_a_greeting_that_never_comes_is_given_up(void **state)
{
    (void)state;
    begin(ONE);
    pass(59);
    assert_int_equal(session_bench_heard(&bench, BENCH_CLIENT).n, 0);
    pass(2);
    assert_heard("421 4.4.1");
    end();
    assert_int_equal(marks(1), 1);
}

static void test_another_server_is_asked_after_ten_seconds(void **state)
{
    (void)state;
    proves("C135");
    begin(TWO);
    pass(9);
    assert_int_equal(bench.dials, 1);
    pass(1);
    assert_int_equal(bench.dials, 2);
    say(SLICE("220 the other\r\n"));
    assert_heard("220 the other\r\n");
    end();
    assert_int_equal(marks(2), 0);
}

/* The other one is slow, too, and now no other is free: it has all of its time. */
static void test_the_last_slow_server_has_all_its_time(void **state)
{
    (void)state;
    begin(TWO);
    pass(10);
    assert_int_equal(bench.dials, 2);
    pass(45);
    assert_int_equal(bench.dials, 2);
    say(SLICE("220 the other\r\n"));
    assert_heard("220 the other\r\n");
    end();
    assert_int_equal(marks(2), 0);
}

static void test_a_slow_server_is_asked_again_when_the_other_fails(void **state)
{
    (void)state;
    proves("C135");
    begin(TWO);
    pass(10);
    assert_int_equal(bench.dials, 2);
    session_bench_reset(&bench, BENCH_SERVER);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.dials, 3);
    pass(40);
    say(SLICE("220 at last\r\n"));
    assert_heard("220 at last\r\n");
    end();
}

static void on_wake(struct pool_waiter *waiter)
{
    (void)waiter;
}

/* The third has no place for it, however long it waits. */
static void test_a_slow_server_is_asked_again_when_no_place_is_left(void **state)
{
    struct pool *pool = snapshot_pool(bench.snapshot, FULL);
    struct pool_waiter other;
    struct pool_choice place;

    (void)state;
    proves("C135");
    pool_waiter_init(&other, 1, on_wake);
    assert_int_equal(pool_pick(pool, &other, 1, &place), POOL_CHOSEN);
    assert_string_equal(place.name, "c");
    begin(FULL);
    pass(10);
    assert_int_equal(bench.dials, 2);
    session_bench_reset(&bench, BENCH_SERVER);
    assert_true(session_bench_run(&bench));
    assert_int_equal(bench.dials, 2);
    pass(6);
    assert_int_equal(bench.dials, 3);
    pass(40);
    say(SLICE("220 at last\r\n"));
    assert_heard("220 at last\r\n");
    end();
    pool_release(pool, &place, 1);
}

static void test_imap_servers_are_not_slow_on_purpose(void **state)
{
    (void)state;
    begin(IMAP_TWO);
    pass(10);
    assert_int_equal(bench.dials, 2);
    pass(5);
    assert_heard("* BYE [UNAVAILABLE]");
    end();
}

/* Nothing of the try before is told with it, as what would be right for the other server. */
static void test_a_server_that_a_reload_removes_before_its_try(void **state)
{
    struct pool *pool = snapshot_pool(bench.snapshot, SHRINKING);
    struct config_backend without_c = snapshot_config(bench.snapshot)->backends[SHRINKING];
    struct pool_waiter other;
    struct pool_choice place;
    const char *line;

    (void)state;
    without_c.servers++;
    without_c.server_count--;
    pool_waiter_init(&other, 1, on_wake);
    assert_int_equal(pool_pick(pool, &other, 1, &place), POOL_CHOSEN);
    assert_string_equal(place.name, "c");
    begin(SHRINKING);
    say(SLICE("what?\r\n"));
    pool_release(pool, &place, 1); /* the session has the place now */
    assert_true(pool_configure(pool, &without_c, 1));
    log_catch(LOG_WARNING);
    pass(60); /* it looks at the end of the wait, as nothing wakes it here */
    line = strstr(log_caught(), "try-failed");
    log_release();
    assert_non_null(line);
    assert_non_null(strstr(line, " server=c "));
    assert_non_null(strstr(line, "why=\"no longer configured\"\n"));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_is_told_as_it_was),
        cmocka_unit_test(test_a_slow_greeting_is_waited_for),
        cmocka_unit_test(test_a_greeting_that_never_comes_is_given_up),
        cmocka_unit_test(test_another_server_is_asked_after_ten_seconds),
        cmocka_unit_test(test_the_last_slow_server_has_all_its_time),
        cmocka_unit_test(test_a_slow_server_is_asked_again_when_the_other_fails),
        cmocka_unit_test(test_a_slow_server_is_asked_again_when_no_place_is_left),
        cmocka_unit_test(test_imap_servers_are_not_slow_on_purpose),
        cmocka_unit_test(test_a_server_that_a_reload_removes_before_its_try),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
