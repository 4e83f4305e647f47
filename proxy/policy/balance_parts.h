/*
 * What the files of the balancer share: balance.c (the choice), balance_tree.c (what is known of
 * all servers together), balance_hash.c (address-hash), balance_tried.c (what a session has tried).
 */
#ifndef MAILMUX_BALANCE_PARTS_H
#define MAILMUX_BALANCE_PARTS_H

#include "mailmux/balance.h"

/* Servers that are no backups, and backups: each of them takes turns among its own. */
enum { GROUPS = 2 };

enum { NO_SERVER = UINT32_MAX };

/* In the place of a turn or a time that never comes. */
#define NEVER UINT64_MAX

/* What is known of the servers below a node. */
struct balance_node {
    uint64_t share[GROUPS]; /* of all that may be chosen; 0: there is none */
    uint64_t until[GROUPS]; /* the turn at which `first` may be another one */
    uint64_t event_ms;      /* when a hold-back or a step of a slow start ends */
    uint64_t held_until_ms; /* when the first hold-back ends */
    uint32_t first[GROUPS]; /* whose turn it is, of those that may be chosen */
    uint32_t full[GROUPS];  /* how many would be chosen if they had room */
    uint32_t marked;        /* the one to try as the last resort */
    uint32_t marked_full;   /* how many could be that if they had room */
    uint32_t listed;
    uint32_t down;      /* listed, and marked */
    uint32_t serving;   /* listed, and take sessions */
    uint32_t with_room; /* serving, up, and not full */
};

/* What address-hash needs of a server; small, because it goes through all of them. */
struct balance_lot {
    uint64_t seed;
    uint64_t share[GROUPS];
};

static inline const struct balance_node *balance_root(const struct balance_table *table)
{
    static const struct balance_node nothing = {.first = {NO_SERVER, NO_SERVER},
        .marked = NO_SERVER,
        .until = {NEVER, NEVER},
        .event_ms = NEVER,
        .held_until_ms = NEVER};

    return table->size > 0 ? &table->nodes[1] : &nothing;
}

/* Returns the node of one server. */
static inline const struct balance_node *balance_leaf(const struct balance_table *table, size_t i)
{
    return &table->nodes[table->size + i];
}

/*
 * Hides the servers that the session has tried, as if the table did not have them, or shows them
 * again. Between the two the table is not changed, but for turns.
 */
void balance_hide(struct balance_table *table, const struct balance_tried *tried);
void balance_show(struct balance_table *table, const struct balance_tried *tried);

/*
 * Takes a turn among the servers of a group, one of which may be chosen, and returns whose it is.
 * By smooth weighted round robin: each earns its share, the richest is chosen, and pays what all
 * have earned.
 */
size_t balance_take_turn(struct balance_table *table, int group);

/*
 * Chooses by least-sessions in a group, one of which may be chosen. Of those that have equally few
 * for their share, it is the one whose last turn was longest ago.
 */
size_t balance_take_least(struct balance_table *table, int group);

/* Chooses by address-hash in a group, one of which may be chosen. */
size_t balance_take_hashed(struct balance_table *table, int group, uint64_t key, bool is_whole);

/* Returns the seed of the lots of a server. */
uint64_t balance_seed(uint64_t identity);

/* Makes what address-hash remembers clients in, if the method is that. It may have none. */
void balance_make_memory(struct balance_table *table);

#endif
