/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool.h"
#include <stdlib.h>
#include <string.h>

/* A waiter that counts how often it was woken. */
struct session {
    struct pool_waiter waiter;
    struct pool_choice choice;
    unsigned woken;
};

static struct pool *pool;

static void on_wake(struct pool_waiter *waiter)
{
    LIST_ENTRY(waiter, struct session, waiter)->woken++;
}

static struct config *parse(const char *backend)
{
    static char text[2048];
    struct config_report report;
    struct config *parsed;

    (void)snprintf(text, sizeof(text),
        "[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\n%s", backend);
    if (!config_parse_bytes("x.ini", slice_from(text), &parsed, &report))
        fail_msg("%s", report.problems[0].text);
    config_report_free(&report);
    return parsed;
}

/* The old configuration is gone before the pool is used again. */
static void configure(const char *backend, uint64_t now_ms)
{
    struct config *next = parse(backend);

    assert_true(pool_configure(pool, &next->backends[0], now_ms));
    config_free(&next);
}

static int set_up(void **state)
{
    pool = pool_new("mta");
    assert_non_null(pool);
    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    return 0;
}

static int tear_down(void **state)
{
    pool_unref(&pool);
    assert_null(pool);
    return 0;
}

static struct session begin(void)
{
    struct session session = {.woken = 0};

    pool_waiter_init(&session.waiter, 7, on_wake);
    return session;
}

static enum pool_answer pick_at(struct session *session, uint64_t now_ms)
{
    pool_waiter_init(&session->waiter, 7, on_wake);
    session->woken = 0;
    return pool_pick(pool, &session->waiter, now_ms, &session->choice);
}

static enum pool_answer pick(struct session *session)
{
    return pick_at(session, 1);
}

static void release(struct session *session)
{
    pool_release(pool, &session->choice, 1);
}

static void assert_gets(struct session *session, const char *name)
{
    assert_int_equal(pick(session), POOL_CHOSEN);
    assert_string_equal(session->choice.name, name);
}

/* By name; it must be there. */
static size_t slot_of(const char *name, struct pool_server *server)
{
    for (size_t i = 0; i < BALANCE_SERVERS_MAX; i++) {
        if (pool_look(pool, i, server) && strcmp(server->name, name) == 0)
            return i;
    }
    fail_msg("there is no server %s", name);
    return 0;
}

static bool is_there(const char *name)
{
    struct pool_server server;

    for (size_t i = 0; i < BALANCE_SERVERS_MAX; i++) {
        if (pool_look(pool, i, &server) && strcmp(server.name, name) == 0)
            return true;
    }
    return false;
}

static void take_down(const char *name, uint64_t now_ms)
{
    struct pool_server server;
    size_t slot = slot_of(name, &server);

    for (int i = 0; i < 3; i++)
        pool_note_check(pool, slot, server.generation, "silent", now_ms);
    (void)slot_of(name, &server);
    assert_true(server.health.is_down);
}

static void test_an_empty_pool_has_nobody(void **state)
{
    struct session session;

    assert_int_equal(pick(&session), POOL_NONE);
}

static void test_counts_the_sessions_of_a_server(void **state)
{
    struct session sessions[3];
    struct pool_server server;

    configure("server = a 10.0.0.1:25\n", 1);
    for (int i = 0; i < 3; i++)
        assert_gets(&sessions[i], "a");
    (void)slot_of("a", &server);
    assert_int_equal(server.sessions, 3);
    for (int i = 0; i < 3; i++)
        release(&sessions[i]);
    (void)slot_of("a", &server);
    assert_int_equal(server.sessions, 0);
}

static void test_a_session_tries_each_server_once(void **state)
{
    struct session session = begin();

    configure("server = a 10.0.0.1:25\nserver = b 10.0.0.2:25\n", 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pool_pick(pool, &session.waiter, 1, &session.choice), POOL_CHOSEN);
        release(&session);
    }
    assert_int_equal(pool_pick(pool, &session.waiter, 1, &session.choice), POOL_NONE);
}

