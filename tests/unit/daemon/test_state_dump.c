/* The state of the listeners and the backends, one in each turn of the loop. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon_test.h"
#include "state_dump.h"
#include <string.h>

#define SERVER(name) "[backend " name "]\nserver = 10.0.0.5:143\n"

static const char configuration[] =
    "[listener a]\nbind = @:1001\nprotocol = imap\ntls = none\nbackend = one\n"
    "[listener b]\nbind = @:1002\nprotocol = imap\ntls = none\nbackend = two\n" SERVER("one")
        SERVER("two");

static uv_loop_t loop;
static struct state_dump dump;
static struct snapshot *snapshot;

static int set_up(void **state)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    state_dump_init(&dump, &loop);
    snapshot = snapshot_of(configuration);
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    state_dump_close(&dump);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    snapshot_unref(&snapshot);
    log_release();
    return 0;
}

static void assert_logged(const char *text, size_t servers, size_t backends)
{
    assert_int_equal(log_count(text, "state-server "), servers);
    assert_int_equal(log_count(text, "state-backend "), backends);
}

static void test_one_listener_or_backend_in_each_turn(void **state)
{
    const char *said;

    state_dump_begin(&dump, snapshot, NULL, 0);
    assert_logged(log_caught(), 0, 0);
    for (const char *name = "ab"; *name; name++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        said = log_caught();
        assert_logged(said, 0, 0);
        assert_int_equal(log_count(said, *name == 'a' ? "listener=a " : "listener=b "), 1);
    }
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    said = log_caught();
    assert_logged(said, 1, 1);
    assert_int_equal(log_count(said, "backend=one"), 2);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    said = log_caught();
    assert_logged(said, 1, 1);
    assert_int_equal(log_count(said, "backend=two"), 2);
}

/* It keeps what it needs, and a second call comes to nothing while it is at work. */
static void test_one_round_at_a_time(void **state)
{
    state_dump_begin(&dump, snapshot, NULL, 0);
    snapshot_unref(&snapshot);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    snapshot = snapshot_of(configuration);
    state_dump_begin(&dump, snapshot, NULL, 0);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_logged(log_caught(), 2, 2);
    state_dump_begin(&dump, snapshot, NULL, 0);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_logged(log_caught(), 2, 2);
}

/* With its listener, in their order. */
static void test_the_routes_of_a_listener(void **state)
{
    const char *said;

    snapshot_unref(&snapshot);
    snapshot =
        snapshot_of("[listener front]\nbind = @:1003\nprotocol = auto\n"
                    "route = tls -> refuse\nroute = default -> a\n"
                    "[listener a]\nprotocol = imap\ntls = none\nbackend = one\n" SERVER("one"));
    state_dump_begin(&dump, snapshot, NULL, 0);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    said = log_caught();
    assert_int_equal(log_count(said, "state-listener "), 1);
    assert_int_equal(log_count(said, "state-route "), 2);
    assert_non_null(strstr(said, "listener=front route=\"tls -> refuse\" served=0"));
    assert_non_null(strstr(said, "listener=front route=\"default -> a\" served=0"));
}

static void test_nothing_is_in_effect_yet(void **state)
{
    state_dump_begin(&dump, NULL, NULL, 0);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(log_caught(), "");
}

static void test_ends_in_the_middle(void **state)
{
    state_dump_begin(&dump, snapshot, NULL, 0);
    for (int turn = 0; turn < 3; turn++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    state_dump_close(&dump);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_logged(log_caught(), 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_listener_or_backend_in_each_turn),
        TEST(test_one_round_at_a_time),
        TEST(test_the_routes_of_a_listener),
        TEST(test_nothing_is_in_effect_yet),
        TEST(test_ends_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
