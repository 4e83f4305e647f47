/* Where the servers of a pool are: the slots, and the index by name and address. */
#include "pool_parts.h"

#include <stdlib.h>
#include <string.h>

static uint32_t *chain_of(const struct pool *pool, uint64_t identity)
{
    return &pool->index[identity & (pool->table.size - 1)];
}

static uint64_t identity_of(const struct pool *pool, size_t i)
{
    return pool->table.servers[i].identity;
}

size_t pool_find_slot(const struct pool *pool, const char *name, const struct address *address)
{
    uint64_t identity = balance_identity(slice_from(name), address);

    if (pool->table.size == 0)
        return BALANCE_SERVERS_MAX;
    for (uint32_t next = *chain_of(pool, identity); next != 0; next = pool->slots[next - 1].next) {
        const struct slot *slot = &pool->slots[next - 1];

        if (identity_of(pool, next - 1) == identity && strcmp(slot->name, name) == 0 &&
            address_equal(&slot->at.address, address))
            return next - 1;
    }
    return BALANCE_SERVERS_MAX;
}

static void enter_index(struct pool *pool, size_t i)
{
    uint32_t *chain = chain_of(pool, identity_of(pool, i));

    pool->slots[i].next = *chain;
    *chain = (uint32_t)i + 1;
}

static void leave_index(struct pool *pool, size_t i)
{
    uint32_t *link = chain_of(pool, identity_of(pool, i));

    while (*link != i + 1)
        link = &pool->slots[*link - 1].next;
    *link = pool->slots[i].next;
}

/* Makes room for one more slot. Returns false without memory. */
static bool grow(struct pool *pool)
{
    size_t before = pool->table.size;
    size_t size = before > 0 ? 2 * before : 1;
    struct slot *slots = calloc(size, sizeof(*slots));
    uint32_t *index = calloc(size, sizeof(*index));

    if (!slots || !index || !balance_reserve(&pool->table, size)) {
        free(slots);
        free(index);
        return false;
    }
    if (before > 0)
        memcpy(slots, pool->slots, before * sizeof(*slots));
    free(pool->slots);
    free(pool->index);
    pool->slots = slots;
    pool->index = index;
    for (size_t i = 0; i < pool->table.count; i++)
        enter_index(pool, i);
    return true;
}

size_t pool_find_place(struct pool *pool)
{
    size_t count = pool->table.count;

    for (; pool->next_place < count; pool->next_place++) {
        const struct balance_server *server = &pool->table.servers[pool->next_place];

        if (!server->is_listed && server->sessions == 0)
            return pool->next_place;
    }
    return count < pool->table.size || grow(pool) ? count : BALANCE_SERVERS_MAX;
}

void pool_fill_slot(struct pool *pool, size_t i, char *name, const struct pool_address *at)
{
    if (i == pool->table.count)
        pool->table.count++;
    else
        leave_index(pool, i);
    free(pool->slots[i].name);
    pool->slots[i] = (struct slot){.name = name,
        .at = *at,
        .waiting = pool->slots[i].waiting,
        .generation = pool->slots[i].generation + 1};
    pool->table.servers[i] =
        (struct balance_server){.identity = balance_identity(slice_from(name), &at->address)};
    enter_index(pool, i);
}
