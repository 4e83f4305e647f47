/* The acceptor with real sockets and workers: the test is all clients and their server. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acceptor.h"
#include "daemon_test.h"
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

enum { WORKERS = 2, DESCRIPTORS = 128, PORT = 1001, OTHER_PORT = 1002, TLS_PORT = 1003 };

#define GOOD "[backend good]\nserver = @:1143\n"
#define LOST "[backend lost]\nserver = @:1144\n"
#define IMAP(name, port, backend)                                                                  \
    "[listener " name "]\nbind = @:" port "\nprotocol = imap\ntls = none\nbackend = " backend "\n"

static const char text[] =
    IMAP("one", "1001", "good") "[listener tls]\nbind = @:1003\nprotocol = imap\ntls = implicit\n"
                                "backend = good\n" GOOD;

static struct totals totals;
static struct worker *workers[WORKERS];
static struct acceptor *acceptor;
static int server; /* listens */

static void on_done(void *owner)
{
    (void)owner;
}

static struct plan *plan_of(const char *ini, size_t limit)
{
    struct snapshot *snapshot = snapshot_of(ini);
    struct plan *plan = acceptor_plan(acceptor, snapshot, limit);

    snapshot_unref(&snapshot);
    assert_non_null(plan);
    return plan;
}

static int set_up(void **state)
{
    struct error error;

    memset(&totals, 0, sizeof(totals));
    server = listen_at(SERVER_PORT);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = worker_start((unsigned)i, &totals, on_done, NULL, &error);
        assert_non_null(workers[i]);
    }
    log_catch(LOG_INFO);
    acceptor = acceptor_new(&totals, &here);
    assert_non_null(acceptor);
    return 0;
}

static int tear_down(void **state)
{
    acceptor_stop(&acceptor, ACCEPTOR_TURN_AWAY);
    for (size_t i = 0; i < WORKERS; i++) {
        worker_cut(workers[i]);
        worker_join(&workers[i]);
    }
    (void)close(server);
    log_release();
    return 0;
}

static void start(const char *ini, size_t limit)
{
    struct plan *plan = plan_of(ini, limit);

    assert_true(acceptor_start(acceptor, workers, WORKERS, &plan));
    assert_null(plan);
}

static void switch_to(const char *ini, size_t limit)
{
    struct plan *plan = plan_of(ini, limit);

    acceptor_switch(acceptor, &plan);
    assert_null(plan);
}

static void greet(int client, int *leg)
{
    *leg = accept_from(server);
    say(*leg, "* OK hi\r\n");
    assert_hears(client, "* OK hi\r\n");
}

static void begin(uint16_t port, int *client, int *leg)
{
    *client = connect_to(port);
    greet(*client, leg);
}

static void end(int client, int leg)
{
    (void)close(leg);
    (void)hear(client);
    (void)close(client);
}

static void assert_loads(size_t first, size_t second)
{
    assert_int_equal(worker_load(workers[0]), first);
    assert_int_equal(worker_load(workers[1]), second);
}

static void test_the_worker_with_the_fewest_has_the_next(void **state)
{
    int clients[4];
    int legs[4];

    start(text, 10);
    begin(PORT, &clients[0], &legs[0]);
    begin(PORT, &clients[1], &legs[1]);
    assert_loads(1, 1);
    begin(PORT, &clients[2], &legs[2]);
    assert_loads(2, 1);
    end(clients[0], legs[0]);
    end(clients[2], legs[2]);
    while (worker_load(workers[0]) > 0)
        (void)sched_yield();
    begin(PORT, &clients[3], &legs[3]);
    assert_loads(1, 1);
    end(clients[1], legs[1]);
    end(clients[3], legs[3]);
}

/* Returns our end of the client's connection, which this process has, too; -1: not yet. */
static int accepted(int client)
{
    struct sockaddr_in name;
    struct sockaddr_in peer;
    socklen_t n = sizeof(name);

    assert_int_equal(getsockname(client, (struct sockaddr *)&name, &n), 0);
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
        n = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0 && peer.sin_port == name.sin_port)
            return fd;
    }
    return -1;
}

