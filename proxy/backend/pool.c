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
    list_init(&pool->fresh);
    list_init(&pool->refused);
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
    free(pool->slots);
    free(pool->index);
    balance_free(&pool->table);
    table_free(&pool->by_name);
    free_servers(pool->servers, pool->server_count);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->name);
    free(pool);
}

/* ---- Slots; the lock is held ---- */

static const struct config_server *find_server(const struct table *by_name, const char *name)
{
    return table_get(by_name, slice_from(name));
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

/* Returns false without room or memory; then the address is left out. */
static bool add_new(
    struct pool *pool, const struct config_server *server, const struct pool_address *address)
{
    char *name = strdup(server->name);
    size_t place = name ? pool_find_place(pool) : BALANCE_SERVERS_MAX;

    if (place >= BALANCE_SERVERS_MAX) {
        free(name);
        return false;
    }
    pool_fill_slot(pool, place, name, address);
    /* A new server that gets no sessions from the first is no news. */
    pool->slots[place].leaves = server->state != SERVER_READY;
    apply(pool, place, server, 0);
    return true;
}

/*
 * Applies the configuration to the slot of an address: a server that left and comes back finds its
 * slot, with its sessions and its mark. Returns false if it has none.
 */
static bool keep_address(struct pool *pool, const struct config_server *server,
    const struct pool_address *address, uint64_t now_ms)
{
    size_t slot = pool_find_slot(pool, server->name, &address->address);

    if (slot >= BALANCE_SERVERS_MAX)
        return false;
    pool->slots[slot].at = *address;
    apply(pool, slot, server, now_ms);
    return true;
}

/* Returns what add_new returns. */
static bool add_address(struct pool *pool, const struct config_server *server,
    const struct pool_address *address, uint64_t now_ms)
{
    return keep_address(pool, server, address, now_ms) || add_new(pool, server, address);
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

/* Returns false without memory. */
static bool index_names(const struct config_server *servers, size_t count, struct table *by_name)
{
    *by_name = (struct table){.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (!table_put(by_name, slice_from(servers[i].name), (void *)&servers[i])) {
            table_free(by_name);
            return false;
        }
    }
    return true;
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
 * The pool has the new list of servers; `before` has the old one. Slots of servers that are gone
 * stay while they have sessions, but are not listed.
 */
static void update_slots(struct pool *pool, const struct table *before, uint64_t now_ms)
{
    pool->next_place = 0;
    for (size_t i = 0; i < pool->table.count; i++) {
        const char *name = pool->slots[i].name;
        const struct config_server *server = find_server(&pool->by_name, name);

        if (!pool->table.servers[i].is_listed)
            continue;
        if (stays(&pool->slots[i], find_server(before, name), server))
            apply(pool, i, server, now_ms);
        else
            pool->table.servers[i].is_listed = false;
    }
    for (size_t i = 0; i < pool->server_count; i++) {
        struct pool_address only = {pool->servers[i].address, 1, false};

        if (pool->servers[i].has_address)
            (void)add_address(pool, &pool->servers[i], &only, now_ms);
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

/* What a change of the configuration replaces, to be freed without the lock. */
struct former {
    struct config_server *servers;
    size_t count;
    struct table by_name;
};

static struct former replace_servers(
    struct pool *pool, struct config_server *servers, size_t count, struct table by_name)
{
    struct former former = {pool->servers, pool->server_count, pool->by_name};

    pool->servers = servers;
    pool->server_count = count;
    pool->by_name = by_name;
    return former;
}

static void free_former(struct former *former)
{
    table_free(&former->by_name);
    free_servers(former->servers, former->count);
}

/* Any server may have changed. The lock is held. */
static void end_change(struct pool *pool, uint64_t now_ms)
{
    pool->changes++;
    (void)balance_pass_time(&pool->table, now_ms);
    balance_update_all(&pool->table);
    pool_serve_queue(pool, now_ms);
}

/* Memory is allocated before the lock is taken, and freed after it. */
bool pool_configure(struct pool *pool, const struct config_backend *backend, uint64_t now_ms)
{
    struct config_server *servers = copy_servers(backend);
    struct table by_name;
    struct former former;

    if (!servers || !index_names(servers, backend->server_count, &by_name)) {
        free_servers(servers, backend->server_count);
        return false;
    }
    (void)pthread_mutex_lock(&pool->lock);
    former = replace_servers(pool, servers, backend->server_count, by_name);
    pool->table.method = backend->balance;
    set_health(pool, &(struct health_policy){.rise = backend->rise,
                         .fall = backend->fall,
                         .is_checked = backend->check != OPENING_NONE});
    pool->queue_size = backend->queue_size;
    update_slots(pool, &former.by_name, now_ms);
    end_change(pool, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    free_former(&former);
    return true;
}

/*
 * The pool has the servers of `newer` already; now it takes their addresses. The lock is held.
 * `newer` is not locked, because no other thread knows it yet.
 */
static void take_addresses(struct pool *pool, const struct pool *newer, uint64_t now_ms)
{
    pool->next_place = 0;
    for (size_t i = 0; i < pool->table.count; i++) {
        const struct slot *slot = &pool->slots[i];
        size_t theirs = pool_find_slot(newer, slot->name, &slot->at.address);

        if (theirs >= BALANCE_SERVERS_MAX || !newer->table.servers[theirs].is_listed)
            pool->table.servers[i].is_listed = false;
    }
    for (size_t i = 0; i < newer->table.count; i++) {
        const struct slot *slot = &newer->slots[i];

        if (newer->table.servers[i].is_listed)
            (void)add_address(pool, find_server(&pool->by_name, slot->name), &slot->at, now_ms);
    }
}

void pool_take_over(struct pool *pool, struct pool *newer, uint64_t now_ms)
{
    struct former former;

    (void)pthread_mutex_lock(&pool->lock);
    former = replace_servers(pool, newer->servers, newer->server_count, newer->by_name);
    newer->servers = NULL;
    newer->server_count = 0;
    newer->by_name = (struct table){.count = 0};
    pool->table.method = newer->table.method;
    set_health(pool, &newer->table.health);
    pool->queue_size = newer->queue_size;
    take_addresses(pool, newer, now_ms);
    end_change(pool, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    free_former(&former);
    pool_tell_changes(pool, true, now_ms);
}

/*
 * Takes all addresses of the server off the list, and puts those that it still has on it again.
 * Returns how many are left out. The lock is held.
 */
static size_t set_addresses(struct pool *pool, const struct config_server *server,
    const struct pool_address *addresses, size_t count, uint64_t now_ms)
{
    size_t left_out = 0;

    for (size_t i = 0; i < pool->table.count; i++) {
        if (strcmp(pool->slots[i].name, server->name) == 0)
            pool->table.servers[i].is_listed = false;
    }
    /* New ones come last, since they take the places of those that are gone. */
    for (size_t i = 0; i < count; i++)
        (void)keep_address(pool, server, &addresses[i], now_ms);
    pool->next_place = 0;
    for (size_t i = 0; i < count; i++)
        left_out += add_address(pool, server, &addresses[i], now_ms) ? 0 : 1;
    end_change(pool, now_ms);
    return left_out;
}

size_t pool_set_addresses(struct pool *pool, const char *name, const struct pool_address *addresses,
    size_t count, uint64_t now_ms)
{
    const struct config_server *server;
    size_t left_out = 0;

    (void)pthread_mutex_lock(&pool->lock);
    server = find_server(&pool->by_name, name);
    if (server && !server->has_address)
        left_out = set_addresses(pool, server, addresses, count, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_changes(pool, false, now_ms);
    return left_out;
}

bool pool_host_of(struct pool *pool, const char *name, char host[POOL_NAME_MAX])
{
    const struct config_server *server;

    (void)pthread_mutex_lock(&pool->lock);
    server = find_server(&pool->by_name, name);
    if (server)
        (void)snprintf(host, POOL_NAME_MAX, "%s", server->host);
    (void)pthread_mutex_unlock(&pool->lock);
    return server != NULL;
}

unsigned pool_changes(struct pool *pool)
{
    unsigned changes;

    (void)pthread_mutex_lock(&pool->lock);
    changes = pool->changes;
    (void)pthread_mutex_unlock(&pool->lock);
    return changes;
}

size_t pool_slots(struct pool *pool)
{
    size_t count;

    (void)pthread_mutex_lock(&pool->lock);
    count = pool->table.count;
    (void)pthread_mutex_unlock(&pool->lock);
    return count;
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