static void test_a_server_that_stays_keeps_its_marks_and_sessions(void **state)
{
    struct session session;
    struct pool_server before;
    struct pool_server after;
    size_t slot;

    configure("server = a 10.0.0.1:25\nserver = b 10.0.0.2:25\n", 1);
    assert_gets(&session, "a");
    slot = slot_of("a", &before);
    pool_note_check(pool, slot, before.generation, "silent", 1);
    take_down("b", 1);
    configure("server = c 10.0.0.3:25\nserver = b 10.0.0.2:25\nserver = a 10.0.0.1:25 backup\n", 1);
    assert_int_equal(slot_of("a", &after), slot);
    assert_int_equal(after.generation, before.generation);
    assert_int_equal(after.sessions, 1);
    assert_int_equal(after.health.failures, 1);
    assert_true(after.backup);
    (void)slot_of("b", &after);
    assert_true(after.health.is_down);
    assert_string_equal(session.choice.name, "a");
    release(&session);
    assert_gets(&session, "c");
    release(&session);
}

static void test_a_removed_server_gets_no_session_and_lives_until_its_last(void **state)
{
    struct session old;
    struct session other;
    struct pool_server server;
    size_t slot;

    configure("server = a 10.0.0.1:25\n", 1);
    assert_gets(&old, "a");
    slot = slot_of("a", &server);
    configure("server = b 10.0.0.2:25\n", 1);
    assert_false(is_there("a"));
    assert_int_not_equal(slot_of("b", &server), slot);
    assert_gets(&other, "b");
    release(&other);
    assert_string_equal(old.choice.name, "a");
    pool_note_check(pool, slot, old.choice.generation, "silent", 1);
    pool_note_failed(pool, &old.choice, "too late", 1);
    release(&old);
    configure("server = b 10.0.0.2:25\nserver = c 10.0.0.3:25\n", 1);
    assert_int_equal(slot_of("c", &server), slot);
    assert_int_not_equal(server.generation, old.choice.generation);
    assert_int_equal(server.health.failures, 0);
}

static void test_a_server_at_another_address_is_another(void **state)
{
    struct pool_server server;

    configure("server = a 10.0.0.1:25\n", 1);
    take_down("a", 1);
    configure("server = a 10.0.0.9:25\n", 1);
    (void)slot_of("a", &server);
    assert_false(server.health.is_down);
}

static void test_nobody_goes_back_to_a_slot_that_is_anothers(void **state)
{
    struct session session;

    configure("server = a 10.0.0.1:25\n", 1);
    assert_gets(&session, "a");
    assert_true(pool_may_return(pool, &session.choice));
    release(&session);
    configure("server = b 10.0.0.2:25\n", 1);
    assert_false(pool_may_return(pool, &session.choice));
}

static void test_checks_of_a_slot_that_is_anothers_are_ignored(void **state)
{
    struct pool_server server;
    unsigned before;
    size_t slot;

    configure("server = a 10.0.0.1:25\nfall = 1\n", 1);
    slot = slot_of("a", &server);
    before = server.generation;
    configure("server = b 10.0.0.2:25\nfall = 1\n", 1);
    assert_int_equal(slot_of("b", &server), slot);
    pool_note_check(pool, slot, before, "silent", 1);
    pool_note_check(pool, BALANCE_SERVERS_MAX, before, "silent", 1);
    (void)slot_of("b", &server);
    assert_false(server.health.is_down);
}

static struct address address_of(const char *ip)
{
    struct address address;

    assert_true(address_parse_ip(slice_from(ip), 25, &address));
    return address;
}

static void test_named_servers_have_the_addresses_that_their_name_has(void **state)
{
    struct pool_address first[] = {
        {address_of("10.0.0.1"), 1, false}, {address_of("10.0.0.2"), 1, false}};
    struct pool_address then[] = {
        {address_of("10.0.0.2"), 1, false}, {address_of("10.0.0.3"), 1, false}};
    struct session sessions[2];
    char text[ADDRESS_TEXT_MAX];

    configure("server = a mx.example.org:25\n", 1);
    assert_int_equal(pick(&sessions[0]), POOL_NONE);
    pool_set_addresses(pool, "no-such-server", first, 2, 1);
    assert_int_equal(pick(&sessions[0]), POOL_NONE);
    pool_set_addresses(pool, "a", first, 2, 1);
    for (int i = 0; i < 2; i++) {
        assert_gets(&sessions[i], "a");
        release(&sessions[i]);
    }
    pool_set_addresses(pool, "a", then, 2, 1);
    configure("server = a mx.example.org:25 weight=2\n", 1);
    for (int i = 0; i < 2; i++) {
        assert_gets(&sessions[i], "a");
        assert_string_not_equal(address_text(&sessions[i].choice.address, text), "10.0.0.1:25");
        release(&sessions[i]);
    }
    configure("server = a other.example.org:25\n", 1);
    assert_int_equal(pick(&sessions[0]), POOL_NONE);
}

