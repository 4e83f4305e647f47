/*
 * The balancer beside a plain one, which looks at each server for each choice: both must choose the
 * same, whatever has happened.
 */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/balance.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVERS_MAX = 1024, SLOW_MS = 6400 };

static struct balance_table table;
static int64_t credits[SERVERS_MAX]; /* of the plain one */
static uint64_t now_ms;
static uint64_t random_state;

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static void set_up(enum config_balance method, size_t count, unsigned weight_max)
{
    balance_free(&table);
    table = (struct balance_table){.method = method, .health = {.rise = 1, .fall = 1}};
    random_state = UINT64_C(0x9e3779b97f4a7c15);
    now_ms = 1000;
    memset(credits, 0, sizeof(credits));
    assert_true(balance_reserve(&table, count));
    table.count = count;
    for (size_t i = 0; i < count; i++)
        table.servers[i] = (struct balance_server){.is_listed = true,
            .weight = 1 + (unsigned)next_random(weight_max),
            .identity = next_random(UINT64_MAX)};
    balance_update_all(&table);
}

/* ---- The plain one ---- */

static bool has_room(const struct balance_server *server)
{
    return server->max_sessions == 0 || server->sessions < server->max_sessions;
}

static uint64_t share_of(const struct balance_server *server)
{
    uint64_t up_ms = now_ms - server->health.up_since_ms;

    if (server->health.up_since_ms > 0 && up_ms < server->slow_start_ms)
        return server->weight * (4 + 60 * up_ms / server->slow_start_ms);
    return server->weight * UINT64_C(64);
}

static bool is_open(const struct balance_tried *tried, size_t i)
{
    const struct balance_server *server = &table.servers[i];

    return server->is_listed && server->state == SERVER_READY && !balance_has_tried(tried, i);
}

/* Writes which may be chosen among the backups or the others. Returns how many there are. */
static size_t collect(
    const struct balance_tried *tried, bool backup, size_t found[SERVERS_MAX], bool *is_full)
{
    size_t count = 0;

    *is_full = false;
    for (size_t i = 0; i < table.count; i++) {
        const struct balance_server *server = &table.servers[i];

        if (!is_open(tried, i) || server->backup != backup ||
            !health_allows(&server->health, &table.health, now_ms))
            continue;
        if (has_room(server))
            found[count++] = i;
        else if (!server->health.is_down)
            *is_full = true;
    }
    return count;
}

static int plain_turn(const size_t *found, size_t count)
{
    size_t best = found[0];
    int64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        credits[found[i]] += (int64_t)share_of(&table.servers[found[i]]);
        total += (int64_t)share_of(&table.servers[found[i]]);
        if (credits[found[i]] > credits[best])
            best = found[i];
    }
    credits[best] -= total;
    return (int)best;
}

static int plain_marked(const struct balance_tried *tried)
{
    int best = BALANCE_NONE;

    for (size_t i = 0; i < table.count; i++) {
        const struct balance_server *server = &table.servers[i];

        if (!is_open(tried, i) || !health_allows_last(&server->health, &table.health))
            continue;
        if (!has_room(server))
            best = best == BALANCE_NONE ? BALANCE_FULL : best;
        else if (best < 0 || server->health.failed_ms < table.servers[best].health.failed_ms)
            best = (int)i;
    }
    return best;
}

/* As few sessions for its share as any other that may be chosen. */
static void assert_least(const size_t *found, size_t count, size_t picked)
{
    const struct balance_server *it = &table.servers[picked];

    for (size_t i = 0; i < count; i++) {
        const struct balance_server *other = &table.servers[found[i]];

        assert_true(it->sessions * share_of(other) <= other->sessions * share_of(it));
    }
}

static void assert_picked(const struct balance_tried *tried, int picked)
{
    static size_t found[SERVERS_MAX];
    bool is_full;

    for (int backup = 0; backup <= 1; backup++) {
        size_t count = collect(tried, backup == 1, found, &is_full);

        if (count > 0 && table.method == BALANCE_ROUND_ROBIN) {
            assert_int_equal(picked, plain_turn(found, count));
        } else if (count > 0) {
            assert_true(picked >= 0 && (table.servers[picked].backup == (backup == 1)));
            assert_least(found, count, (size_t)picked);
        } else if (is_full) {
            assert_int_equal(picked, BALANCE_FULL);
        }
        if (count > 0 || is_full)
            return;
    }
    assert_int_equal(picked, plain_marked(tried));
}

