/*
 * Choosing a server. A pure function of a table and what one session has tried already: the caller
 * (engine/pool) owns the table, locks it, and keeps its counts. No clock, no randomness.
 */
#ifndef MAILMUX_BALANCE_H
#define MAILMUX_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BALANCE_SERVERS_MAX = 256, /* addresses of all servers of one backend */
    BALANCE_NONE = -1
};

struct balance_server {
    bool usable;       /* has an address; nothing forbids it */
    bool backup;       /* only when no other is left */
    unsigned weight;   /* at least 1 */
    int64_t credit;    /* smooth round robin: grows by the weight, shrinks when chosen */
    uint32_t sessions; /* open now */
};

struct balance_table {
    size_t count;
    struct balance_server servers[BALANCE_SERVERS_MAX];
};

/* Which servers one session has tried. Zeroed: none. */
struct balance_tried {
    uint64_t bits[BALANCE_SERVERS_MAX / 64];
};

void balance_mark_tried(struct balance_tried *tried, size_t server);
bool balance_has_tried(const struct balance_tried *tried, size_t server);

/*
 * Smooth weighted round robin over the usable servers not tried yet, backups when there is no
 * other. Returns an index, or BALANCE_NONE. Changes the credits only.
 */
int balance_round_robin(struct balance_table *table, const struct balance_tried *tried);

#endif