static void test_addresses_have_weights_and_ranks_of_their_own(void **state)
{
    struct pool_address addresses[] = {{address_of("10.0.0.1"), 3, false},
        {address_of("10.0.0.2"), 1, false}, {address_of("10.0.0.3"), 1, true}};
    struct session sessions[9];
    unsigned served[4] = {0};

    configure("server = a mx.example.org:25\n", 1);
    pool_set_addresses(pool, "a", addresses, 3, 1);
    configure("server = a mx.example.org:25 weight=2\nserver = b 10.0.0.9:25\n", 1);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(pick(&sessions[i]), POOL_CHOSEN);
        served[ntohl(sessions[i].choice.address.socket.v4.sin_addr.s_addr) & 3]++;
        release(&sessions[i]);
    }
    assert_int_equal(served[1], 6 + 1); /* 10.0.0.1 six times, 10.0.0.9 once */
    assert_int_equal(served[2], 2);
    assert_int_equal(served[3], 0);
    addresses[2].backup = false;
    configure("server = a mx.example.org:25\n", 1);
    pool_set_addresses(pool, "a", &addresses[2], 1, 1);
    assert_gets(&sessions[0], "a");
    release(&sessions[0]);
    addresses[2].backup = true;
    pool_set_addresses(pool, "a", &addresses[2], 1, 1);
    configure("server = a mx.example.org:25\nserver = b 10.0.0.9:25\n", 1);
    assert_gets(&sessions[0], "b");
    release(&sessions[0]);
}

static void test_more_addresses_than_there_is_room_for_are_left_out(void **state)
{
    static struct pool_address addresses[BALANCE_SERVERS_MAX + 10];
    struct pool_server server;
    size_t count = 0;

    for (unsigned i = 0; i < BALANCE_SERVERS_MAX + 10; i++) {
        addresses[i] = (struct pool_address){address_of("10.1.0.0"), 1, false};
        addresses[i].address.socket.v4.sin_addr.s_addr = htonl(0x0a010000 + i);
    }
    configure("server = a mx.example.org:25\n", 1);
    pool_set_addresses(pool, "a", addresses, BALANCE_SERVERS_MAX + 10, 1);
    for (size_t i = 0; i < BALANCE_SERVERS_MAX; i++)
        count += pool_look(pool, i, &server);
    assert_int_equal(count, BALANCE_SERVERS_MAX);
    assert_false(pool_look(pool, BALANCE_SERVERS_MAX, &server));
}

static void test_sessions_that_fail_take_a_server_down(void **state)
{
    struct session session;

    configure("server = a 10.0.0.1:25\n", 1);
    for (int i = 0; i < 3; i++) {
        assert_gets(&session, "a");
        assert_int_equal(session.choice.standing, POOL_UP);
        pool_note_failed(pool, &session.choice, "refused", 1);
        release(&session);
    }
    assert_gets(&session, "a"); /* the only one: it is tried all the same */
    assert_int_equal(session.choice.standing, POOL_LAST_RESORT);
    release(&session);
}

static void take_down_by_sessions(const char *name, uint64_t now_ms)
{
    struct session session;
    struct pool_server server;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(pick_at(&session, now_ms), POOL_CHOSEN);
        assert_string_equal(session.choice.name, name);
        pool_note_failed(pool, &session.choice, "refused", now_ms);
        pool_release(pool, &session.choice, now_ms);
    }
    (void)slot_of(name, &server);
    assert_true(server.health.is_down);
}

