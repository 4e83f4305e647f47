/* The choice; balance_tree.c has what is known of all servers. */
#include "balance_parts.h"

struct balance_outlook balance_outlook(const struct balance_table *table)
{
    const struct balance_node *root = balance_root(table);

    return (struct balance_outlook){.listed = root->listed,
        .down = root->down,
        .serving = root->serving,
        .up = root->with_room + root->full[0] + root->full[1]};
}

/* Some server of the group may be chosen. */
static int choose(struct balance_table *table, int group, uint64_t key, bool is_whole)
{
    switch (table->method) {
    case BALANCE_ROUND_ROBIN:
        return (int)balance_take_turn(table, group);
    case BALANCE_LEAST_SESSIONS:
        return (int)balance_take_least(table, group);
    case BALANCE_ADDRESS_HASH:
        return (int)balance_take_hashed(table, group, key, is_whole);
    }
    return BALANCE_NONE;
}

static int pick_marked(const struct balance_table *table)
{
    const struct balance_node *root = balance_root(table);

    if (root->marked != NO_SERVER)
        return (int)root->marked;
    return root->marked_full > 0 ? BALANCE_FULL : BALANCE_NONE;
}

/* A session does not wait for a server that is down and due for a trial: it is not among `full`. */
static int pick(struct balance_table *table, uint64_t key, bool is_whole)
{
    for (int group = 0; group < GROUPS; group++) {
        if (balance_root(table)->share[group] > 0)
            return choose(table, group, key, is_whole);
        if (balance_root(table)->full[group] > 0)
            return BALANCE_FULL;
    }
    return pick_marked(table);
}

int balance_pick(
    struct balance_table *table, const struct balance_tried *tried, uint64_t key, uint64_t now_ms)
{
    int picked;

    (void)balance_pass_time(table, now_ms);
    balance_hide(table, tried);
    picked = pick(table, key, tried->count == 0);
    balance_show(table, tried);
    return picked;
}

int balance_pick_marked(struct balance_table *table, const struct balance_tried *tried)
{
    int picked;

    balance_hide(table, tried);
    picked = pick_marked(table);
    balance_show(table, tried);
    return picked;
}

bool balance_has_other(const struct balance_table *table, const struct balance_tried *tried)
{
    size_t others = balance_root(table)->with_room;

    for (size_t place = 0; place < tried->count; place++) {
        size_t server = balance_tried_at(tried, place);

        others -= server < table->count ? balance_leaf(table, server)->with_room : 0;
    }
    return others > 0;
}

uint64_t balance_held_until_ms(
    struct balance_table *table, const struct balance_tried *tried, uint64_t now_ms)
{
    uint64_t first_ms;

    (void)balance_pass_time(table, now_ms);
    balance_hide(table, tried);
    first_ms = balance_root(table)->held_until_ms;
    balance_show(table, tried);
    return first_ms == NEVER ? 0 : first_ms;
}

bool balance_may_return(const struct balance_table *table, size_t server)
{
    const struct balance_server *it = &table->servers[server];
    size_t others = balance_root(table)->with_room - balance_leaf(table, server)->with_room;

    if (!it->is_listed || it->state == SERVER_MAINTENANCE)
        return false;
    return !it->health.is_down || (health_allows_last(&it->health, &table->health) && others == 0);
}