static void assert_known(const struct balance_tried *tried)
{
    struct balance_outlook outlook = balance_outlook(&table);
    uint64_t held_ms = 0;
    size_t up = 0;
    bool has_other = false;

    for (size_t i = 0; i < table.count; i++) {
        const struct balance_server *server = &table.servers[i];
        uint64_t until_ms = server->health.held_until_ms;

        up += server->is_listed && server->state == SERVER_READY && !server->health.is_down;
        if (!is_open(tried, i))
            continue;
        has_other = has_other || (!server->health.is_down && has_room(server));
        if (server->health.is_down && until_ms > now_ms && (held_ms == 0 || until_ms < held_ms))
            held_ms = until_ms;
    }
    assert_int_equal(balance_held_until_ms(&table, tried, now_ms), held_ms);
    assert_int_equal(balance_has_other(&table, tried), has_other);
    assert_int_equal(outlook.up, up);
}

/* ---- What happens ---- */

static void change(size_t i)
{
    struct balance_server *server = &table.servers[i];

    switch (next_random(8)) {
    case 0:
        server->is_listed = next_random(8) != 0;
        break;
    case 1:
        server->backup = next_random(3) == 0;
        break;
    case 2:
        server->state = next_random(4) == 0 ? SERVER_DRAIN : SERVER_READY;
        break;
    case 3:
        server->weight = 1 + (unsigned)next_random(5);
        break;
    case 4:
        server->max_sessions = (uint32_t)next_random(4);
        break;
    case 5:
        (void)health_note(&server->health, &table.health, HEALTH_SESSION_FAILED, now_ms);
        break;
    case 6:
        (void)health_note(&server->health, &table.health, HEALTH_LAST_PASSED, now_ms);
        break;
    default:
        server->slow_start_ms = next_random(2) * SLOW_MS;
        break;
    }
    (void)balance_update(&table, i);
}

/* Sessions begin and end; some have tried servers before. */
static void pick_one(void)
{
    struct balance_tried tried = {0};
    int picked;

    for (size_t i = next_random(16) < 12 ? 0 : next_random(12); i > 0; i--)
        balance_mark_tried(&tried, next_random(table.count));
    assert_known(&tried);
    picked = balance_pick(&table, &tried, next_random(50), now_ms);
    assert_picked(&tried, picked);
    if (picked >= 0) {
        table.servers[picked].sessions++;
        (void)balance_update(&table, (size_t)picked);
    }
    balance_end_tried(&tried);
}

static void end_one(void)
{
    size_t i = next_random(table.count);

    if (table.servers[i].sessions == 0)
        return;
    table.servers[i].sessions--;
    (void)balance_update(&table, i);
}

static void play(unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        pick_one();
        if (next_random(2) == 0)
            end_one();
        if (next_random(4) == 0)
            change(next_random(table.count));
        now_ms += next_random(3) == 0 ? next_random(2000) : 0;
    }
}

static void test_it_chooses_as_one_that_looks_at_all(void **state)
{
    static const size_t counts[] = {1, 2, 3, 7, 33};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        set_up(BALANCE_ROUND_ROBIN, counts[i], 9);
        play(20000);
        set_up(BALANCE_LEAST_SESSIONS, counts[i], 9);
        play(20000);
    }
}

/* Each weight another one, so that each is overtaken by others again and again. */
static void test_turns_among_many_of_different_weights(void **state)
{
    static const struct balance_tried nothing;

    set_up(BALANCE_ROUND_ROBIN, 1000, 1);
    for (size_t i = 0; i < 1000; i++)
        table.servers[i].weight = 1 + (unsigned)(i * 379 % 1000);
    balance_update_all(&table);
    for (unsigned i = 0; i < 5000; i++)
        assert_picked(&nothing, balance_pick(&table, &nothing, 0, now_ms));
}