static bool is_prepared(int client)
{
    int keeps = 0;
    int delays_not = 0;
    int patience = 0;
    socklen_t n = sizeof(int);
    int fd = accepted(client);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keeps, &n), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &delays_not, &n), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, &n), 0);
    return keeps && delays_not && patience == 33000;
}

/* Whether it waited at the socket before there was an acceptor, or came when there was one. */
static void test_each_connection_has_its_options(void **state)
{
    int clients[2];
    int legs[2];
    struct plan *plan = plan_of("[timeouts]\nstalled = 33s\n" IMAP("one", "1001", "good") GOOD, 10);

    clients[0] = connect_to(PORT);
    assert_true(acceptor_start(acceptor, workers, WORKERS, &plan));
    greet(clients[0], &legs[0]);
    assert_true(is_prepared(clients[0]));
    begin(PORT, &clients[1], &legs[1]);
    assert_true(is_prepared(clients[1]));
    for (size_t i = 0; i < 2; i++)
        end(clients[i], legs[i]);
}

/* A word where it can be understood; where TLS comes first, nothing but the end. */
static void test_over_the_limit_they_are_turned_away(void **state)
{
    int clients[3];
    int legs[3];
    int more;
    const char *said;

    start(text, 2);
    begin(PORT, &clients[0], &legs[0]);
    begin(PORT, &clients[1], &legs[1]);
    more = connect_to(PORT);
    assert_hears(more, "* BYE Too many connections\r\n");
    assert_ends(more);
    more = connect_to(TLS_PORT);
    assert_ends(more);
    assert_loads(1, 1);
    end(clients[0], legs[0]);
    while (worker_load(workers[0]) > 0)
        (void)sched_yield();
    begin(PORT, &clients[2], &legs[2]);
    end(clients[1], legs[1]);
    end(clients[2], legs[2]);
    acceptor_stop(&acceptor, ACCEPTOR_TURN_AWAY); /* and all is written */
    assert_int_equal(atomic_load(&totals.attacks[ATTACK_FLOOD]), 2);
    said = log_caught();
    assert_int_equal(log_count(said, "warning refused listener=one client=127.0.0.1:"), 1);
    assert_int_equal(log_count(said, "warning refused listener=tls client=127.0.0.1:"), 1);
    assert_int_equal(log_count(said, "reason=too-many-sessions"), 2);
}

/* ---- Descriptors run out ---- */

/* All that this process may have are open. */
static size_t take_all(int taken[DESCRIPTORS], struct rlimit *before)
{
    struct rlimit few;
    size_t count = 0;
    int fd;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    few = *before;
    few.rlim_cur = DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < DESCRIPTORS && (fd = dup(server)) >= 0)
        taken[count++] = fd;
    assert_true(count < DESCRIPTORS);
    return count;
}

