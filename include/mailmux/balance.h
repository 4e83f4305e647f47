/*
 * Choosing a server. A pure function of a table, what one session has tried already, its key and
 * the time: the caller (backend/pool) owns the table, locks it, and keeps its counts. No clock, no
 * randomness.
 *
 * Three methods, all by weight. round-robin: smooth, so that equal servers alternate.
 * least-sessions: the fewest open sessions for its weight, ties in turn. address-hash: weighted
 * rendezvous; each server draws a lot that depends on the key and on its own identity alone, so
 * that one that comes or goes moves nobody else's keys.
 *
 * Backups serve when no other server could, whether or not it has room: while one is merely full,
 * the session waits for it. When neither is left, those that are marked down are the last resort
 * (health.h): the one whose failure is oldest first.
 */
#ifndef MAILMUX_BALANCE_H
#define MAILMUX_BALANCE_H

#include "mailmux/address.h"
#include "mailmux/config.h"
#include "mailmux/health.h"

enum { BALANCE_SERVERS_MAX = 256 /* addresses of all servers of one backend */ };

/* What balance_pick says instead of an index. */
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
    int64_t credit;    /* round robin: grows by the weight, shrinks when chosen */
    struct health health;
};

struct balance_table {
    enum config_balance method;
    struct health_policy health;
    size_t count;
    struct balance_server servers[BALANCE_SERVERS_MAX];
};

/* Which servers one session has tried. Zeroed: none. */
struct balance_tried {
    uint64_t bits[BALANCE_SERVERS_MAX / 64];
};

void balance_mark_tried(struct balance_tried *tried, size_t server);
bool balance_has_tried(const struct balance_tried *tried, size_t server);
unsigned balance_tried_count(const struct balance_tried *tried);

/* Those in `which` count as not tried. */
void balance_forget_tried(struct balance_tried *tried, const struct balance_tried *which);

/* A client as address-hash knows it: an IPv4 address, or the first 64 bits of an IPv6 one. */
uint64_t balance_key(const struct address *client);

/* A server as address-hash knows it: by its name and address, wherever in the list it stands. */
uint64_t balance_identity(struct slice name, const struct address *address);

/*
 * An index; BALANCE_FULL: there are servers that this session could go to, and all have their
 * max_sessions; BALANCE_NONE: there are none. Changes the credits only.
 */
int balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms);

/* The same among those that are down and may be tried as the last resort. */
int balance_pick_marked(const struct balance_table *table, const struct balance_tried *tried);

/* Whether a server that is up and has room is left beside those that were tried. */
bool balance_has_other(const struct balance_table *table, const struct balance_tried *tried);

/*
 * When the first of the servers that are held back may be tried again; 0: there is none. Those that
 * were tried do not count.
 */
uint64_t balance_held_until_ms(
    const struct balance_table *table, const struct balance_tried *tried, uint64_t now_ms);

/*
 * Whether an open session may be connected to its server once more, in the place that it has
 * there: drain does not forbid it, and a mark does only where another server is free.
 */
bool balance_may_return(const struct balance_table *table, size_t server);

#endif
