/* A worker with real sockets: the test is its clients and their server. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon_test.h"
#include "worker.h"
#include <sys/epoll.h>
#include <sys/syscall.h>

static const char text[] =
    "[listener imap]\nbind = @:1001\nprotocol = imap\ntls = none\nbackend = good\n"
    "[listener lost]\nbind = @:1002\nprotocol = imap\ntls = none\nbackend = lost\n"
    "[backend good]\nserver = @:1143\n"
    "[backend lost]\nserver = @:1144\n";

enum { GOOD, LOST };

static struct snapshot *snapshot;
static struct totals totals;
static struct worker *worker;
static int server; /* listens */
static int door;   /* the same, for the clients */
static int over[2];

/* All calls of this process, libuv's included, since a program's own function comes first. */
static atomic_uint epoll_calls;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    (void)atomic_fetch_add(&epoll_calls, 1);
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

/* On the worker's thread. */
static void on_done(void *owner)
{
    assert_int_equal(write(*(int *)owner, "x", 1), 1);
}

static int set_up(void **state)
{
    struct error error;

    memset(&totals, 0, sizeof(totals));
    assert_int_equal(pipe(over), 0);
    server = listen_at(SERVER_PORT);
    door = listen_at(LISTENER_PORT);
    snapshot = snapshot_of(text);
    worker = worker_start(0, &totals, on_done, &over[1], &error);
    assert_non_null(worker);
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    if (worker) { /* the test has failed */
        worker_cut(worker);
        worker_join(&worker);
    }
    snapshot_unref(&snapshot);
    (void)close(server);
    (void)close(door);
    (void)close(over[0]);
    (void)close(over[1]);
    log_release();
    return 0;
}

/* Returns the client's end. */
static int give(size_t listener)
{
    int client = connect_to(LISTENER_PORT);
    struct address from;

    assert_true(address_parse_ip(SLICE("192.0.2.1"), 4711, &from));
    assert_true(worker_give(worker, accept_from(door), &from, snapshot, listener));
    worker_deliver(worker);
    return client;
}

/* Waits for the thread to have said that it is over. */
static void join(void)
{
    char byte;

    assert_int_equal(read(over[0], &byte, 1), 1);
    assert_int_equal(worker_load(worker), 0);
    worker_join(&worker);
    assert_null(worker);
    assert_int_equal(atomic_load(&totals.alive), 0);
}

static void await_load(size_t load)
{
    while (worker_load(worker) != load)
        (void)sched_yield();
}

/* A client and its server, behind the greeting. */
static void begin(int *client, int *leg)
{
    *client = give(GOOD);
    *leg = accept_from(server);
    say(*leg, "* OK hi\r\n");
    assert_hears(*client, "* OK hi\r\n");
}

static void test_serves_what_it_is_given(void **state)
{
    int client;
    int leg;

    assert_int_equal(worker_load(worker), 0);
    begin(&client, &leg);
    assert_int_equal(worker_load(worker), 1);
    say(client, "a LOGOUT\r\n");
    assert_hears(leg, "a LOGOUT\r\n");
    say(leg, "* BYE\r\na OK bye\r\n");
    assert_hears(client, "* BYE\r\n");
    assert_hears(client, "a OK bye\r\n");
    assert_ends(leg);
    assert_ends(client);
    await_load(0);
    assert_int_equal(atomic_load(&totals.served), 1);
    assert_non_null(strstr(log_caught(), "client=192.0.2.1:4711"));
    worker_drain(worker);
    join();
}

/* One for each of its two connections, however much is said. */
static void test_a_session_asks_epoll_twice(void **state)
{
    unsigned before;
    int client;
    int leg;

    begin(&client, &leg); /* the worker has begun its own */
    before = atomic_load(&epoll_calls);
    (void)close(client);
    (void)close(leg);
    begin(&client, &leg);
    for (int i = 0; i < 5; i++) {
        say(client, "a NOOP\r\n");
        assert_hears(leg, "a NOOP\r\n");
        say(leg, "a OK\r\n");
        assert_hears(client, "a OK\r\n");
    }
    say(client, "b LOGIN u p\r\n");
    assert_hears(leg, "b LOGIN u p\r\n");
    say(leg, "b OK\r\n");
    assert_hears(client, "b OK\r\n");
    say(client, "c LOGOUT\r\n");
    assert_hears(leg, "c LOGOUT\r\n");
    say(leg, "* BYE\r\nc OK\r\n");
    (void)close(leg);
    assert_hears(client, "* BYE\r\n");
    assert_hears(client, "c OK\r\n");
    assert_ends(client);
    await_load(0);
    assert_int_equal(atomic_load(&epoll_calls) - before, 2);
    worker_drain(worker);
    join();
}

