/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/balance.h"
#include <stdio.h>
#include <string.h>

enum { PICKS = 100000, METHODS = BALANCE_ADDRESS_HASH + 1 };

static struct balance_table table;
static uint64_t random_state;

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static struct address address_of(const char *ip, uint16_t port)
{
    struct address address;

    assert_true(address_parse_ip(slice_from(ip), port, &address));
    return address;
}

static struct address random_client(void)
{
    char text[32];
    uint64_t bits = next_random();

    (void)snprintf(text, sizeof(text), "%u.%u.%u.%u", (unsigned)(bits >> 8 & 0xff),
        (unsigned)(bits >> 16 & 0xff), (unsigned)(bits >> 24 & 0xff),
        (unsigned)(bits >> 32 & 0xff));
    return address_of(text, (uint16_t)(bits >> 40));
}

static uint64_t random_key(void)
{
    struct address client = random_client();

    return balance_key(&client);
}

static struct balance_server server(unsigned number, unsigned weight)
{
    char name[16];
    char ip[16];
    struct address address;

    (void)snprintf(name, sizeof(name), "s%u", number);
    (void)snprintf(ip, sizeof(ip), "10.0.0.%u", number);
    address = address_of(ip, 25);
    return (struct balance_server){.is_listed = true,
        .weight = weight,
        .identity = balance_identity(slice_from(name), &address)};
}

static void set_up(enum config_balance method, size_t count, const unsigned *weights)
{
    balance_free(&table);
    table = (struct balance_table){.method = method, .health = {.rise = 2, .fall = 3}};
    assert_true(balance_reserve(&table, count));
    table.count = count;
    for (size_t i = 0; i < count; i++)
        table.servers[i] = server((unsigned)i + 1, weights ? weights[i] : 1);
    balance_update_all(&table);
    random_state = UINT64_C(0x9e3779b97f4a7c15);
}

/* Any test may have changed anything since the last choice. */
static int choose(
    struct balance_table *from, const struct balance_tried *tried, uint64_t key, uint64_t now_ms)
{
    balance_update_all(from);
    return balance_pick(from, tried, key, now_ms);
}

static int pick(uint64_t now_ms)
{
    static const struct balance_tried nothing;

    return choose(&table, &nothing, random_key(), now_ms);
}

static void mark_down(size_t i, uint64_t now_ms)
{
    for (int failure = 0; failure < 3; failure++)
        (void)health_note(&table.servers[i].health, &table.health, HEALTH_SESSION_FAILED, now_ms);
}

/* Within five of a hundred of its share. */
static void assert_share(unsigned count, unsigned weight, unsigned total)
{
    unsigned expected = PICKS / total * weight;

    assert_in_range(count, expected - expected / 20, expected + expected / 20);
}

static void test_every_method_distributes_by_weight(void **state)
{
    static const unsigned weights[] = {1, 2, 3, 10, 4};

    for (unsigned method = 0; method < METHODS; method++) {
        unsigned counts[5] = {0};

        set_up((enum config_balance)method, 5, weights);
        for (int i = 0; i < PICKS; i++) {
            int chosen = pick(0);

            assert_in_range(chosen, 0, 4);
            counts[chosen]++;
            table.servers[chosen].sessions++;
        }
        for (int i = 0; i < 5; i++)
            assert_share(counts[i], weights[i], 20);
    }
}

static void test_round_robin_is_smooth(void **state)
{
    static const unsigned weights[] = {2, 1};
    static const int expected[] = {0, 1, 0, 0, 1, 0};

    set_up(BALANCE_ROUND_ROBIN, 2, weights);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(pick(0), expected[i]);
}

static void test_least_sessions_looks_at_what_is_open_now(void **state)
{
    static const unsigned weights[] = {1, 1, 2};

    set_up(BALANCE_LEAST_SESSIONS, 3, weights);
    table.servers[0].sessions = 5;
    table.servers[1].sessions = 4;
    table.servers[2].sessions = 9;
    assert_int_equal(pick(0), 1);
    table.servers[2].sessions = 7;
    assert_int_equal(pick(0), 2);
}

