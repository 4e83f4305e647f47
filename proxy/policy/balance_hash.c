#include "balance_parts.h"

#include <math.h>

/* FNV-1a: every byte counts; what it mixes too little, `mix` makes up for. */
#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

enum { IPV6_KEY_BYTES = 8 }; /* a /64 is one household, whose machines change the rest */

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

    if (address_family(address) == AF_INET6)
        hash = hash_bytes(hash, &address->socket.v6.sin6_addr, sizeof(struct in6_addr));
    else
        hash = hash_bytes(hash, &address->socket.v4.sin_addr, sizeof(struct in_addr));
    return mix(hash_bytes(hash, port_bytes, sizeof(port_bytes)));
}

/*
 * The lot of one server: exponentially distributed with its weight as the rate. The least of
 * several such lots is each server's with a probability in proportion to its weight.
 */
static double draw(uint64_t key, uint64_t identity, uint64_t weight)
{
    uint64_t bits = mix(key ^ mix(identity)) >> 11;             /* what a double holds exactly */
    double uniform = ((double)bits + 0.5) / 9007199254740992.0; /* 2^53: between 0 and 1 */

    return -log(uniform) / (double)weight;
}

int balance_by_hash(
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
