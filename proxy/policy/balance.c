#include "mailmux/balance.h"

#include <math.h>

/*
 * Weights are counted in 1/SHARE_WHOLE of the configured unit. In slow start the share of a server
 * grows from SHARE_FIRST to SHARE_WHOLE of these parts.
 */
enum { SHARE_FIRST = 64, SHARE_WHOLE = 1024 };

/* FNV-1a. It mixes the bits too little, which `mix` makes up for. */
#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

enum { IPV6_KEY_BYTES = 8 }; /* the machines of one household share a /64 and change the rest */

/* The servers that may be chosen, with the weights that they have at this moment. */
struct candidates {
    size_t count;
    size_t server[BALANCE_SERVERS_MAX];
    uint64_t weight[BALANCE_SERVERS_MAX]; /* at least 1 */
};

void balance_mark_tried(struct balance_tried *tried, size_t server)
{
    tried->bits[server / 64] |= UINT64_C(1) << (server % 64);
}

static bool has_tried(const struct balance_tried *tried, size_t server)
{
    return (tried->bits[server / 64] >> (server % 64) & 1) != 0;
}

unsigned balance_tried_count(const struct balance_tried *tried)
{
    unsigned count = 0;

    for (size_t i = 0; i < BALANCE_SERVERS_MAX; i++)
        count += has_tried(tried, i);
    return count;
}

void balance_forget_tried(struct balance_tried *tried, const struct balance_tried *which)
{
    for (size_t i = 0; i < BALANCE_SERVERS_MAX / 64; i++)
        tried->bits[i] &= ~which->bits[i];
}

/* Returns whether the session may get this server, as far as its mark and its places allow. */
static bool is_open(const struct balance_table *table, const struct balance_tried *tried, size_t i)
{
    const struct balance_server *server = &table->servers[i];

    return server->is_listed && server->state == SERVER_READY && !has_tried(tried, i);
}

static bool has_room(const struct balance_server *server)
{
    return server->max_sessions == 0 || server->sessions < server->max_sessions;
}

static uint64_t weight_at(const struct balance_server *server, uint64_t now_ms)
{
    uint64_t up_since_ms = server->health.up_since_ms;
    uint64_t up_ms = now_ms > up_since_ms ? now_ms - up_since_ms : 0;
    uint64_t share = SHARE_WHOLE;

    if (up_since_ms > 0 && up_ms < server->slow_start_ms)
        share = SHARE_FIRST + (SHARE_WHOLE - SHARE_FIRST) * up_ms / server->slow_start_ms;
    return server->weight * share;
}

/*
 * Collects the servers that may be chosen, from the backups or from the others. Returns whether one
 * was left out because it is full, so that the session may wait for a place.
 */
static bool collect(const struct balance_table *table, const struct balance_tried *tried,
    bool backup, uint64_t now_ms, struct candidates *candidates)
{
    bool is_full = false;

    candidates->count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct balance_server *server = &table->servers[i];

        if (!is_open(table, tried, i) || server->backup != backup ||
            !health_allows(&server->health, &table->health, now_ms))
            continue;
        if (!has_room(server)) {
            /* A session does not wait for a server that is down and due for a trial. */
            is_full = is_full || !server->health.is_down;
            continue;
        }
        candidates->server[candidates->count] = i;
        candidates->weight[candidates->count++] = weight_at(server, now_ms);
    }
    return is_full;
}

/*
 * Chooses by smooth weighted round robin and returns the server's index: each candidate earns its
 * weight, the richest is chosen, and pays what all have earned. `candidates` is not empty.
 */
static int by_turns(struct balance_table *table, const struct candidates *candidates)
{
    struct balance_server *best = NULL;
    int64_t total = 0;

    for (size_t i = 0; i < candidates->count; i++) {
        struct balance_server *server = &table->servers[candidates->server[i]];

        server->credit += (int64_t)candidates->weight[i];
        total += (int64_t)candidates->weight[i];
        if (!best || server->credit > best->credit)
            best = server;
    }
    best->credit -= total;
    return (int)(best - table->servers);
}

/* Returns less than zero if the i-th candidate has fewer sessions for its weight than the j-th. */
static int compare_load(
    const struct balance_table *table, const struct candidates *candidates, size_t i, size_t j)
{
    uint64_t left = table->servers[candidates->server[i]].sessions * candidates->weight[j];
    uint64_t right = table->servers[candidates->server[j]].sessions * candidates->weight[i];

    return left < right ? -1 : left > right;
}

static int by_sessions(struct balance_table *table, const struct candidates *candidates)
{
    struct candidates least = {.count = 0};
    size_t best = 0;

    for (size_t i = 1; i < candidates->count; i++) {
        if (compare_load(table, candidates, i, best) < 0)
            best = i;
    }
    for (size_t i = 0; i < candidates->count; i++) {
        if (compare_load(table, candidates, i, best) != 0)
            continue;
        least.server[least.count] = candidates->server[i];
        least.weight[least.count++] = candidates->weight[i];
    }
    return by_turns(table, &least);
}