/* Each by the listener that it came through. */
static void test_a_session_has_its_listener(void **state)
{
    int client = give(LOST);
    const char *said;

    assert_memory_equal(hear(client), "* BYE ", 6);
    assert_ends(client);
    await_load(0);
    said = log_caught();
    assert_non_null(strstr(said, "listener=lost"));
    assert_non_null(strstr(said, "reason=no-backend"));
    worker_drain(worker);
    join();
}

static void test_load_counts_the_sessions_that_are_left(void **state)
{
    int clients[3];
    int legs[3];

    for (size_t i = 0; i < 3; i++) {
        begin(&clients[i], &legs[i]);
        assert_int_equal(worker_load(worker), i + 1);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)close(legs[i]);
        (void)hear(clients[i]);
        (void)close(clients[i]);
        await_load(2 - i);
    }
    worker_drain(worker);
    join();
}

/* The open session hears a farewell and is waited for; what comes later is closed unheard. */
/* What comes with the order hears a farewell, what comes later nothing. */
static void assert_drained(int client)
{
    const char *said = hear(client);

    if (said[0] != '\0') {
        assert_memory_equal(said, "* BYE ", 6);
        said = hear(client);
    }
    assert_string_equal(said, "");
    (void)close(client);
}

static void test_drains(void **state)
{
    int client;
    int leg;
    int late;

    begin(&client, &leg);
    worker_drain(worker);
    late = give(GOOD); /* the server has not answered the goodbye: the first one is still there */
    assert_drained(late);
    assert_memory_equal(hear(client), "* BYE ", 6);
    assert_ends(client);
    assert_memory_equal(hear(leg), "m1 LOGOUT\r\n", 4);
    (void)close(leg);
    join();
    assert_true(atomic_load(&totals.served) >= 1); /* the late one may have become a session */
}

/* In mid-sentence, whatever a session waits for. */
static void test_cuts(void **state)
{
    int waiting = give(GOOD); /* for a greeting */
    int silent = accept_from(server);
    int client;
    int leg;

    begin(&client, &leg);
    worker_cut(worker);
    (void)hear(waiting);
    (void)hear(client);
    join();
    assert_int_equal(log_count(log_caught(), "reason=shutdown"), 2);
    (void)close(silent);
    (void)close(leg);
    (void)close(waiting);
    (void)close(client);
}

/* A session that drains waits for the answer to its command: insisting ends it. */
static void test_cuts_what_drains(void **state)
{
    int client;
    int leg;

    begin(&client, &leg);
    say(client, "a NOOP\r\n");
    assert_hears(leg, "a NOOP\r\n");
    worker_drain(worker);
    assert_drained(give(GOOD)); /* so it drains */
    await_load(1);
    worker_cut(worker);
    join();
    (void)close(leg);
    (void)close(client);
}

static void test_ends_at_once_without_sessions(void **state)
{
    worker_drain(worker);
    join();
    assert_int_equal(atomic_load(&totals.served), 0);
}

static void test_a_client_that_is_gone_already(void **state)
{
    const struct linger reset = {1, 0};
    int client = connect_to(LISTENER_PORT);
    int fd = accept_from(door);
    struct address from = own_address(1);
    char byte;

    (void)setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    (void)close(client);
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), -1); /* so the reset has come */
    assert_true(worker_give(worker, fd, &from, snapshot, LOST));
    worker_deliver(worker);
    await_load(0);
    assert_int_equal(atomic_load(&totals.served), 1);
    worker_drain(worker);
    join();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_serves_what_it_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_asks_epoll_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_has_its_listener, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_load_counts_the_sessions_that_are_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cuts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cuts_what_drains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_at_once_without_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_that_is_gone_already, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