/* No trial of one session at a time: every session has this server or none. */
static void test_the_last_resort_is_for_all_sessions(void **state)
{
    struct session sessions[2];
    struct pool_server server;

    configure("server = a 10.0.0.1:25\nrise = 2\n", 1);
    take_down_by_sessions("a", 1);
    for (int i = 0; i < 2; i++) {
        assert_gets(&sessions[i], "a");
        assert_int_equal(sessions[i].choice.standing, POOL_LAST_RESORT);
    }
    for (int i = 0; i < 2; i++)
        pool_note_passed(pool, &sessions[i].choice, 2);
    for (int i = 0; i < 2; i++)
        release(&sessions[i]);
    (void)slot_of("a", &server);
    assert_false(server.health.is_down);
}

/* A place that time alone has made: the hold-back of the other server is over. */
static void test_those_who_wait_are_served_when_a_hold_back_ends(void **state)
{
    uint64_t later_ms = 1 + HEALTH_HOLD_FIRST_MS;
    struct session first;
    struct session waiting;

    configure("server = b 10.0.0.2:25\n", 1);
    take_down_by_sessions("b", 1);
    configure("server = a 10.0.0.1:25 max_sessions=1\nserver = b 10.0.0.2:25\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting), POOL_WAITING);
    assert_int_equal(waiting.waiter.held_until_ms, later_ms);
    pool_serve(pool, later_ms - 1);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_WAITING);
    pool_serve(pool, later_ms);
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_CHOSEN);
    assert_string_equal(waiting.choice.name, "b");
    release(&waiting);
    release(&first);
}

/* The server was full and is marked while others wait for it: they hear when they may try it. */
static void test_those_who_wait_hear_of_a_hold_back_that_begins(void **state)
{
    struct session first;
    struct session second;
    struct session waiting;

    configure(
        "server = a 10.0.0.1:25 max_sessions=1\nserver = b 10.0.0.2:25 max_sessions=1\nfall = 1\n",
        1);
    assert_gets(&first, "a");
    assert_gets(&second, "b");
    assert_int_equal(pick(&waiting), POOL_WAITING);
    assert_int_equal(waiting.waiter.held_until_ms, 0);
    pool_note_failed(pool, &second.choice, "it is gone", 1);
    release(&second);
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_WAITING);
    assert_int_equal(waiting.waiter.held_until_ms, 1 + HEALTH_HOLD_FIRST_MS);
    pool_serve(pool, waiting.waiter.held_until_ms);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_CHOSEN);
    assert_string_equal(waiting.choice.name, "b");
    release(&waiting);
    release(&first);
}

static void test_a_retired_pool_keeps_nobody_waiting(void **state)
{
    struct session first;
    struct session waiting;

    configure("server = a 10.0.0.1:25 max_sessions=1\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting), POOL_WAITING);
    pool_retire(pool);
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_NONE);
    assert_int_equal(pick(&waiting), POOL_NONE);
    release(&first);
}

static void test_why_there_is_none_to_try(void **state)
{
    configure("server = a example.org:25\n", 1);
    assert_string_equal(pool_why_none(pool, 0), "no server has an address");
    configure("server = a 10.0.0.1:25 drain\n", 1);
    assert_string_equal(pool_why_none(pool, 0), "all servers are in maintenance or drain");
    configure("server = a 10.0.0.1:25\ncheck = greeting\n", 1);
    assert_string_equal(pool_why_none(pool, 0), "the last check of every server failed");
}

static void test_one_session_at_a_time_tries_a_server_that_is_down(void **state)
{
    uint64_t later_ms = 1 + HEALTH_HOLD_FIRST_MS;
    struct session first;
    struct session second;
    struct pool_server server;

    /* Where the first may not be tried the backup serves. */
    configure("server = a 10.0.0.1:25\nserver = b 10.0.0.2:25 backup\n", 1);
    take_down("a", 1);
    assert_int_equal(pick_at(&first, later_ms - 1), POOL_CHOSEN);
    assert_string_equal(first.choice.name, "b");
    pool_release(pool, &first.choice, later_ms);
    assert_int_equal(pick_at(&first, later_ms), POOL_CHOSEN);
    assert_int_equal(first.choice.standing, POOL_ON_TRIAL);
    assert_int_equal(pick_at(&second, later_ms), POOL_CHOSEN);
    assert_string_equal(second.choice.name, "b");
    pool_release(pool, &second.choice, later_ms);
    pool_release(pool, &first.choice, later_ms); /* without an outcome */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pick_at(&first, later_ms), POOL_CHOSEN);
        assert_int_equal(first.choice.standing, POOL_ON_TRIAL);
        pool_note_passed(pool, &first.choice, later_ms);
        pool_release(pool, &first.choice, later_ms);
    }
    (void)slot_of("a", &server);
    assert_false(server.health.is_down);
    assert_int_equal(server.health.up_since_ms, later_ms);
    assert_int_equal(pick_at(&first, later_ms), POOL_CHOSEN);
    assert_int_equal(pick_at(&second, later_ms), POOL_CHOSEN);
    pool_release(pool, &first.choice, later_ms);
    pool_release(pool, &second.choice, later_ms);
}

