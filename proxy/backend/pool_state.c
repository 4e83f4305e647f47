/*
 * The state of a backend and its servers: copies of it for other files and threads, and its lines
 * in the log.
 */
#include "pool_parts.h"

#include "mailmux/log.h"
#include <stdio.h>

void pool_copy_server(const struct pool *pool, size_t slot, struct pool_server *server)
{
    const struct balance_server *state = &pool->table.servers[slot];

    *server = (struct pool_server){.generation = pool->slots[slot].generation,
        .address = pool->slots[slot].at.address,
        .state = state->state,
        .backup = state->backup,
        .sessions = state->sessions,
        .max_sessions = state->max_sessions,
        .health = state->health,
        .counts = pool->slots[slot].counts};
    (void)snprintf(server->name, sizeof(server->name), "%s", pool->slots[slot].name);
}

static const char *mark_of(const struct health *health, uint64_t now_ms)
{
    if (!health->is_down)
        return "up";
    if (health->on_trial)
        return "trial";
    return health->held_until_ms > now_ms ? "held" : "down";
}

const char *pool_state_name(const struct pool_server *server, bool is_listed)
{
    if (!is_listed)
        return "left"; /* it is no longer configured, but sessions are open on it */
    switch (server->state) {
    case SERVER_READY:
        break;
    case SERVER_DRAIN:
        return "drain";
    case SERVER_MAINTENANCE:
        return "maintenance";
    }
    return server->backup ? "backup" : "ready";
}

static void log_server(
    const char *backend, const struct pool_server *server, bool is_listed, uint64_t now_ms)
{
    const struct health *health = &server->health;
    char address[ADDRESS_TEXT_MAX];
    struct log_line line;

    log_open(&line, LOG_INFO, "state-server");
    log_number(&line, "generation", log_generation());
    log_text(&line, "backend", slice_from(backend));
    log_text(&line, "server", slice_from(server->name));
    log_text(&line, "address", slice_from(address_text(&server->address, address)));
    log_text(&line, "state", slice_from(pool_state_name(server, is_listed)));
    log_text(&line, "mark", slice_from(mark_of(health, now_ms)));
    if (health->is_down && health->held_until_ms > now_ms)
        log_number(&line, "held_ms", health->held_until_ms - now_ms);
    if (health->check_failed)
        log_text(&line, "check", SLICE("failed"));
    log_number(&line, "failures", health->failures);
    log_number(&line, "sessions", server->sessions);
    log_number(&line, "max_sessions", server->max_sessions);
    log_number(&line, "served", server->counts.tries - server->counts.failed);
    log_number(&line, "failed", server->counts.failed);
    log_number(&line, "bytes_in", server->counts.bytes_in);
    log_number(&line, "bytes_out", server->counts.bytes_out);
    log_write(&line);
}

static void log_slot(struct pool *pool, size_t slot, uint64_t now_ms)
{
    struct pool_server server;
    bool is_listed;
    bool is_logged;

    (void)pthread_mutex_lock(&pool->lock);
    is_listed = pool->table.servers[slot].is_listed;
    is_logged = is_listed || pool->table.servers[slot].sessions > 0;
    if (is_logged)
        pool_copy_server(pool, slot, &server);
    (void)pthread_mutex_unlock(&pool->lock);
    if (is_logged)
        log_server(pool->name, &server, is_listed, now_ms);
}

/* No line is written under the lock, because sessions must not wait for the log. */
void pool_log_state(struct pool *pool, uint64_t now_ms)
{
    struct log_line line;
    size_t slots;
    size_t queued;
    size_t queue_size;

    (void)pthread_mutex_lock(&pool->lock);
    slots = pool->table.count; /* the table never shrinks */
    queued = pool->queue_len;
    queue_size = pool->queue_size;
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < slots; i++)
        log_slot(pool, i, now_ms);
    log_open(&line, LOG_INFO, "state-backend");
    log_number(&line, "generation", log_generation());
    log_text(&line, "backend", slice_from(pool->name));
    log_number(&line, "queued", queued);
    log_number(&line, "queue_size", queue_size);
    log_write(&line);
}

size_t pool_count_down(struct pool *pool)
{
    size_t down;

    (void)pthread_mutex_lock(&pool->lock);
    down = balance_outlook(&pool->table).down;
    (void)pthread_mutex_unlock(&pool->lock);
    return down;
}
