/*
 * address-hash: weighted rendezvous. A lot depends on the client and on one server alone, so that a
 * server that comes or goes moves only its own clients; so each server's must be looked at. What
 * came out for a client is remembered until what may be chosen changes.
 */
#include "balance_parts.h"

#include <math.h>
#include <stdlib.h>

/* FNV-1a. It mixes the bits too little, which `mix` makes up for. */
#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

enum { IPV6_KEY_BYTES = 8 }; /* the machines of one household share a /64 and change the rest */

enum { REMEMBERED = 4096 };

/* The last client with these low bits in its key, and what was chosen for it. */
struct memory {
    uint64_t key;
    uint64_t version; /* of the table, by which the choice is right; 0: there is none */
    size_t server;
};

struct balance_memory {
    struct memory clients[REMEMBERED];
};

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

uint64_t balance_seed(uint64_t identity)
{
    return mix(identity);
}

/* A double holds so many bits exactly. */
#define DRAW_END (UINT64_C(1) << 53)

/*
 * Each server draws a number between 0 and 1. Its lot is exponentially distributed, with its share
 * as the rate: then each has the least of all lots with a probability in proportion to its share.
 */
static double lot_of(uint64_t drawn, uint64_t share)
{
    return -log(((double)drawn + 0.5) / (double)DRAW_END) / (double)share;
}

/*
 * Returns a number below which none that a server of this share draws can beat a lot: -log(x) is no
 * less than 1 - x. So most lots are known to lose without a logarithm.
 */
static uint64_t least_draw(double lot, uint64_t share)
{
    double least = 1 - lot * (double)share;

    return least > 0 ? (uint64_t)(least * (double)(DRAW_END - 1)) : 0;
}

static size_t draw_all(const struct balance_table *table, int group, uint64_t key)
{
    size_t best = 0;
    double lot = HUGE_VAL;
    uint64_t share = 0;
    uint64_t least = 0;

    for (size_t i = 0; i < table->count; i++) {
        const struct balance_lot *of = &table->lots[i];
        uint64_t drawn = mix(key ^ of->seed) >> 11;

        if (of->share[group] != share) {
            share = of->share[group];
            least = share == 0 ? DRAW_END : least_draw(lot, share);
        }
        if (drawn < least || share == 0 || lot_of(drawn, share) >= lot)
            continue;
        best = i;
        lot = lot_of(drawn, share);
        least = least_draw(lot, share);
    }
    return best;
}

/* is_whole: the session has tried no server, so that the choice is right for others, too. */
size_t balance_take_hashed(struct balance_table *table, int group, uint64_t key, bool is_whole)
{
    struct memory *memory =
        table->memory && is_whole ? &table->memory->clients[key % REMEMBERED] : NULL;
    size_t server;

    if (memory && memory->version == table->version && memory->key == key)
        return memory->server;
    server = draw_all(table, group, key);
    if (memory)
        *memory = (struct memory){key, table->version, server};
    return server;
}

void balance_make_memory(struct balance_table *table)
{
    if (table->method == BALANCE_ADDRESS_HASH && !table->memory)
        table->memory = calloc(1, sizeof(*table->memory));
}
