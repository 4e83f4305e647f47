#include "mailmux/balance.h"

void balance_mark_tried(struct balance_tried *tried, size_t server)
{
    tried->bits[server / 64] |= UINT64_C(1) << (server % 64);
}

bool balance_has_tried(const struct balance_tried *tried, size_t server)
{
    return (tried->bits[server / 64] >> (server % 64) & 1) != 0;
}

static bool is_candidate(
    const struct balance_table *table, size_t i, const struct balance_tried *tried, bool backup)
{
    const struct balance_server *server = &table->servers[i];

    return server->usable && server->backup == backup && !balance_has_tried(tried, i);
}

static int round_robin_among(
    struct balance_table *table, const struct balance_tried *tried, bool backup)
{
    int64_t total = 0;
    int best = BALANCE_NONE;

    for (size_t i = 0; i < table->count; i++) {
        struct balance_server *server = &table->servers[i];

        if (!is_candidate(table, i, tried, backup))
            continue;
        server->credit += server->weight;
        total += server->weight;
        if (best == BALANCE_NONE || server->credit > table->servers[best].credit)
            best = (int)i;
    }
    if (best != BALANCE_NONE)
        table->servers[best].credit -= total;
    return best;
}

int balance_round_robin(struct balance_table *table, const struct balance_tried *tried)
{
    int best = round_robin_among(table, tried, false);

    return best != BALANCE_NONE ? best : round_robin_among(table, tried, true);
}
