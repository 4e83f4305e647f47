#include "pool.h"

#include "pool_news.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Life ---- */

struct pool *pool_new(const char *name)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->name = strdup(name);
    if (!pool->name) {
        free(pool);
        return NULL;
    }
    refcount_init(&pool->references);
    (void)pthread_mutex_init(&pool->lock, NULL);
    atomic_flag_clear(&pool->logins_told);
    list_init(&pool->queue);
    return pool;
}

bool pool_note_logins_refused(struct pool *pool)
{
    return !atomic_flag_test_and_set(&pool->logins_told);
}

struct pool *pool_ref(struct pool *pool)
{
    refcount_take(&pool->references);
    return pool;
}

/* config_server has const pointers, also to what the pool has allocated. */
static void free_text(const char *text)
{
    free((void *)text);
}

static void free_servers(struct config_server *servers, size_t count)
{
    for (size_t i = 0; servers && i < count; i++) {
        free_text(servers[i].name);
        free_text(servers[i].host);
    }
    free(servers);
}

void pool_unref(struct pool **pointer)
{
    struct pool *pool = *pointer;

    *pointer = NULL;
    if (!pool || !refcount_drop(&pool->references))
        return;
    for (size_t i = 0; i < pool->table.count; i++)
        free(pool->slots[i].name);
    free_servers(pool->servers, pool->server_count);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->name);
    free(pool);
}

/* ---- Slots; the lock is held ---- */

static const struct config_server *find_server(
    const struct config_server *servers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(servers[i].name, name) == 0)
            return &servers[i];
    }
    return NULL;
}

/*
 * Applies what the configuration says of a slot's server, and the DNS of its address. A server that
 * returns from maintenance begins without a mark, and with its slow start.
 */
static void apply(struct pool *pool, size_t i, const struct config_server *server, uint64_t now_ms)
{
    const struct pool_address *at = &pool->slots[i].at;
    struct balance_server *state = &pool->table.servers[i];

    if (server->state == SERVER_MAINTENANCE)
        state->health = (struct health){0};
    else if (state->state == SERVER_MAINTENANCE)
        state->health = (struct health){.up_since_ms = now_ms};
    state->is_listed = true;
    state->backup = server->backup || at->backup;
    state->state = server->state;
    state->weight = server->weight * at->weight;
    state->max_sessions = server->max_sessions;
    state->slow_start_ms = server->slow_start;
}

static bool is_at(const struct slot *slot, const char *name, const struct address *address)
{
    return strcmp(slot->name, name) == 0 && address_equal(&slot->at.address, address);
}

/*
 * Returns a slot that no server and no session uses, which may be the next new one.
 * BALANCE_SERVERS_MAX: all are in use.
 */
static size_t find_place(const struct pool *pool)
{
    for (size_t i = 0; i < pool->table.count; i++) {
        if (!pool->table.servers[i].is_listed && pool->table.servers[i].sessions == 0)
            return i;
    }
    return pool->table.count;
}

static void fill_slot(struct pool *pool, size_t i, const struct config_server *server,
    const struct pool_address *address)
{
    char *name = strdup(server->name);

    if (!name)
        return;
    free(pool->slots[i].name);
    /* A new server that gets no sessions from the first is no news. */
    pool->slots[i] = (struct slot){.name = name,
        .at = *address,
        .generation = pool->slots[i].generation + 1,
        .leaves = server->state != SERVER_READY};
    pool->table.servers[i] =
        (struct balance_server){.identity = balance_identity(slice_from(name), &address->address)};
    apply(pool, i, server, 0);
    if (i == pool->table.count)
        pool->table.count++;
}

/*
 * Adds an address, or applies the configuration if it has a slot already: a server that left and
 * comes back finds its slot, with its sessions and its mark. Without a free slot, or without
 * memory, the address is left out.
 */
static void add_address(struct pool *pool, const struct config_server *server,
    const struct pool_address *address, uint64_t now_ms)
{
    size_t place;

    for (size_t i = 0; i < pool->table.count; i++) {
        if (is_at(&pool->slots[i], server->name, &address->address)) {
            pool->slots[i].at = *address;
            apply(pool, i, server, now_ms);
            return;
        }
    }
    place = find_place(pool);
    if (place < BALANCE_SERVERS_MAX)
        fill_slot(pool, place, server, address);
}

/* ---- The configuration ---- */

/*
 * Returns copies, to be freed by free_servers, or NULL. An origin points into the configuration and
 * is not kept. One more is allocated, because calloc(0) may return NULL.
 */
static struct config_server *copy_servers(const struct config_backend *backend)
{
    struct config_server *copies = calloc(backend->server_count + 1, sizeof(*copies));

    for (size_t i = 0; copies && i < backend->server_count; i++) {
        copies[i] = backend->servers[i];
        copies[i].origin = (struct config_origin){0};
        copies[i].name = strdup(backend->servers[i].name);
        copies[i].host = strdup(backend->servers[i].host);
        if (!copies[i].name || !copies[i].host) {
            free_servers(copies, i + 1);
            return NULL;
        }
    }
    return copies;
}

/*
 * Returns whether the address in the slot is still one of the server's. Addresses of a name stay
 * while host and port do.
 */
static bool stays(
    const struct slot *slot, const struct config_server *before, const struct config_server *now)
{
    if (!now)
        return false;
    if (now->has_address)
        return address_equal(&slot->at.address, &now->address);
    return before && !before->has_address && before->port == now->port &&
           strcmp(before->host, now->host) == 0;
}

/*
 * The pool has the new list of servers; `before` is the old one. Slots of servers that are gone
 * stay while they have sessions, but are not listed.
 */
