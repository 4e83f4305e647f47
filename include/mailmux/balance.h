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
 * The servers are the leaves of a tree. Each node has in one place what is asked of all servers
 * below it: which one has its turn, which one is the last resort, how many are full. So a choice
 * and a change visit as many nodes as the binary logarithm of the number of servers; address-hash
 * alone looks at each server, for a client that it has not seen of late.
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

enum { BALANCE_SERVERS_MAX = 16384 /* addresses of all servers of one backend */ };

/* What balance_pick returns instead of an index. */
enum { BALANCE_NONE = -1, BALANCE_FULL = -2 };

enum { BALANCE_TRIED_FEW = 8 /* tried servers for which no memory is allocated */ };

/* The first part is the caller's, which says by balance_update that it has changed it. */
struct balance_server {
    bool is_listed; /* belongs to the backend and has an address */
    bool backup;
    enum config_server_state state;
    unsigned weight;       /* at least 1 */
    uint32_t max_sessions; /* 0: no limit */
    uint32_t sessions;     /* open now */
    uint64_t slow_start_ms;
    uint64_t identity; /* balance_identity */
    struct health health;
    /* Of the balancer alone: */
    bool is_hidden;        /* the session has tried it */
    bool is_among_backups; /* where `share` counts */
    uint64_t share;        /* its weight at this moment; 0: it may not be chosen */
    uint64_t turn;  /* for which `credit` was reckoned; it has earned `share` in each since */
    int64_t credit; /* of turns: less when it is chosen */
};

struct balance_node;
struct balance_lot;
struct balance_memory;

/* {0} is empty; set `method` and `health`, then balance_reserve. balance_free ends it. */
struct balance_table {
    enum config_balance method;
    struct health_policy health;
    size_t count; /* up to `size` */
    size_t size;  /* a power of two, or 0 */
    struct balance_server *servers;
    /* Of the balancer alone: */
    struct balance_node *nodes; /* 1 is the root, 2n and 2n + 1 are below n, the last are leaves */
    struct balance_lot *lots;
    struct balance_memory *memory;
    uint64_t now_ms;
    uint64_t version;  /* of what may be chosen, and of the shares */
    uint64_t turns[2]; /* taken among the servers that are no backups, and among the backups */
    int64_t clock;     /* of turns in least-sessions */
    enum config_balance reckoned; /* the method by which the credits are */
};

/* How many servers there are. */
struct balance_outlook {
    size_t listed;
    size_t down;    /* listed, and marked */
    size_t serving; /* listed, and take sessions */
    size_t up;      /* serving, and not marked */
};

/* The servers that one session has tried, by index; none if it is zeroed. */
struct balance_tried {
    uint16_t count;
    uint16_t size; /* of `more` */
    uint16_t few[BALANCE_TRIED_FEW];
    uint16_t *more; /* those for which `few` has no room; allocated */
};

/*
 * Gives the table room for so many servers, BALANCE_SERVERS_MAX at most. Those that it has stay.
 * Returns false without memory; nothing has changed then.
 */
bool balance_reserve(struct balance_table *table, size_t count) __attribute__((warn_unused_result));
void balance_free(struct balance_table *table);

/*
 * The caller has changed a server of the table, as its number of sessions. Returns whether it may
 * be chosen now, and could not be chosen before.
 */
bool balance_update(struct balance_table *table, size_t server);

/* The caller has changed the method, the policy of marks, or any server. */
void balance_update_all(struct balance_table *table);

/*
 * Brings the table to this time. Returns whether a hold-back has ended, so that the choice may have
 * changed for sessions that wait. balance_pick does this as well.
 */
bool balance_pass_time(struct balance_table *table, uint64_t now_ms);

/* Returns whether the server may be chosen now. */
bool balance_is_open(const struct balance_table *table, size_t server);

struct balance_outlook balance_outlook(const struct balance_table *table);

/*
 * Marks a server as tried. Without memory the one before is forgotten, and may be tried once more.
 */
void balance_mark_tried(struct balance_tried *tried, size_t server);
bool balance_has_tried(const struct balance_tried *tried, size_t server);
unsigned balance_tried_count(const struct balance_tried *tried);

/* Returns the server at a place of the set, which is below balance_tried_count. */
size_t balance_tried_at(const struct balance_tried *tried, size_t place);

/* Removes the servers in `which` from `tried`. */
void balance_forget_tried(struct balance_tried *tried, const struct balance_tried *which);

/* Frees its memory; it is as if zeroed. */
void balance_end_tried(struct balance_tried *tried);

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
int balance_pick_marked(struct balance_table *table, const struct balance_tried *tried);

/* Returns whether there is a server that is up, has room and was not tried. */
bool balance_has_other(const struct balance_table *table, const struct balance_tried *tried);

/*
 * Returns the earliest time at which the hold-back of a server ends, among those that are held back
 * now and were not tried. Returns 0 if there is none.
 */
uint64_t balance_held_until_ms(
    struct balance_table *table, const struct balance_tried *tried, uint64_t now_ms);

/*
 * Returns whether an open session may connect to its server once more, in the place that it has
 * there (a renewal). Maintenance forbids it, drain does not. A mark forbids it if another server
 * has room, or if the last check failed.
 */
bool balance_may_return(const struct balance_table *table, size_t server);

#endif
