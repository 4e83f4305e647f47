/*
 * Chooses a server for a session. Pure: the choice depends only on the table, on the servers that
 * the session has tried, on its key and on the time. There is no clock and no randomness. The
 * caller (backend/pool) owns the table, locks it, and keeps its counts.
 *
 * There are three methods, all by weight. round-robin: servers take turns, and equal ones
 * alternate. least-sessions: the server with the fewest open sessions for its weight; equal ones
 * take turns. address-hash (weighted rendezvous): each server draws a lot from the key and from its
 * own identity, and the least lot wins; so a server that comes or goes moves only its own keys.
 *
 * Backups are chosen only when no other server is up or due for a trial. While one is up and full,
 * the session waits for a place there. When no backup is left either, servers that are marked down
 * are the last resort (health.h); the one that failed longest ago comes first.
 */
#ifndef MAILMUX_BALANCE_H
#define MAILMUX_BALANCE_H

#include "mailmux/address.h"
#include "mailmux/config.h"
#include "mailmux/health.h"

enum { BALANCE_SERVERS_MAX = 256 /* addresses of all servers of one backend */ };

/* What balance_pick returns instead of an index. */
enum { BALANCE_NONE = -1, BALANCE_FULL = -2 };

struct balance_server {
    bool is_listed; /* belongs to the backend and has an address */
    bool backup;
    enum config_server_state state;
    unsigned weight;       /* at least 1 */
    uint32_t max_sessions; /* 0: no limit */
    uint32_t sessions;     /* open now */
    uint64_t slow_start_ms;
    uint64_t identity; /* balance_identity */
    int64_t credit;    /* of turns: grows by the weight, and shrinks when it is chosen */
    struct health health;
};

struct balance_table {
    enum config_balance method;
    struct health_policy health;
    size_t count;
    struct balance_server servers[BALANCE_SERVERS_MAX];
};

/* The servers that one session has tried, by index; none if it is zeroed. */
struct balance_tried {
    uint64_t bits[BALANCE_SERVERS_MAX / 64];
};

void balance_mark_tried(struct balance_tried *tried, size_t server);
unsigned balance_tried_count(const struct balance_tried *tried);

/* Removes the servers in `which` from `tried`. */
void balance_forget_tried(struct balance_tried *tried, const struct balance_tried *which);

/*
 * Returns the key of a client for address-hash. It is made of the IPv4 address, or of the first 64
 * bits of the IPv6 address.
 */
uint64_t balance_key(const struct address *client);

/*
 * Returns the identity of a server for address-hash. It is made of the server's name, IP address
 * and port (or path), and not of its index.
 */
uint64_t balance_identity(struct slice name, const struct address *address);

/*
 * Chooses a server that the session has not tried, and returns its index. BALANCE_FULL: there are
 * servers for it, and all have their max_sessions. BALANCE_NONE: there are none. Changes nothing
 * but credits; the caller counts the session.
 */
int balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms);

/*
 * Chooses among the servers that are down and may be tried as the last resort, whether or not
 * others are up. Returns what balance_pick returns.
 */
int balance_pick_marked(const struct balance_table *table, const struct balance_tried *tried);

/* Returns whether there is a server that is up, has room and was not tried. */
bool balance_has_other(const struct balance_table *table, const struct balance_tried *tried);

/*
 * Returns the earliest time at which the hold-back of a server ends, among those that are held back
 * now and were not tried. Returns 0 if there is none.
 */
uint64_t balance_held_until_ms(
    const struct balance_table *table, const struct balance_tried *tried, uint64_t now_ms);

/*
 * Returns whether an open session may connect to its server once more, in the place that it has
 * there (a renewal). Maintenance forbids it, drain does not. A mark forbids it if another server
 * has room, or if the last check failed.
 */
bool balance_may_return(const struct balance_table *table, size_t server);

#endif
