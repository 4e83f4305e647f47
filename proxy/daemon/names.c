#include "names.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "pool.h"
#include "resolve.h"
#include <stdlib.h>

enum { RESOLVE_INTERVAL_MS = 30 * 1000 };

/* One server that is known by name. */
struct entry {
    struct names *names;
    struct resolve *request;
    size_t backend;
    size_t server;
    bool failed; /* the last time: logged once */
};

struct names {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct snapshot *snapshot;
    names_ready *on_ready;
    void *owner;
    size_t waiting;
    bool ready;
    size_t count;
    struct entry entries[];
};

static const struct config_server *server_of(const struct entry *entry)
{
    const struct config *config = snapshot_config(entry->names->snapshot);

    return &config->backends[entry->backend].servers[entry->server];
}

static void settle(struct names *names)
{
    if (names->ready || names->waiting > 0)
        return;
    names->ready = true;
    names->on_ready(names->owner);
}

static void note_failure(struct entry *entry, const char *why)
{
    if (!entry->failed)
        log_message(LOG_WARNING, "name-failed", "server %s: \"%s\" cannot be resolved: %s",
            server_of(entry)->name, server_of(entry)->host, why);
    entry->failed = true;
}

static void tell_pool(const struct entry *entry, const struct address *addresses, size_t count)
{
    struct pool_address list[RESOLVE_MAX];

    for (size_t i = 0; i < count; i++)
        list[i] = (struct pool_address){addresses[i], 1, false};
    pool_set_addresses(snapshot_pool(entry->names->snapshot, entry->backend),
        server_of(entry)->name, list, count, clock_monotonic_ms());
}

static void on_resolved(void *owner, int status, const struct address *addresses, size_t count)
{
    struct entry *entry = owner;
    struct names *names = entry->names;

    entry->request = NULL;
    names->waiting--;
    if (status == 0) {
        entry->failed = false;
        tell_pool(entry, addresses, count);
    } else {
        note_failure(entry, resolve_error_text(status));
    }
    settle(names);
}

static void look_up(struct entry *entry)
{
    const struct config_server *server = server_of(entry);

    if (entry->request)
        return;
    entry->request =
        resolve_start(entry->names->loop, server->host, server->port, on_resolved, entry);
    if (entry->request)
        entry->names->waiting++;
    else
        note_failure(entry, "out of memory");
}

static void on_timer(uv_timer_t *timer)
{
    struct names *names = timer->data;

    for (size_t i = 0; i < names->count; i++)
        look_up(&names->entries[i]);
}

static size_t count_names(const struct config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->backend_count; i++) {
        for (size_t j = 0; j < config->backends[i].server_count; j++)
            count += config->backends[i].servers[j].is_ip ? 0 : 1;
    }
    return count;
}

static void collect(struct names *names, const struct config *config)
{
    for (size_t i = 0; i < config->backend_count; i++) {
        for (size_t j = 0; j < config->backends[i].server_count; j++) {
            if (!config->backends[i].servers[j].is_ip)
                names->entries[names->count++] =
                    (struct entry){.names = names, .backend = i, .server = j};
        }
    }
}

struct names *names_start(
    uv_loop_t *loop, struct snapshot *snapshot, names_ready *on_ready, void *owner)
{
    const struct config *config = snapshot_config(snapshot);
    struct names *names = calloc(1, sizeof(*names) + count_names(config) * sizeof(struct entry));

    if (!names)
        return NULL;
    names->loop = loop;
    names->snapshot = snapshot_ref(snapshot);
    names->on_ready = on_ready;
    names->owner = owner;
    collect(names, config);
    (void)uv_timer_init(loop, &names->timer);
    names->timer.data = names;
    if (names->count > 0)
        (void)uv_timer_start(&names->timer, on_timer, RESOLVE_INTERVAL_MS, RESOLVE_INTERVAL_MS);
    for (size_t i = 0; i < names->count; i++)
        look_up(&names->entries[i]);
    settle(names);
    return names;
}

static void on_closed(uv_handle_t *handle)
{
    struct names *names = handle->data;

    snapshot_unref(&names->snapshot);
    free(names);
}

void names_stop(struct names **pointer)
{
    struct names *names = *pointer;

    *pointer = NULL;
    if (!names)
        return;
    for (size_t i = 0; i < names->count; i++) {
        if (names->entries[i].request)
            resolve_cancel(&names->entries[i].request);
    }
    uv_close((uv_handle_t *)&names->timer, on_closed);
}