static void test_where_there_are_checks_only_they_bring_a_server_up(void **state)
{
    uint64_t later_ms = 1 + HEALTH_HOLD_FIRST_MS;
    struct session session;
    struct pool_server server;
    size_t slot;

    configure("server = a 10.0.0.1:25\ncheck = greeting\n", 1);
    take_down("a", 1);
    assert_int_equal(pick_at(&session, later_ms), POOL_NONE);
    slot = slot_of("a", &server);
    for (int i = 0; i < 2; i++)
        pool_note_check(pool, slot, server.generation, NULL, later_ms);
    assert_int_equal(pick_at(&session, later_ms), POOL_CHOSEN);
    assert_int_equal(session.choice.standing, POOL_UP);
    pool_release(pool, &session.choice, later_ms);
}

/* A check of long ago, before there were none for a while, turns nobody away. */
static void test_a_check_says_nothing_once_checks_are_taken_away(void **state)
{
    struct session session;

    configure("server = a 10.0.0.1:25\ncheck = connect\n", 1);
    take_down("a", 1);
    assert_int_equal(pick(&session), POOL_NONE);
    configure("server = a 10.0.0.1:25\n", 1);
    configure("server = a 10.0.0.1:25\ncheck = connect\n", 1);
    assert_gets(&session, "a");
    release(&session);
}

static void test_maintenance_forgets_the_mark_and_drain_keeps_it(void **state)
{
    struct pool_server server;
    struct session session;

    configure("server = a 10.0.0.1:25 slow_start=10s\nserver = b 10.0.0.2:25\n", 1);
    take_down("a", 1);
    take_down("b", 1);
    configure("server = a 10.0.0.1:25 maintenance\nserver = b 10.0.0.2:25 drain\n", 1);
    assert_int_equal(pick(&session), POOL_NONE);
    take_down("b", 1);
    pool_note_check(pool, slot_of("a", &server), server.generation, "silent", 1);
    configure("server = a 10.0.0.1:25 slow_start=10s\nserver = b 10.0.0.2:25\n", 5);
    (void)slot_of("a", &server);
    assert_false(server.health.is_down);
    assert_int_equal(server.health.failures, 0);
    assert_int_equal(server.health.up_since_ms, 5);
    (void)slot_of("b", &server);
    assert_true(server.health.is_down);
}

/* ---- The queue ---- */

static void test_waiting_sessions_get_their_places_in_order(void **state)
{
    struct session first;
    struct session waiting[3];

    configure("server = a 10.0.0.1:25 max_sessions=1\nqueue_size = 3\n", 1);
    assert_gets(&first, "a");
    for (int i = 0; i < 3; i++)
        assert_int_equal(pick(&waiting[i]), POOL_WAITING);
    for (int i = 0; i < 3; i++) {
        struct session *before = i == 0 ? &first : &waiting[i - 1];

        assert_int_equal(waiting[i].woken, 0);
        assert_int_equal(pool_take(pool, &waiting[i].waiter, &waiting[i].choice), POOL_WAITING);
        release(before);
        assert_int_equal(waiting[i].woken, 1);
        assert_int_equal(pool_take(pool, &waiting[i].waiter, &waiting[i].choice), POOL_CHOSEN);
        assert_string_equal(waiting[i].choice.name, "a");
    }
    release(&waiting[2]);
}

static void test_nobody_gets_in_front_of_those_who_wait(void **state)
{
    struct session first;
    struct session waiting;
    struct session late;

    configure("server = a 10.0.0.1:25 max_sessions=1\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting), POOL_WAITING);
    release(&first);
    assert_int_equal(pick(&late), POOL_WAITING);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_CHOSEN);
    pool_leave(pool, &late.waiter, 1);
    release(&waiting);
    assert_int_equal(late.woken, 0);
}

