/* All sessions of one worker: several at once, over wires in memory. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_wire.h"
#include "session.h"
#include "snapshots.h"
#include <inttypes.h>
#include <stdio.h>

enum { MANY = 3 };

static const char text[] =
    "[listener a]\nbind = 127.0.0.1:1001\nprotocol = imap\ntls = none\nbackend = b\n"
    "[backend b]\nserver = one 127.0.0.1:143\n";

static uv_loop_t loop;
static struct engine engine; /* large */
static struct totals totals;
static struct sessions sessions;
static struct snapshot *snapshot;
static struct memory_wire clients[MANY];
static struct memory_wire servers[MANY];
static size_t dials;
static unsigned ended;
static enum reason reason; /* of the last that ended */

static struct wire *hook_connect(
    struct engine *dialling, const struct address *to, unsigned keepalive_s, int *failure)
{
    assert_true(dials < MANY);
    memory_wire_init_connecting(&servers[dials], 0);
    return &servers[dials++].wire;
}

static const struct engine_hooks hooks = {.connect = hook_connect};

static void on_ended(struct sessions *of, struct session *session)
{
    assert_ptr_equal(of, &sessions);
    reason = session->reason; /* it is whole yet */
    ended++;
}

static int set_up(void **state)
{
    dials = 0;
    ended = 0;
    memset(clients, 0, sizeof(clients));
    memset(&totals, 0, sizeof(totals));
    assert_int_equal(uv_loop_init(&loop), 0);
    engine_init(&engine, &loop, &hooks, &totals.stalls);
    sessions_init(&sessions, &engine, &totals, on_ended);
    snapshot = snapshot_of(text);
    return 0;
}

static int tear_down(void **state)
{
    sessions_cut(&sessions);
    tallies_deinit(&sessions.tallies);
    assert_int_equal(sessions.count, 0);
    assert_true(list_is_empty(&sessions.live));
    for (size_t i = 0; i < MANY; i++)
        memory_wire_deinit(&clients[i]);
    for (size_t i = 0; i < dials; i++)
        memory_wire_deinit(&servers[i]);
    engine_deinit(&engine);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    snapshot_unref(&snapshot);
    return uv_loop_close(&loop);
}

static void run(void)
{
    for (int i = 0; i < 100; i++) {
        for (size_t j = 0; j < MANY; j++) {
            if (clients[j].wire.ops && !clients[j].closed)
                (void)memory_wire_poll(&clients[j]);
            if (j < dials && !servers[j].closed)
                (void)memory_wire_poll(&servers[j]);
        }
        engine_end_turn(&engine);
    }
}

static void begin(size_t i)
{
    struct address client = own_address(4711);

    memory_wire_init(&clients[i]);
    assert_non_null(session_start(
        &sessions, snapshot_service(snapshot, 0), &clients[i].wire, &client, &client, snapshot));
    run();
}

/* Up to its greeting. */
static void open_session(size_t i)
{
    begin(i);
    memory_wire_feed(&servers[i], SLICE("* OK hi\r\n"));
    run();
    assert_true(slice_equal(memory_wire_sent(&clients[i]), SLICE("* OK hi\r\n")));
    memory_wire_drop(&clients[i], memory_wire_sent(&clients[i]).n);
}

static void end(size_t i)
{
    memory_wire_feed(&clients[i], SLICE("a LOGOUT\r\n"));
    run();
    memory_wire_feed(&servers[i], SLICE("* BYE\r\na OK\r\n"));
    memory_wire_feed_end(&servers[i]);
    run();
    memory_wire_feed_end(&clients[i]);
    run();
}

static bool has_farewell(size_t i)
{
    return slice_starts(memory_wire_sent(&clients[i]), SLICE("* BYE "));
}

static void test_counts_those_that_live(void **state)
{
    for (size_t i = 0; i < MANY; i++) {
        open_session(i);
        assert_int_equal(sessions.count, i + 1);
        assert_int_equal(atomic_load(&totals.alive), i + 1);
    }
    end(1); /* the one in the middle */
    assert_int_equal(sessions.count, MANY - 1);
    assert_int_equal(ended, 1);
    assert_int_equal(reason, REASON_QUIT);
    assert_int_equal(atomic_load(&totals.alive), MANY - 1);
    assert_int_equal(atomic_load(&totals.served), 1);
}

/* Each where it stands: now where it may hear a farewell, else when it may. */
static void test_drains_all(void **state)
{
    open_session(0);
    begin(1); /* its server has not greeted */
    open_session(2);
    memory_wire_feed(&clients[2], SLICE("a NOOP\r\n"));
    run();
    sessions_drain(&sessions);
    assert_true(sessions.is_draining);
    run();
    assert_true(has_farewell(0));
    assert_true(has_farewell(1));
    assert_false(has_farewell(2)); /* the answer that is owed comes first */
    memory_wire_feed(&servers[2], SLICE("a OK done\r\n"));
    run();
    assert_true(slice_starts(memory_wire_sent(&clients[2]), SLICE("a OK done\r\n* BYE ")));
}

/* Freed when the call is over: nothing is under way any more. */
static void test_cuts_all(void **state)
{
    open_session(0);
    begin(1);
    sessions_drain(&sessions);
    begin(2); /* one that comes while they drain */
    sessions_cut(&sessions);
    assert_int_equal(ended, 3);
    assert_int_equal(reason, REASON_SHUTDOWN);
    assert_int_equal(sessions.count, 0);
    assert_int_equal(atomic_load(&totals.alive), 0);
    for (size_t i = 0; i < MANY; i++)
        assert_true(clients[i].closed);
    for (size_t i = 0; i < dials; i++)
        assert_true(servers[i].closed);
}

/* The process and the number, in hexadecimal: no two of a host are equal. */
static void test_names(void **state)
{
    static const uint64_t seeds[MANY] = {0, 0x10, 0xfedcba9876543210};

    for (size_t i = 0; i < MANY; i++) {
        uint64_t number = i == 0 ? 0 : UINT64_MAX << (30 * (i - 1));
        char expected[64];

        totals.seed = seeds[i];
        atomic_store(&totals.begun, number);
        begin(i);
        (void)snprintf(expected, sizeof(expected), "%" PRIx64 "-%" PRIx64, totals.seed, number);
        assert_string_equal(LIST_ENTRY(sessions.live.prev, struct session, node)->id, expected);
    }
}

static void test_none(void **state)
{
    sessions_drain(&sessions);
    sessions_cut(&sessions);
    assert_int_equal(ended, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts_those_that_live),
        TEST(test_drains_all),
        TEST(test_cuts_all),
        TEST(test_names),
        TEST(test_none),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