static void update_slots(
    struct pool *pool, const struct config_server *before, size_t before_count, uint64_t now_ms)
{
    for (size_t i = 0; i < pool->table.count; i++) {
        const char *name = pool->slots[i].name;
        const struct config_server *server = find_server(pool->servers, pool->server_count, name);

        if (!pool->table.servers[i].is_listed)
            continue;
        if (stays(&pool->slots[i], find_server(before, before_count, name), server))
            apply(pool, i, server, now_ms);
        else
            pool->table.servers[i].is_listed = false;
    }
    for (size_t i = 0; i < pool->server_count; i++) {
        struct pool_address only = {pool->servers[i].address, 1, false};

        if (pool->servers[i].has_address)
            add_address(pool, &pool->servers[i], &only, now_ms);
    }
}

/*
 * Sets the policy of marks. Without checks the result of the last check no longer counts, not even
 * if checks return later.
 */
static void set_health(struct pool *pool, const struct health_policy *policy)
{
    pool->table.health = *policy;
    for (size_t i = 0; !policy->is_checked && i < pool->table.count; i++)
        pool->table.servers[i].health.check_failed = false;
}

/* Memory is allocated before the lock is taken, and freed after it. */
bool pool_configure(struct pool *pool, const struct config_backend *backend, uint64_t now_ms)
{
    struct config_server *servers = copy_servers(backend);
    struct config_server *before;
    size_t before_count;

    if (!servers)
        return false;
    (void)pthread_mutex_lock(&pool->lock);
    before = pool->servers;
    before_count = pool->server_count;
    pool->servers = servers;
    pool->server_count = backend->server_count;
    pool->table.method = backend->balance;
    set_health(pool, &(struct health_policy){.rise = backend->rise,
                         .fall = backend->fall,
                         .is_checked = backend->check != OPENING_NONE});
    pool->queue_size = backend->queue_size;
    update_slots(pool, before, before_count, now_ms);
    pool_serve_queue(pool, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    free_servers(before, before_count);
    return true;
}

/* Returns whether the pool has a server of that name at that address. */
static bool has_listed(const struct pool *pool, const struct slot *slot)
{
    for (size_t i = 0; i < pool->table.count; i++) {
        if (pool->table.servers[i].is_listed &&
            is_at(&pool->slots[i], slot->name, &slot->at.address))
            return true;
    }
    return false;
}

/*
 * The pool has the servers of `newer` already; now it takes their addresses. The lock is held.
 * `newer` is not locked, because no other thread knows it yet.
 */
static void take_addresses(struct pool *pool, const struct pool *newer, uint64_t now_ms)
{
    for (size_t i = 0; i < pool->table.count; i++) {
        if (!has_listed(newer, &pool->slots[i]))
            pool->table.servers[i].is_listed = false;
    }
    for (size_t i = 0; i < newer->table.count; i++) {
        const struct slot *slot = &newer->slots[i];

        if (newer->table.servers[i].is_listed)
            add_address(pool, find_server(pool->servers, pool->server_count, slot->name), &slot->at,
                now_ms);
    }
}

void pool_take_over(struct pool *pool, struct pool *newer, uint64_t now_ms)
{
    struct config_server *before;
    size_t before_count;

    (void)pthread_mutex_lock(&pool->lock);
    before = pool->servers;
    before_count = pool->server_count;
    pool->servers = newer->servers;
    pool->server_count = newer->server_count;
    newer->servers = NULL;
    newer->server_count = 0;
    pool->table.method = newer->table.method;
    set_health(pool, &newer->table.health);
    pool->queue_size = newer->queue_size;
    take_addresses(pool, newer, now_ms);
    pool_serve_queue(pool, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    free_servers(before, before_count);
    pool_tell_changes(pool, true, now_ms);
}

static bool is_listed(
    const struct address *address, const struct pool_address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (address_equal(address, &addresses[i].address))
            return true;
    }
    return false;
}

/* The lock is held. */
static void set_addresses(struct pool *pool, const struct config_server *server,
    const struct pool_address *addresses, size_t count, uint64_t now_ms)
{
    for (size_t i = 0; i < pool->table.count; i++) {
        if (strcmp(pool->slots[i].name, server->name) == 0 &&
            !is_listed(&pool->slots[i].at.address, addresses, count))
            pool->table.servers[i].is_listed = false;
    }
    for (size_t i = 0; i < count; i++)
        add_address(pool, server, &addresses[i], now_ms);
    pool_serve_queue(pool, now_ms);
}

void pool_set_addresses(struct pool *pool, const char *name, const struct pool_address *addresses,
    size_t count, uint64_t now_ms)
{
    const struct config_server *server;

    (void)pthread_mutex_lock(&pool->lock);
    server = find_server(pool->servers, pool->server_count, name);
    if (server && !server->has_address)
        set_addresses(pool, server, addresses, count, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_changes(pool, false, now_ms);
}

bool pool_host_of(struct pool *pool, const char *name, char host[POOL_NAME_MAX])
{
    const struct config_server *server;

    (void)pthread_mutex_lock(&pool->lock);
    server = find_server(pool->servers, pool->server_count, name);
    if (server)
        (void)snprintf(host, POOL_NAME_MAX, "%s", server->host);
    (void)pthread_mutex_unlock(&pool->lock);
    return server != NULL;
}

bool pool_look(struct pool *pool, size_t slot, struct pool_server *server)
{
    bool is_there;

    (void)pthread_mutex_lock(&pool->lock);
    is_there = slot < pool->table.count && pool->table.servers[slot].is_listed;
    if (is_there)
        pool_copy_server(pool, slot, server);
    (void)pthread_mutex_unlock(&pool->lock);
    return is_there;
}
