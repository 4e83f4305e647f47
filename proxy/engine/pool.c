#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

/* A slot is one address of one server. */
struct slot {
    const struct config_server *server;
    struct address address;
    bool named; /* comes from a name: may lose its address and be used for another */
};

struct pool {
    const struct config_backend *backend;
    pthread_mutex_t lock;
    struct balance_table table;
    struct slot slots[BALANCE_SERVERS_MAX];
};

static void fill_slot(
    struct pool *pool, size_t i, const struct config_server *server, const struct address *address)
{
    pool->slots[i] = (struct slot){server, *address, !server->is_ip};
    pool->table.servers[i] =
        (struct balance_server){.usable = true, .backup = server->backup, .weight = server->weight};
}

struct pool *pool_new(const struct config_backend *backend)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->backend = backend;
    (void)pthread_mutex_init(&pool->lock, NULL);
    for (size_t i = 0; i < backend->server_count; i++) {
        const struct config_server *server = &backend->servers[i];

        if (server->is_ip && pool->table.count < BALANCE_SERVERS_MAX)
            fill_slot(pool, pool->table.count++, server, &server->address);
    }
    return pool;
}

void pool_free(struct pool **pool)
{
    if (!*pool)
        return;
    (void)pthread_mutex_destroy(&(*pool)->lock);
    free(*pool);
    *pool = NULL;
}

const struct config_backend *pool_backend(const struct pool *pool)
{
    return pool->backend;
}

static bool is_listed(const struct address *address, const struct address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (address_equal(address, &addresses[i]))
            return true;
    }
    return false;
}

static void add_address(
    struct pool *pool, const struct config_server *server, const struct address *address)
{
    size_t place = pool->table.count;

    for (size_t i = 0; i < pool->table.count; i++) {
        struct balance_server *state = &pool->table.servers[i];

        if (pool->slots[i].server == server && address_equal(&pool->slots[i].address, address)) {
            state->usable = true;
            return;
        }
        if (!state->usable && pool->slots[i].named && state->sessions == 0 && place > i)
            place = i;
    }
    if (place == BALANCE_SERVERS_MAX)
        return;
    if (place == pool->table.count)
        pool->table.count++;
    fill_slot(pool, place, server, address);
}

void pool_set_addresses(
    struct pool *pool, size_t server, const struct address *addresses, size_t count)
{
    const struct config_server *named = &pool->backend->servers[server];

    (void)pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->table.count; i++) {
        if (pool->slots[i].server == named && !is_listed(&pool->slots[i].address, addresses, count))
            pool->table.servers[i].usable = false;
    }
    for (size_t i = 0; i < count; i++)
        add_address(pool, named, &addresses[i]);
    (void)pthread_mutex_unlock(&pool->lock);
}

/* The lock is held. */
static void choose(
    struct pool *pool, size_t slot, struct balance_tried *tried, struct pool_choice *choice)
{
    pool->table.servers[slot].sessions++;
    *choice = (struct pool_choice){slot, pool->slots[slot].server->name, pool->slots[slot].address};
    balance_mark_tried(tried, slot);
}

bool pool_pick(struct pool *pool, struct balance_tried *tried, struct pool_choice *choice)
{
    int slot;

    (void)pthread_mutex_lock(&pool->lock);
    slot = balance_round_robin(&pool->table, tried);
    if (slot != BALANCE_NONE)
        choose(pool, (size_t)slot, tried, choice);
    (void)pthread_mutex_unlock(&pool->lock);
    return slot != BALANCE_NONE;
}

bool pool_pick_slot(
    struct pool *pool, size_t slot, struct balance_tried *tried, struct pool_choice *choice)
{
    bool usable;

    (void)pthread_mutex_lock(&pool->lock);
    usable = pool->table.servers[slot].usable;
    if (usable)
        choose(pool, slot, tried, choice);
    (void)pthread_mutex_unlock(&pool->lock);
    return usable;
}

void pool_release(struct pool *pool, size_t slot)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->table.servers[slot].sessions--;
    (void)pthread_mutex_unlock(&pool->lock);
}