static void test_least_sessions_takes_ties_in_turn(void **state)
{
    static const unsigned weights[] = {1, 1, 2};
    unsigned counts[3] = {0};

    set_up(BALANCE_LEAST_SESSIONS, 3, weights);
    for (int i = 0; i < 40; i++)
        counts[pick(0)]++;
    assert_int_equal(counts[0], 10);
    assert_int_equal(counts[1], 10);
    assert_int_equal(counts[2], 20);
}

static void test_a_client_keeps_its_server(void **state)
{
    struct balance_tried nothing = {0};

    set_up(BALANCE_ADDRESS_HASH, 10, NULL);
    for (int i = 0; i < 1000; i++) {
        struct address client = random_client();
        int first = balance_pick(&table, &nothing, balance_key(&client), 0);

        client.socket.v4.sin_port = (in_port_t)next_random();
        table.servers[first].sessions++;
        assert_int_equal(balance_pick(&table, &nothing, balance_key(&client), 0), first);
    }
}

/* Removing a server moves its keys and no others, wherever the others then stand in the list. */
static void test_a_removed_server_moves_only_its_own_keys(void **state)
{
    struct balance_tried nothing = {0};
    struct balance_table fewer = {.method = BALANCE_ADDRESS_HASH};
    unsigned moved = 0;

    set_up(BALANCE_ADDRESS_HASH, 10, NULL);
    assert_true(balance_reserve(&fewer, 9));
    fewer.count = 9;
    for (size_t i = 0; i < 9; i++)
        fewer.servers[i] = table.servers[i < 3 ? i : i + 1];
    balance_update_all(&fewer);
    for (int i = 0; i < PICKS; i++) {
        uint64_t key = random_key();
        int before = balance_pick(&table, &nothing, key, 0);
        int after = balance_pick(&fewer, &nothing, key, 0);

        if (table.servers[before].identity == fewer.servers[after].identity)
            continue;
        assert_int_equal(before, 3);
        moved++;
    }
    assert_in_range(moved, 1, PICKS * 12 / 100);
    balance_free(&fewer);
}

static void test_a_server_that_is_down_moves_only_its_own_keys(void **state)
{
    struct balance_tried nothing = {0};
    struct balance_table without = {.method = BALANCE_ADDRESS_HASH};
    unsigned moved = 0;

    set_up(BALANCE_ADDRESS_HASH, 10, NULL);
    assert_true(balance_reserve(&without, 10));
    without.count = 10;
    for (size_t i = 0; i < 10; i++)
        without.servers[i] = table.servers[i];
    without.servers[6].state = SERVER_DRAIN;
    balance_update_all(&without);
    for (int i = 0; i < PICKS; i++) {
        uint64_t key = random_key();
        int before = balance_pick(&table, &nothing, key, 0);

        if (balance_pick(&without, &nothing, key, 0) == before)
            continue;
        assert_int_equal(before, 6);
        moved++;
    }
    assert_in_range(moved, 1, PICKS * 12 / 100);
    balance_free(&without);
}

static struct balance_tried random_tried(void)
{
    uint64_t bits = next_random() & next_random();
    struct balance_tried tried = {0};

    for (size_t i = 0; i < 12; i++) {
        if ((bits >> i & 1) != 0)
            balance_mark_tried(&tried, i);
    }
    return tried;
}

/* Tables of chance; whatever is chosen could be chosen. */
static void test_never_one_that_may_not_be_chosen(void **state)
{
    for (unsigned method = 0; method < METHODS; method++) {
        set_up((enum config_balance)method, 12, NULL);
        for (int round = 0; round < 20000; round++) {
            struct balance_tried tried = random_tried();
            size_t i = next_random() % 12;
            struct balance_server *it = &table.servers[i];
            const struct balance_server *other;
            int chosen;

            it->is_listed = next_random() % 8 != 0;
            it->backup = next_random() % 4 == 0;
            it->state = (enum config_server_state)(next_random() % 3);
            it->sessions = (uint32_t)(next_random() % 4);
            it->max_sessions = (uint32_t)(next_random() % 4);
            it->health = (struct health){0};
            if (next_random() % 4 == 0)
                mark_down(i, 0);
            chosen = choose(&table, &tried, next_random(), HEALTH_HOLD_FIRST_MS - 1);
            if (chosen < 0) {
                balance_end_tried(&tried);
                continue;
            }
            other = &table.servers[chosen];
            assert_true(other->is_listed);
            assert_int_equal(other->state, SERVER_READY);
            if (other->health.is_down) /* the last resort */
                assert_false(balance_has_other(&table, &tried));
            assert_false(balance_has_tried(&tried, (size_t)chosen));
            balance_end_tried(&tried);
            assert_true(other->max_sessions == 0 || other->sessions < other->max_sessions);
        }
    }
}