/* While its sessions were long the others had the turns. It does not get as many in return. */
static void test_one_that_was_busy_takes_turns_again(void **state)
{
    static const struct balance_tried nothing;
    unsigned counts[3] = {0};

    set_up(BALANCE_LEAST_SESSIONS, 3, 1);
    table.servers[0].sessions = 10;
    (void)balance_update(&table, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(balance_pick(&table, &nothing, 0, now_ms), 0);
    table.servers[0].sessions = 0;
    (void)balance_update(&table, 0);
    for (int i = 0; i < 12; i++)
        counts[balance_pick(&table, &nothing, 0, now_ms)]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], 3, 5);
}

static void test_servers_that_are_added_take_their_turns(void **state)
{
    set_up(BALANCE_ROUND_ROBIN, 1, 1);
    for (size_t count = 2; count <= 65; count++) {
        assert_true(balance_reserve(&table, count));
        table.count = count;
        table.servers[count - 1] = (struct balance_server){.is_listed = true, .weight = 1};
        (void)balance_update(&table, count - 1);
        play(20);
    }
}

/* No choice is remembered for longer than it is right. */
static void test_a_hash_is_that_of_a_table_without_memory(void **state)
{
    static const struct balance_tried nothing;
    struct balance_table other = {.method = BALANCE_ADDRESS_HASH};

    set_up(BALANCE_ADDRESS_HASH, 33, 9);
    assert_true(balance_reserve(&other, 33));
    other.count = 33;
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t key = next_random(40);
        int picked = balance_pick(&table, &nothing, key, now_ms);

        other.health = table.health;
        for (size_t i = 0; i < 33; i++)
            other.servers[i] = table.servers[i];
        balance_update_all(&other);
        assert_int_equal(picked, balance_pick(&other, &nothing, key, now_ms));
        if (next_random(4) == 0)
            change(next_random(33));
        now_ms += next_random(8) == 0 ? next_random(2000) : 0;
    }
    balance_free(&other);
}

static void test_one_more_than_there_may_be_is_refused(void **state)
{
    set_up(BALANCE_ROUND_ROBIN, 1, 1);
    assert_false(balance_reserve(&table, BALANCE_SERVERS_MAX + 1));
    assert_true(balance_reserve(&table, BALANCE_SERVERS_MAX));
    table.count = BALANCE_SERVERS_MAX;
    for (size_t i = 0; i < BALANCE_SERVERS_MAX; i++)
        table.servers[i] = (struct balance_server){.is_listed = true, .weight = 1};
    balance_update_all(&table);
    for (size_t i = 0; i < BALANCE_SERVERS_MAX; i++) {
        static const struct balance_tried nothing;

        assert_int_equal(balance_pick(&table, &nothing, 0, now_ms), i);
    }
}

static void test_what_was_tried_is_kept_however_much_it_is(void **state)
{
    struct balance_tried tried = {0};
    struct balance_tried odd = {0};

    for (size_t i = 0; i < 200; i++) {
        balance_mark_tried(&tried, i * 3);
        balance_mark_tried(&tried, i * 3);
        if (i % 2 != 0)
            balance_mark_tried(&odd, i * 3);
    }
    assert_int_equal(balance_tried_count(&tried), 200);
    balance_forget_tried(&tried, &odd);
    assert_int_equal(balance_tried_count(&tried), 100);
    for (size_t i = 0; i < 600; i++)
        assert_int_equal(balance_has_tried(&tried, i), i % 6 == 0);
    balance_end_tried(&tried);
    balance_end_tried(&odd);
}

static int tear_down(void **state)
{
    balance_free(&table);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_chooses_as_one_that_looks_at_all),
        cmocka_unit_test(test_turns_among_many_of_different_weights),
        cmocka_unit_test(test_one_that_was_busy_takes_turns_again),
        cmocka_unit_test(test_servers_that_are_added_take_their_turns),
        cmocka_unit_test(test_a_hash_is_that_of_a_table_without_memory),
        cmocka_unit_test(test_one_more_than_there_may_be_is_refused),
        cmocka_unit_test(test_what_was_tried_is_kept_however_much_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