static void give_all_back(const int taken[DESCRIPTORS], size_t count, const struct rlimit *before)
{
    for (size_t i = 0; i < count; i++)
        (void)close(taken[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

/* The one in front is reset, by the descriptor in reserve; after a pause the next one is, too. */
static void test_without_descriptors_clients_are_not_left_waiting(void **state)
{
    int first = new_socket();
    int second = new_socket();
    int taken[DESCRIPTORS];
    struct rlimit before;
    size_t count;
    int leg;

    start(text, 10);
    count = take_all(taken, &before);
    connect_on(first, PORT);
    assert_hears(first, "reset");
    connect_on(second, PORT);
    assert_hears(second, "reset");
    give_all_back(taken, count, &before);
    (void)close(first);
    (void)close(second);
    begin(PORT, &first, &leg);
    end(first, leg);
    assert_int_equal(
        log_count(log_caught(), "warning accept-paused message=\"Too many open files\""), 2);
}

/* ---- Another plan ---- */

static const char later[] = IMAP("one", "1001", "lost") IMAP("two", "1002", "good") GOOD LOST;

static void test_goes_over_to_another_plan(void **state)
{
    int old;
    int old_leg;
    int client;
    int leg;

    start(text, 10);
    begin(PORT, &old, &old_leg);
    switch_to(later, 10);
    begin(OTHER_PORT, &client, &leg); /* so it has been carried out */
    end(client, leg);
    assert_false(is_listening(TLS_PORT));
    client = connect_to(PORT); /* the same socket, served as the new one says */
    assert_memory_equal(hear(client), "* BYE ", 6);
    assert_ends(client);
    say(old_leg, "* BYE later\r\n"); /* the session of before goes on as it began */
    assert_hears(old, "* BYE later\r\n");
    end(old, old_leg);
}

static void test_the_limit_is_that_of_the_plan(void **state)
{
    int clients[2];
    int legs[2];

    start(text, 1);
    begin(PORT, &clients[0], &legs[0]);
    switch_to(later, 2);
    begin(OTHER_PORT, &clients[1], &legs[1]);
    end(clients[0], legs[0]);
    end(clients[1], legs[1]);
}

/* It waits while there are no descriptors, and meanwhile its door is to be closed. */
static void test_a_door_that_closes_serves_who_waits(void **state)
{
    int first = new_socket();
    int second = new_socket();
    int taken[DESCRIPTORS];
    struct rlimit before;
    size_t count;
    int leg;

    start(text, 10);
    count = take_all(taken, &before);
    connect_on(first, PORT);
    assert_hears(first, "reset");
    connect_on(second, PORT);
    give_all_back(taken, count, &before);
    switch_to(IMAP("two", "1002", "good") GOOD, 10);
    greet(second, &leg);
    end(second, leg);
    (void)close(first);
    begin(OTHER_PORT, &first, &leg);
    end(first, leg);
    assert_false(is_listening(PORT));
}

/* Else the next plan could not bind an address that collides with one of the last. */
static void test_a_switch_is_over_when_it_returns(void **state)
{
    enum { ROUNDS = 50 };

    start(text, 10);
    for (int i = 0; i < ROUNDS; i++) {
        switch_to(IMAP("two", "1002", "good") GOOD, 10);
        assert_false(is_listening(PORT));
        switch_to(text, 10);
        assert_true(is_listening(PORT));
    }
}

static void test_stops(void **state)
{
    start(text, 10);
    assert_true(is_listening(PORT));
    acceptor_stop(&acceptor, ACCEPTOR_TURN_AWAY);
    assert_null(acceptor);
    assert_false(is_listening(PORT));
    assert_false(is_listening(TLS_PORT));
    acceptor_stop(&acceptor, ACCEPTOR_TURN_AWAY);
}

/* Another process accepts from the same socket. */
static void test_leaves_the_queue_to_another(void **state)
{
    struct plan *plan = plan_of(text, 10);
    int other = dup(plan->doors[0].fd);
    int client;
    int leg;

    assert_true(acceptor_start(acceptor, workers, WORKERS, &plan));
    acceptor_stop(&acceptor, ACCEPTOR_LEAVE);
    client = connect_to(PORT);
    assert_int_equal(fcntl(other, F_SETFL, 0), 0);
    leg = accept_from(other);
    say(leg, "hello\n");
    assert_hears(client, "hello\n");
    (void)close(leg);
    (void)close(client);
    (void)close(other);
}

/* A start that fails behind it: its plan is the caller's, and nothing is left. */
static void test_stops_before_it_has_started(void **state)
{
    struct plan *plan = plan_of(text, 10);

    acceptor_stop(&acceptor, ACCEPTOR_TURN_AWAY);
    plan_free(&plan);
    assert_false(is_listening(PORT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_the_worker_with_the_fewest_has_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_connection_has_its_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_connection_has_its_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_over_the_limit_they_are_turned_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_without_descriptors_clients_are_not_left_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_over_to_another_plan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit_is_that_of_the_plan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_door_that_closes_serves_who_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_switch_is_over_when_it_returns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leaves_the_queue_to_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_before_it_has_started, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