static void test_backups_serve_when_no_other_can(void **state)
{
    for (unsigned method = 0; method < METHODS; method++) {
        set_up((enum config_balance)method, 3, NULL);
        table.servers[0].backup = true;
        for (int i = 0; i < 100; i++)
            assert_int_not_equal(pick(0), 0);
        mark_down(1, 0);
        for (int i = 0; i < 100; i++)
            assert_int_equal(pick(0), 2);
        table.servers[2].state = SERVER_MAINTENANCE;
        assert_int_equal(pick(0), 0);
        table.servers[0].state = SERVER_DRAIN;
        assert_int_equal(pick(0), 1); /* marked, and the last resort */
        table.servers[1].state = SERVER_DRAIN;
        assert_int_equal(pick(0), BALANCE_NONE);
    }
}

static void test_full_servers_are_waited_for_and_not_replaced(void **state)
{
    set_up(BALANCE_ROUND_ROBIN, 3, NULL);
    table.servers[2].backup = true;
    table.servers[0].max_sessions = table.servers[0].sessions = 2;
    assert_int_equal(pick(0), 1);
    assert_int_equal(pick(0), 1);
    table.servers[1].max_sessions = table.servers[1].sessions = 1;
    assert_int_equal(pick(0), BALANCE_FULL);
    table.servers[0].sessions--;
    assert_int_equal(pick(0), 0);
    mark_down(0, 0);
    mark_down(1, 0);
    assert_int_equal(pick(0), 2);
    table.servers[2].max_sessions = table.servers[2].sessions = 1;
    assert_int_equal(pick(0), BALANCE_FULL);
}

static void test_a_server_on_trial_takes_one_session(void **state)
{
    set_up(BALANCE_LEAST_SESSIONS, 2, NULL);
    mark_down(0, 0);
    table.servers[1].sessions = 100; /* least-sessions would choose the other one */
    assert_int_equal(pick(HEALTH_HOLD_FIRST_MS - 1), 1);
    assert_int_equal(pick(HEALTH_HOLD_FIRST_MS), 0);
    assert_true(health_begin_trial(&table.servers[0].health));
    assert_int_equal(pick(HEALTH_HOLD_FIRST_MS), 1);
    health_end_trial(&table.servers[0].health);
    table.servers[0].max_sessions = table.servers[0].sessions = 1;
    assert_int_equal(pick(HEALTH_HOLD_FIRST_MS), 1);
}

/* Marks steer; they do not refuse. The one that failed longest ago comes first (C126). */
static void test_the_last_servers_are_tried_whatever_their_marks(void **state)
{
    struct balance_tried tried = {0};

    set_up(BALANCE_ROUND_ROBIN, 3, NULL);
    mark_down(0, 300);
    mark_down(1, 100);
    mark_down(2, 200);
    for (int i = 0; i < 3; i++) {
        static const int order[] = {1, 2, 0};

        assert_int_equal(choose(&table, &tried, 0, 301), order[i]);
        balance_mark_tried(&tried, (size_t)order[i]);
    }
    assert_int_equal(choose(&table, &tried, 0, 301), BALANCE_NONE);
    assert_int_equal(balance_tried_count(&tried), 3);
    balance_forget_tried(&tried, &tried);
    assert_int_equal(balance_tried_count(&tried), 0);
    for (int i = 0; i < 3; i++)
        table.servers[i].max_sessions = table.servers[i].sessions = 1;
    assert_int_equal(choose(&table, &tried, 0, 301), BALANCE_FULL);
}

static void test_a_failed_check_says_no(void **state)
{
    set_up(BALANCE_ROUND_ROBIN, 1, NULL);
    table.health.is_checked = true;
    mark_down(0, 0);
    assert_int_equal(pick(1), 0); /* by sessions alone */
    table.servers[0].health.check_failed = true;
    assert_int_equal(pick(1), BALANCE_NONE);
}