/* ---- address-hash ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * HASH_PRIME;
    return hash;
}

/* A bijection in which each bit of the input changes half of the output (splitmix64). */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint64_t balance_key(const struct address *client)
{
    struct address address = *client;

    address_unmap(&address);
    if (address_family(&address) == AF_INET6)
        return mix(hash_bytes(HASH_BEGIN, &address.socket.v6.sin6_addr, IPV6_KEY_BYTES));
    return mix(
        hash_bytes(HASH_BEGIN, &address.socket.v4.sin_addr, sizeof(address.socket.v4.sin_addr)));
}

uint64_t balance_identity(struct slice name, const struct address *address)
{
    uint16_t port = address_port(address);
    unsigned char port_bytes[] = {(unsigned char)(port >> 8), (unsigned char)port};
    uint64_t hash = hash_bytes(HASH_BEGIN, name.p, name.n);

    if (address_family(address) == AF_UNIX)
        hash = hash_bytes(hash, address->socket.local.sun_path, ADDRESS_PATH_MAX);
    else if (address_family(address) == AF_INET6)
        hash = hash_bytes(hash, &address->socket.v6.sin6_addr, sizeof(struct in6_addr));
    else
        hash = hash_bytes(hash, &address->socket.v4.sin_addr, sizeof(struct in_addr));
    return mix(hash_bytes(hash, port_bytes, sizeof(port_bytes)));
}

/*
 * Returns the lot of one server, exponentially distributed with its weight as the rate. Then each
 * server has the least of all lots with a probability in proportion to its weight.
 */
static double draw(uint64_t key, uint64_t identity, uint64_t weight)
{
    uint64_t bits = mix(key ^ mix(identity)) >> 11;             /* what a double holds exactly */
    double uniform = ((double)bits + 0.5) / 9007199254740992.0; /* 2^53: between 0 and 1 */

    return -log(uniform) / (double)weight;
}

static int by_hash(
    const struct balance_table *table, const struct candidates *candidates, uint64_t key)
{
    size_t best = 0;
    double least = HUGE_VAL;

    for (size_t i = 0; i < candidates->count; i++) {
        uint64_t identity = table->servers[candidates->server[i]].identity;
        double lot = draw(key, identity, candidates->weight[i]);

        if (lot < least) {
            best = i;
            least = lot;
        }
    }
    return (int)candidates->server[best];
}

/* ---- The choice ---- */

static int choose(struct balance_table *table, const struct candidates *candidates, uint64_t key)
{
    switch (table->method) {
    case BALANCE_ROUND_ROBIN:
        return by_turns(table, candidates);
    case BALANCE_LEAST_SESSIONS:
        return by_sessions(table, candidates);
    case BALANCE_ADDRESS_HASH:
        return by_hash(table, candidates, key);
    }
    return BALANCE_NONE;
}

/* The server that failed longest ago has had the most time to come back. */
int balance_pick_marked(const struct balance_table *table, const struct balance_tried *tried)
{
    int best = BALANCE_NONE;

    for (size_t i = 0; i < table->count; i++) {
        const struct balance_server *server = &table->servers[i];

        if (!is_open(table, tried, i) || !health_allows_last(&server->health, &table->health))
            continue;
        if (!has_room(server))
            best = best == BALANCE_NONE ? BALANCE_FULL : best;
        else if (best < 0 || server->health.failed_ms < table->servers[best].health.failed_ms)
            best = (int)i;
    }
    return best;
}

int balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms)
{
    struct candidates candidates;

    for (int backup = 0; backup <= 1; backup++) {
        bool is_full = collect(table, tried, backup == 1, now_ms, &candidates);

        if (candidates.count > 0)
            return choose(table, &candidates, key);
        if (is_full)
            return BALANCE_FULL;
    }
    return balance_pick_marked(table, tried);
}

bool balance_has_other(const struct balance_table *table, const struct balance_tried *tried)
{
    for (size_t i = 0; i < table->count; i++) {
        if (is_open(table, tried, i) && !table->servers[i].health.is_down &&
            has_room(&table->servers[i]))
            return true;
    }
    return false;
}

uint64_t balance_held_until_ms(
    const struct balance_table *table, const struct balance_tried *tried, uint64_t now_ms)
{
    uint64_t first_ms = 0;

    for (size_t i = 0; i < table->count; i++) {
        const struct health *health = &table->servers[i].health;

        if (is_open(table, tried, i) && health->is_down && health->held_until_ms > now_ms &&
            (first_ms == 0 || health->held_until_ms < first_ms))
            first_ms = health->held_until_ms;
    }
    return first_ms;
}

bool balance_may_return(const struct balance_table *table, size_t server)
{
    const struct balance_server *it = &table->servers[server];
    struct balance_tried only = {0};

    if (!it->is_listed || it->state == SERVER_MAINTENANCE)
        return false;
    balance_mark_tried(&only, server);
    return !it->health.is_down ||
           (health_allows_last(&it->health, &table->health) && !balance_has_other(table, &only));
}
