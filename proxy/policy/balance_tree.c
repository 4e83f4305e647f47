/*
 * The tree of a table: its leaves are the servers, and a node has what is asked of all below it.
 *
 * Turns. In smooth weighted round robin the credit of each server grows by its share in each turn.
 * It is not written down each time: it is a line over the turns, and the first at a node is the
 * highest of these lines, with the turn at which another one crosses it (`until`). So a turn writes
 * one server, and visits the nodes above it and those that a crossing has reached.
 */
#include "balance_parts.h"

#include <stdlib.h>
#include <string.h>

/*
 * Weights are counted in 1/SHARE_WHOLE of the configured unit. In slow start the share of a server
 * grows from SHARE_FIRST to SHARE_WHOLE of these parts.
 */
enum { SHARE_FIRST = 4, SHARE_WHOLE = 64 };

/* What a turn in least-sessions costs a server with a share of 1. */
enum { TURN_COST = 1 << 30 };

/* ---- One server ---- */

static bool has_room(const struct balance_server *server)
{
    return server->max_sessions == 0 || server->sessions < server->max_sessions;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Returns its share at this moment, and when that grows, unless *event_ms is earlier. */
static uint64_t share_at(const struct balance_server *server, uint64_t now_ms, uint64_t *event_ms)
{
    uint64_t slow_ms = server->slow_start_ms;
    uint64_t up_since_ms = server->health.up_since_ms;
    uint64_t up_ms = now_ms > up_since_ms ? now_ms - up_since_ms : 0;
    uint64_t steps = SHARE_WHOLE;

    if (up_since_ms > 0 && up_ms < slow_ms) {
        uint64_t grown = (SHARE_WHOLE - SHARE_FIRST) * up_ms / slow_ms;

        steps = SHARE_FIRST + grown;
        *event_ms = earlier(
            *event_ms, up_since_ms + ((grown + 1) * slow_ms + SHARE_WHOLE - SHARE_FIRST - 1) /
                                         (SHARE_WHOLE - SHARE_FIRST));
    }
    return server->weight * steps;
}

/* Writes the leaf of a server that takes sessions, without its share, and when that may change. */
static void judge_marks(const struct balance_table *table, const struct balance_server *server,
    struct balance_node *leaf)
{
    const struct health *health = &server->health;

    if (!health->is_down) {
        leaf->with_room = has_room(server);
        leaf->full[server->backup] = !has_room(server);
        return;
    }
    if (health->held_until_ms > table->now_ms)
        leaf->event_ms = leaf->held_until_ms = health->held_until_ms;
    if (!health_allows_last(health, &table->health))
        return;
    leaf->marked_full = !has_room(server);
    if (has_room(server))
        leaf->marked = (uint32_t)(server - table->servers);
}

/* Returns the leaf of a server as it is now. */
static struct balance_node judge(const struct balance_table *table, size_t i)
{
    const struct balance_server *server = &table->servers[i];
    struct balance_node leaf = {.until = {NEVER, NEVER},
        .event_ms = NEVER,
        .held_until_ms = NEVER,
        .first = {NO_SERVER, NO_SERVER},
        .marked = NO_SERVER};

    if (i >= table->count || !server->is_listed || server->is_hidden)
        return leaf;
    leaf.listed = 1;
    leaf.down = server->health.is_down;
    leaf.serving = server->state == SERVER_READY;
    if (!leaf.serving)
        return leaf;
    judge_marks(table, server, &leaf);
    if (!has_room(server) || !health_allows(&server->health, &table->health, table->now_ms))
        return leaf;
    leaf.first[server->backup] = (uint32_t)i;
    leaf.share[server->backup] = share_at(server, table->now_ms, &leaf.event_ms);
    return leaf;
}

/* Writes down what it has earned until now. */
static void settle(const struct balance_table *table, struct balance_server *server)
{
    uint64_t now = table->turns[server->is_among_backups];

    server->credit += (int64_t)(server->share * (now - server->turn));
    server->turn = now;
}

static void set_lot(struct balance_table *table, const struct balance_server *server,
    const struct balance_node *leaf)
{
    table->lots[server - table->servers] =
        (struct balance_lot){balance_seed(server->identity), {leaf->share[0], leaf->share[1]}};
}

/* Takes over the share of a leaf. What was earned until now was earned with the one before. */
static void set_share(
    struct balance_table *table, struct balance_server *server, const struct balance_node *leaf)
{
    uint64_t share = leaf->share[server->backup];

    if (server->share == share && server->is_among_backups == server->backup)
        return;
    settle(table, server);
    server->share = share;
    server->is_among_backups = server->backup;
    server->turn = table->turns[server->backup];
    set_lot(table, server, leaf);
    table->version++;
}

/* ---- Whose turn it is ---- */

static int64_t credit_of(const struct balance_table *table, uint32_t i)
{
    const struct balance_server *server = &table->servers[i];

    return server->credit +
           (int64_t)(server->share * (table->turns[server->is_among_backups] - server->turn));
}

/* Returns what a turn costs a server in least-sessions. */
static int64_t cost_of(const struct balance_server *server)
{
    return TURN_COST / (int64_t)server->share + 1;
}

/* Less than zero: the first has fewer sessions for its share, or as few, and had its turn before.
 */
static int compare_load(const struct balance_server *a, const struct balance_server *b)
{
    uint64_t left = a->sessions * b->share;
    uint64_t right = b->sessions * a->share;
    int64_t left_credit = a->credit - cost_of(a) / 2;
    int64_t right_credit = b->credit - cost_of(b) / 2;

    if (left != right)
        return left < right ? -1 : 1;
    return left_credit > right_credit ? -1 : left_credit < right_credit;
}

/*
 * Of two servers in their order, returns the one whose turn it is. *until: the turn at which it may
 * be the other one's, unless it is earlier already.
 */
static uint32_t first_by_turns(
    const struct balance_table *table, uint32_t a, uint32_t b, int group, uint64_t *until)
{
    uint64_t share_a = table->servers[a].share;
    uint64_t share_b = table->servers[b].share;
    int64_t lead = credit_of(table, a) - credit_of(table, b);
    uint64_t turns = table->turns[group];

    /* Equal ones take turns in their order: a behind b must catch up, b must overtake. */
    if (lead >= 0 && share_b > share_a)
        *until = earlier(*until, turns + (uint64_t)lead / (share_b - share_a) + 1);
    if (lead < 0 && share_a > share_b)
        *until = earlier(
            *until, turns + ((uint64_t)-lead + share_a - share_b - 1) / (share_a - share_b));
    return lead >= 0 ? a : b;
}

static void join_turns(const struct balance_table *table, int group,
    const struct balance_node *left, const struct balance_node *right, struct balance_node *node)
{
    uint32_t a = left->first[group];
    uint32_t b = right->first[group];

    node->share[group] = left->share[group] + right->share[group];
    node->full[group] = left->full[group] + right->full[group];
    node->until[group] = earlier(left->until[group], right->until[group]);
    node->first[group] = a == NO_SERVER ? b : a;
    if (a == NO_SERVER || b == NO_SERVER)
        return;
    switch (table->method) {
    case BALANCE_ROUND_ROBIN:
        node->first[group] = first_by_turns(table, a, b, group, &node->until[group]);
        break;
    case BALANCE_LEAST_SESSIONS:
        node->first[group] = compare_load(&table->servers[a], &table->servers[b]) <= 0 ? a : b;
        break;
    case BALANCE_ADDRESS_HASH:
        break; /* there are no turns */
    }
}

/* ---- Nodes ---- */

/* The server that failed longest ago has had the most time to come back. */
static uint32_t first_marked(const struct balance_table *table, uint32_t a, uint32_t b)
{
    if (a == NO_SERVER || b == NO_SERVER)
        return a == NO_SERVER ? b : a;
    return table->servers[b].health.failed_ms < table->servers[a].health.failed_ms ? b : a;
}

static struct balance_node join(const struct balance_table *table, size_t at)
{
    const struct balance_node *left = &table->nodes[2 * at];
    const struct balance_node *right = &table->nodes[2 * at + 1];
    struct balance_node node = {.event_ms = earlier(left->event_ms, right->event_ms),
        .held_until_ms = earlier(left->held_until_ms, right->held_until_ms),
        .marked = first_marked(table, left->marked, right->marked),
        .marked_full = left->marked_full + right->marked_full,
        .listed = left->listed + right->listed,
        .down = left->down + right->down,
        .serving = left->serving + right->serving,
        .with_room = left->with_room + right->with_room};

    for (int group = 0; group < GROUPS; group++)
        join_turns(table, group, left, right, &node);
    return node;
}

static bool is_first(const struct balance_node *node, size_t i)
{
    return node->first[0] == i || node->first[1] == i || node->marked == i;
}

/*
 * Joins the nodes above a server anew. What lies above a node that has not changed, and at which
 * the server is not the first, has not changed either.
 */
static void join_above(struct balance_table *table, size_t i)
{
    for (size_t at = (table->size + i) / 2; at > 0; at /= 2) {
        struct balance_node node = join(table, at);
        bool is_same = memcmp(&node, &table->nodes[at], sizeof(node)) == 0;

        table->nodes[at] = node;
        if (is_same && !is_first(&node, i))
            return;
    }
}

/* Returns whether the leaf has changed, or what decides whose turn it is. */
static bool judge_again(struct balance_table *table, size_t i)
{
    struct balance_node *leaf = &table->nodes[table->size + i];
    struct balance_node now = judge(table, i);
    bool is_same = memcmp(leaf, &now, sizeof(now)) == 0;

    *leaf = now;
    set_share(table, &table->servers[i], &now);
    return !is_same || table->method == BALANCE_LEAST_SESSIONS || now.marked != NO_SERVER;
}

bool balance_update(struct balance_table *table, size_t i)
{
    bool was_open = table->servers[i].share > 0;

    if (judge_again(table, i))
        join_above(table, i);
    return table->servers[i].share > 0 && !was_open;
}

/* What one method has reckoned means nothing to another. */
static void forget_turns(struct balance_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        table->servers[i].credit = 0;
    table->clock = 0;
    table->reckoned = table->method;
}

bool balance_is_open(const struct balance_table *table, size_t i)
{
    return table->servers[i].share > 0;
}

void balance_update_all(struct balance_table *table)
{
    balance_make_memory(table);
    for (size_t i = 0; i < table->count; i++)
        settle(table, &table->servers[i]);
    if (table->reckoned != table->method)
        forget_turns(table);
    for (size_t i = 0; i < table->size; i++) {
        (void)judge_again(table, i);
        set_lot(table, &table->servers[i], balance_leaf(table, i));
    }
    for (size_t at = table->size; at-- > 1;)
        table->nodes[at] = join(table, at);
    table->version++;
}

/* ---- Time ---- */

/* Judges all servers anew whose hold-back, or step of a slow start, is over. */
static bool pass_below(struct balance_table *table, size_t at)
{
    bool left;
    bool right;

    if (table->nodes[at].event_ms > table->now_ms)
        return false;
    if (at >= table->size) {
        bool was_held = table->nodes[at].held_until_ms != NEVER;

        (void)judge_again(table, at - table->size);
        return was_held;
    }
    left = pass_below(table, 2 * at);
    right = pass_below(table, 2 * at + 1);
    table->nodes[at] = join(table, at);
    return left || right;
}

bool balance_pass_time(struct balance_table *table, uint64_t now_ms)
{
    if (now_ms > table->now_ms)
        table->now_ms = now_ms;
    return table->size > 0 && pass_below(table, 1);
}

/* ---- Turns ---- */

static void cross_below(struct balance_table *table, int group, size_t at)
{
    if (table->nodes[at].until[group] > table->turns[group])
        return;
    cross_below(table, group, 2 * at);
    cross_below(table, group, 2 * at + 1);
    table->nodes[at] = join(table, at);
}

size_t balance_take_turn(struct balance_table *table, int group)
{
    struct balance_server *server;
    size_t i;

    table->turns[group]++;
    cross_below(table, group, 1);
    i = table->nodes[1].first[group];
    server = &table->servers[i];
    settle(table, server);
    server->credit -= (int64_t)table->nodes[1].share[group];
    join_above(table, i);
    return i;
}

/*
 * A server that has not been chosen for long does not make up for it, since it has had as many
 * sessions as the others: it has one turn, and then is as far as they are.
 */
size_t balance_take_least(struct balance_table *table, int group)
{
    size_t i = table->nodes[1].first[group];
    struct balance_server *server = &table->servers[i];

    if (server->credit > table->clock)
        server->credit = table->clock;
    table->clock = server->credit;
    server->credit -= cost_of(server);
    join_above(table, i);
    return i;
}

/* ---- Hiding ---- */

static void set_hidden(struct balance_table *table, const struct balance_tried *tried, bool hidden)
{
    uint64_t version = table->version;

    for (size_t place = 0; place < tried->count; place++) {
        size_t i = balance_tried_at(tried, place);

        if (i >= table->count)
            continue;
        table->servers[i].is_hidden = hidden;
        if (judge_again(table, i))
            join_above(table, i);
    }
    table->version = version;
}

void balance_hide(struct balance_table *table, const struct balance_tried *tried)
{
    set_hidden(table, tried, true);
}

void balance_show(struct balance_table *table, const struct balance_tried *tried)
{
    set_hidden(table, tried, false);
}

/* ---- Memory ---- */

bool balance_reserve(struct balance_table *table, size_t count)
{
    size_t size = table->size > 0 ? table->size : 1;
    struct balance_server *servers;
    struct balance_node *nodes;
    struct balance_lot *lots;

    if (count <= table->size)
        return true;
    if (count > BALANCE_SERVERS_MAX)
        return false;
    while (size < count)
        size *= 2;
    servers = calloc(size, sizeof(*servers));
    nodes = calloc(2 * size, sizeof(*nodes));
    lots = calloc(size, sizeof(*lots));
    if (!servers || !nodes || !lots) {
        free(servers);
        free(nodes);
        free(lots);
        return false;
    }
    if (table->count > 0) {
        memcpy(servers, table->servers, table->count * sizeof(*servers));
        memcpy(lots, table->lots, table->count * sizeof(*lots));
    }
    free(table->servers);
    free(table->nodes);
    free(table->lots);
    table->servers = servers;
    table->nodes = nodes;
    table->lots = lots;
    table->size = size;
    balance_update_all(table);
    return true;
}

void balance_free(struct balance_table *table)
{
    free(table->servers);
    free(table->nodes);
    free(table->lots);
    free(table->memory);
    *table = (struct balance_table){.method = table->method, .health = table->health};
}