static unsigned share_of_first(uint64_t now_ms)
{
    unsigned count = 0;

    for (int i = 0; i < 17 * 1024; i++)
        count += pick(now_ms) == 0;
    return count;
}

static void test_slow_start_grows_from_a_sixteenth_to_the_whole(void **state)
{
    unsigned half;

    set_up(BALANCE_ROUND_ROBIN, 2, NULL);
    table.servers[0].slow_start_ms = 30000;
    table.servers[0].health.up_since_ms = 1000;
    assert_int_equal(share_of_first(1000), 1024);
    half = share_of_first(16000);
    assert_in_range(half, 17 * 1024 * 33 / 100, 17 * 1024 * 36 / 100);
    assert_in_range(share_of_first(31000), 17 * 512 - 1, 17 * 512 + 1);
    table.servers[0].health.up_since_ms = 0;
    assert_in_range(share_of_first(0), 17 * 512 - 1, 17 * 512 + 1);
}

static void test_slow_start_holds_for_every_method(void **state)
{
    for (unsigned method = 0; method < METHODS; method++) {
        unsigned count = 0;

        set_up((enum config_balance)method, 2, NULL);
        table.servers[0].slow_start_ms = 30000;
        table.servers[0].health.up_since_ms = 1000;
        for (int i = 0; i < 17 * 1024; i++) {
            int chosen = pick(1000);

            table.servers[chosen].sessions++;
            count += chosen == 0;
        }
        assert_in_range(count, 1024 - 51, 1024 + 51);
    }
}

static bool may_return(void)
{
    balance_update_all(&table);
    return balance_may_return(&table, 0);
}

static void test_an_open_session_may_return_to_a_draining_server(void **state)
{
    set_up(BALANCE_ROUND_ROBIN, 1, NULL);
    assert_true(may_return());
    table.servers[0].state = SERVER_DRAIN;
    assert_true(may_return());
    table.servers[0].state = SERVER_MAINTENANCE;
    assert_false(may_return());
    table.servers[0].state = SERVER_READY;
    table.servers[0].max_sessions = table.servers[0].sessions = 1;
    assert_true(may_return()); /* to the place that it has */
    table.servers[0].max_sessions = 0;
    mark_down(0, 0);
    assert_true(may_return()); /* as to the last resort */
    assert_true(balance_reserve(&table, 2));
    table.count = 2;
    table.servers[1] = table.servers[0];
    table.servers[1].health = (struct health){0};
    assert_false(may_return());
    table.count = 1;
    table.health.is_checked = table.servers[0].health.check_failed = true;
    assert_false(may_return());
    table.servers[0].health = (struct health){0};
    table.servers[0].is_listed = false;
    assert_false(may_return());
}

static void test_an_empty_table_has_nobody(void **state)
{
    for (unsigned method = 0; method < METHODS; method++) {
        set_up((enum config_balance)method, 0, NULL);
        assert_int_equal(pick(0), BALANCE_NONE);
    }
}

static int tear_down(void **state)
{
    balance_free(&table);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_distributes_by_weight),
        cmocka_unit_test(test_round_robin_is_smooth),
        cmocka_unit_test(test_least_sessions_looks_at_what_is_open_now),
        cmocka_unit_test(test_least_sessions_takes_ties_in_turn),
        cmocka_unit_test(test_a_client_keeps_its_server),
        cmocka_unit_test(test_a_removed_server_moves_only_its_own_keys),
        cmocka_unit_test(test_a_server_that_is_down_moves_only_its_own_keys),
        cmocka_unit_test(test_never_one_that_may_not_be_chosen),
        cmocka_unit_test(test_backups_serve_when_no_other_can),
        cmocka_unit_test(test_full_servers_are_waited_for_and_not_replaced),
        cmocka_unit_test(test_a_server_on_trial_takes_one_session),
        cmocka_unit_test(test_the_last_servers_are_tried_whatever_their_marks),
        cmocka_unit_test(test_a_failed_check_says_no),
        cmocka_unit_test(test_slow_start_grows_from_a_sixteenth_to_the_whole),
        cmocka_unit_test(test_slow_start_holds_for_every_method),
        cmocka_unit_test(test_an_open_session_may_return_to_a_draining_server),
        cmocka_unit_test(test_an_empty_table_has_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