static void test_the_queue_has_an_end(void **state)
{
    struct session first;
    struct session waiting;
    struct session late;

    configure("server = a 10.0.0.1:25 max_sessions=1\nqueue_size = 1\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting), POOL_WAITING);
    assert_int_equal(pick(&late), POOL_QUEUE_FULL);
    pool_leave(pool, &waiting.waiter, 1);
    pool_leave(pool, &waiting.waiter, 1);
    assert_int_equal(pick(&late), POOL_WAITING);
    pool_leave(pool, &late.waiter, 1);
    configure("server = a 10.0.0.1:25 max_sessions=1\nqueue_size = 0\n", 1);
    assert_int_equal(pick(&late), POOL_QUEUE_FULL);
    release(&first);
}

static void test_who_leaves_with_a_place_passes_it_on(void **state)
{
    struct session first;
    struct session waiting[2];
    struct pool_server server;

    configure("server = a 10.0.0.1:25 max_sessions=1\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting[0]), POOL_WAITING);
    assert_int_equal(pick(&waiting[1]), POOL_WAITING);
    release(&first);
    assert_int_equal(waiting[0].woken, 1);
    assert_int_equal(waiting[1].woken, 0);
    pool_leave(pool, &waiting[0].waiter, 1);
    assert_int_equal(waiting[1].woken, 1);
    pool_leave(pool, &waiting[1].waiter, 1);
    (void)slot_of("a", &server);
    assert_int_equal(server.sessions, 0);
}

static void test_those_who_cannot_use_the_place_let_the_next_have_it(void **state)
{
    struct session on_a;
    struct session on_b;
    struct session has_tried_a;
    struct session next;

    configure("server = a 10.0.0.1:25 max_sessions=1\nserver = b 10.0.0.2:25 max_sessions=1\n", 1);
    assert_gets(&has_tried_a, "a");
    release(&has_tried_a);
    assert_gets(&on_b, "b");
    assert_gets(&on_a, "a");
    assert_int_equal(pool_pick(pool, &has_tried_a.waiter, 1, &has_tried_a.choice), POOL_WAITING);
    assert_int_equal(pick(&next), POOL_WAITING);
    release(&on_a);
    assert_int_equal(pool_take(pool, &has_tried_a.waiter, &has_tried_a.choice), POOL_WAITING);
    assert_int_equal(pool_take(pool, &next.waiter, &next.choice), POOL_CHOSEN);
    assert_string_equal(next.choice.name, "a");
    release(&on_b);
    assert_int_equal(pool_take(pool, &has_tried_a.waiter, &has_tried_a.choice), POOL_CHOSEN);
    assert_string_equal(has_tried_a.choice.name, "b");
    release(&has_tried_a);
    release(&next);
}

/* By its checks, that is: a server that sessions have marked is still waited for. */
static void test_those_who_wait_for_a_server_that_goes_down_are_told(void **state)
{
    struct session first;
    struct session waiting;

    configure("server = a 10.0.0.1:25 max_sessions=1\ncheck = greeting\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting), POOL_WAITING);
    take_down("a", 1);
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(pool_take(pool, &waiting.waiter, &waiting.choice), POOL_NONE);
    release(&first);
}

static void test_a_new_configuration_makes_room(void **state)
{
    struct session first;
    struct session waiting[2];
    struct pool_address address = {address_of("10.0.0.7"), 1, false};

    configure("server = a 10.0.0.1:25 max_sessions=1\n", 1);
    assert_gets(&first, "a");
    assert_int_equal(pick(&waiting[0]), POOL_WAITING);
    assert_int_equal(pick(&waiting[1]), POOL_WAITING);
    configure("server = a 10.0.0.1:25 max_sessions=2\nserver = b mx.example.org:25\n", 1);
    assert_int_equal(pool_take(pool, &waiting[0].waiter, &waiting[0].choice), POOL_CHOSEN);
    assert_string_equal(waiting[0].choice.name, "a");
    assert_int_equal(waiting[1].woken, 0);
    pool_set_addresses(pool, "b", &address, 1, 1);
    assert_int_equal(pool_take(pool, &waiting[1].waiter, &waiting[1].choice), POOL_CHOSEN);
    assert_string_equal(waiting[1].choice.name, "b");
    release(&first);
    release(&waiting[0]);
    release(&waiting[1]);
}

static void test_lives_until_its_last_reference(void **state)
{
    struct pool *other = pool_ref(pool);
    struct session session;

    configure("server = a 10.0.0.1:25\n", 1);
    pool_unref(&other);
    assert_null(other);
    assert_gets(&session, "a");
    release(&session);
    pool_unref(&other);
}

static void test_takes_over_what_was_made_for_a_reload(void **state)
{
    struct pool_address addresses[] = {
        {address_of("10.0.0.7"), 1, false}, {address_of("10.0.0.8"), 5, true}};
    struct config *next = parse("server = n mx.example.org:25\nserver = c 10.0.0.3:25\n"
                                "server = a 10.0.0.1:25 max_sessions=2\nfall = 1\n");
    struct pool *newer = pool_new("mta");
    struct session sessions[2];
    struct pool_server server;
    size_t slot;

    configure("server = a 10.0.0.1:25\nserver = b 10.0.0.2:25\nserver = n mx.example.org:25\n", 1);
    assert_gets(&sessions[0], "a");
    assert_gets(&sessions[1], "b");
    pool_set_addresses(pool, "n", &addresses[0], 1, 1);
    slot = slot_of("a", &server);
    assert_true(pool_configure(newer, &next->backends[0], 1));
    pool_set_addresses(newer, "n", &addresses[1], 1, 1);
    pool_take_over(pool, newer, 1);
    pool_unref(&newer);
    config_free(&next);
    assert_int_equal(slot_of("a", &server), slot);
    assert_int_equal(server.sessions, 1);
    (void)slot_of("n", &server);
    assert_true(address_equal(&server.address, &addresses[1].address));
    assert_true(server.backup);
    assert_true(is_there("c"));
    assert_false(is_there("b"));
    assert_string_equal(sessions[1].choice.name, "b");
    release(&sessions[1]);
    pool_note_failed(pool, &sessions[0].choice, "refused", 1);
    (void)slot_of("a", &server);
    assert_true(server.health.is_down);
    release(&sessions[0]);
    pool_set_addresses(pool, "n", addresses, 2, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_pool_has_nobody),
        TEST(test_counts_the_sessions_of_a_server),
        TEST(test_a_session_tries_each_server_once),
        TEST(test_a_server_that_stays_keeps_its_marks_and_sessions),
        TEST(test_a_removed_server_gets_no_session_and_lives_until_its_last),
        TEST(test_a_server_at_another_address_is_another),
        TEST(test_nobody_goes_back_to_a_slot_that_is_anothers),
        TEST(test_checks_of_a_slot_that_is_anothers_are_ignored),
        TEST(test_named_servers_have_the_addresses_that_their_name_has),
        TEST(test_addresses_have_weights_and_ranks_of_their_own),
        TEST(test_more_addresses_than_there_is_room_for_are_left_out),
        TEST(test_sessions_that_fail_take_a_server_down),
        TEST(test_one_session_at_a_time_tries_a_server_that_is_down),
        TEST(test_the_last_resort_is_for_all_sessions),
        TEST(test_those_who_wait_are_served_when_a_hold_back_ends),
        TEST(test_those_who_wait_hear_of_a_hold_back_that_begins),
        TEST(test_a_retired_pool_keeps_nobody_waiting),
        TEST(test_why_there_is_none_to_try),
        TEST(test_where_there_are_checks_only_they_bring_a_server_up),
        TEST(test_a_check_says_nothing_once_checks_are_taken_away),
        TEST(test_maintenance_forgets_the_mark_and_drain_keeps_it),
        TEST(test_waiting_sessions_get_their_places_in_order),
        TEST(test_nobody_gets_in_front_of_those_who_wait),
        TEST(test_the_queue_has_an_end),
        TEST(test_who_leaves_with_a_place_passes_it_on),
        TEST(test_those_who_cannot_use_the_place_let_the_next_have_it),
        TEST(test_those_who_wait_for_a_server_that_goes_down_are_told),
        TEST(test_a_new_configuration_makes_room),
        TEST(test_takes_over_what_was_made_for_a_reload),
        TEST(test_lives_until_its_last_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
