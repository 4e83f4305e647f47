#include "names.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "mailmux/table.h"
#include "pool.h"
#include "resolve.h"
#include <stdlib.h>
#include <string.h>

/* One server that is given by a name. */
struct entry {
    struct names *names;
    struct resolve *request; /* NULL: it is not being looked up */
    bool is_awaited;         /* the request has had no answer, not even an early one */
    size_t backend;          /* its index in the configuration */
    size_t server;           /* its index in the backend */
    bool is_known;           /* has been answered at least once */
    bool failed;             /* the last lookup did, and the log says so */
    size_t count;
    struct resolve_address *addresses; /* what the pool has; allocated */
    size_t left_out;                   /* addresses for which there was no room */
};

/* Addresses, and where they are among them. */
struct addresses {
    struct resolve_address *list;
    size_t count;
    struct table places;
};

struct names {
    struct resolver *resolver;
    uv_timer_t timer;
    struct snapshot *snapshot;
    names_ready *on_ready;
    void *owner;
    size_t waiting; /* entries with is_awaited */
    bool ready;     /* on_ready has been called */
    size_t count;
    struct entry entries[];
};

static const struct config_backend *backend_of(const struct entry *entry)
{
    return &snapshot_config(entry->names->snapshot)->backends[entry->backend];
}

static const struct config_server *server_of(const struct entry *entry)
{
    return &backend_of(entry)->servers[entry->server];
}

/* Calls on_ready, once, when no entry waits for its first answer any more. */
static void settle(struct names *names)
{
    if (names->ready || names->waiting > 0)
        return;
    names->ready = true;
    names->on_ready(names->owner);
}

/* ---- The log ---- */

static void open_line(
    struct log_line *line, const struct entry *entry, enum log_level level, const char *event)
{
    log_open(line, level, event);
    log_text(line, "backend", slice_from(backend_of(entry)->name));
    log_text(line, "server", slice_from(server_of(entry)->name));
    log_text(line, "name", slice_from(server_of(entry)->host));
}

static void note_failure(struct entry *entry, const char *why)
{
    struct log_line line;

    if (!entry->failed) {
        open_line(&line, entry, LOG_WARNING, "name-failed");
        log_text(&line, "why", slice_from(why));
        log_number(&line, "kept", entry->count);
        log_write(&line);
    }
    entry->failed = true;
}

/* Writes as many addresses as a field of the log has room for. `count` in the line is exact. */
static void write_addresses(const struct entry *entry, char out[LOG_FIELD_MAX])
{
    char text[ADDRESS_TEXT_MAX];
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < entry->count; i++) {
        const char *address = address_text(&entry->addresses[i].address, text);

        if (n + strlen(address) + 1 >= LOG_FIELD_MAX)
            return;
        n += (size_t)snprintf(out + n, LOG_FIELD_MAX - n, "%s%s", n > 0 ? " " : "", address);
    }
}

static void note_addresses(const struct entry *entry)
{
    char text[LOG_FIELD_MAX];
    struct log_line line;

    write_addresses(entry, text);
    open_line(&line, entry, entry->count > 0 && entry->left_out == 0 ? LOG_INFO : LOG_WARNING,
        "name-resolved");
    log_number(&line, "count", entry->count);
    log_text(&line, "addresses", slice_from(text));
    if (entry->left_out > 0)
        log_number(&line, "left_out", entry->left_out);
    if (entry->count == 0)
        log_text(&line, "why", SLICE("the SRV record says that the service is not offered"));
    else if (entry->left_out > 0)
        log_text(&line, "why", SLICE("there is no room for all its addresses"));
    log_write(&line);
}

/* ---- What the pool gets ---- */

/* Makes an empty list with room for so many. Returns false without memory. */
static bool begin_list(struct addresses *addresses, size_t size)
{
    *addresses = (struct addresses){.list = calloc(size + 1, sizeof(*addresses->list))};
    return addresses->list != NULL;
}

static const struct resolve_address *find(
    const struct addresses *addresses, const struct resolve_address *wanted)
{
    return table_get(&addresses->places, address_key(&wanted->address));
}

/* Adds an address, which is not there yet. Returns false without memory. */
static bool add(struct addresses *addresses, const struct resolve_address *address)
{
    struct resolve_address *place = &addresses->list[addresses->count];

    *place = *address;
    if (!table_put(&addresses->places, address_key(&place->address), place))
        return false;
    addresses->count++;
    return true;
}

static void end_list(struct addresses *addresses)
{
    table_free(&addresses->places);
    free(addresses->list);
}

/* Returns whether the entry has just these. The order does not count: DNS servers rotate it. */
static bool is_same(const struct entry *entry, const struct addresses *addresses)
{
    if (addresses->count != entry->count)
        return false;
    for (size_t i = 0; i < entry->count; i++) {
        const struct resolve_address *known = &entry->addresses[i];
        const struct resolve_address *now = find(addresses, known);

        if (!now || known->priority != now->priority || known->weight != now->weight)
            return false;
    }
    return true;
}

/* Returns a copy of its addresses for the pool. All but those of the best priority are backups. */
static struct pool_address *copy_for_pool(const struct entry *entry)
{
    struct pool_address *copies = calloc(entry->count + 1, sizeof(*copies));
    uint16_t best = UINT16_MAX;

    for (size_t i = 0; i < entry->count; i++) {
        if (entry->addresses[i].priority < best)
            best = entry->addresses[i].priority;
    }
    for (size_t i = 0; copies && i < entry->count; i++)
        copies[i] = (struct pool_address){.address = entry->addresses[i].address,
            .weight = entry->addresses[i].weight,
            .backup = entry->addresses[i].priority > best};
    return copies;
}

/* Hands the addresses to the pool. Without memory it keeps those that it has. */
static void tell_pool(struct entry *entry)
{
    struct pool_address *addresses = copy_for_pool(entry);

    if (addresses)
        entry->left_out += pool_set_addresses(snapshot_pool(entry->names->snapshot, entry->backend),
            server_of(entry)->name, addresses, entry->count, clock_monotonic_ms());
    free(addresses);
}

/* Returns whether that address belongs to a question that was not answered this time. */
static bool is_in_gap(const struct resolve_result *result, const struct resolve_address *known)
{
    for (size_t i = 0; i < result->gap_count; i++) {
        const struct resolve_gap *gap = &result->gaps[i];

        if (gap->origin == known->origin &&
            (gap->family == AF_UNSPEC || gap->family == address_family(&known->address)))
            return true;
    }
    return false;
}

/*
 * Makes a list of the addresses that were found, and of those of the entry whose question was not
 * answered this time. It ends with end_list. Returns false without memory.
 */
static bool merge(
    const struct entry *entry, const struct resolve_result *result, struct addresses *merged)
{
    bool is_whole = begin_list(merged, result->count + entry->count);

    for (size_t i = 0; is_whole && i < result->count; i++)
        is_whole = add(merged, &result->addresses[i]);
    for (size_t i = 0; is_whole && i < entry->count; i++) {
        const struct resolve_address *known = &entry->addresses[i];

        if (is_in_gap(result, known) && !find(merged, known))
            is_whole = add(merged, known);
    }
    return is_whole;
}

/* The entry has these addresses from now on. The list is empty then. */
static void put_addresses(struct entry *entry, struct addresses *addresses, size_t left_out)
{
    free(entry->addresses);
    entry->is_known = true;
    entry->addresses = addresses->list;
    entry->count = addresses->count;
    entry->left_out = left_out;
    addresses->list = NULL;
}

static void take_addresses(
    struct entry *entry, const struct resolve_result *result, struct addresses *merged)
{
    bool is_news = !is_same(entry, merged) || entry->failed || !entry->is_known;

    entry->failed = false;
    if (!is_news)
        return;
    put_addresses(entry, merged, result->left_out);
    tell_pool(entry);
    note_addresses(entry);
}

/*
 * No address was found. Yet a question for one family may have been answered: with none. The
 * addresses of that family go, unless no address would be left.
 */
static void take_failure(
    struct entry *entry, const struct resolve_result *result, struct addresses *merged)
{
    if (merged->count > 0 && merged->count < entry->count) {
        put_addresses(entry, merged, 0);
        tell_pool(entry);
        note_addresses(entry);
    }
    note_failure(entry, result->error);
}

static void take_result(struct entry *entry, const struct resolve_result *result)
{
    struct addresses merged;

    if (!merge(entry, result, &merged))
        note_failure(entry, "out of memory");
    else if (result->error)
        take_failure(entry, result, &merged);
    else
        take_addresses(entry, result, &merged);
    end_list(&merged);
}

/* ---- Looking up ---- */

/* May come twice for one request: is_early says that the second is still to come. */
static void on_resolved(void *owner, const struct resolve_result *result)
{
    struct entry *entry = owner;
    struct names *names = entry->names;

    if (!result->is_early)
        entry->request = NULL;
    names->waiting -= entry->is_awaited ? 1 : 0;
    entry->is_awaited = false;
    take_result(entry, result);
    settle(names);
}

/* Starts a lookup of the entry, unless the one before is still under way. */
static void look_up(struct entry *entry)
{
    const struct config_server *server = server_of(entry);
    struct resolver *resolver = entry->names->resolver;

    if (entry->request)
        return;
    entry->request = server->is_service
                         ? resolve_service(resolver, server->host, on_resolved, entry)
                         : resolve_host(resolver, server->host, server->port, on_resolved, entry);
    entry->is_awaited = entry->request != NULL;
    if (entry->is_awaited)
        entry->names->waiting++;
    else
        note_failure(entry, "the lookup cannot be started");
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
            count += config->backends[i].servers[j].has_address ? 0 : 1;
    }
    return count;
}

static void collect(struct names *names, const struct config *config)
{
    for (size_t i = 0; i < config->backend_count; i++) {
        for (size_t j = 0; j < config->backends[i].server_count; j++) {
            if (!config->backends[i].servers[j].has_address)
                names->entries[names->count++] =
                    (struct entry){.names = names, .backend = i, .server = j};
        }
    }
}

static bool is_same_server(const struct entry *a, const struct entry *b)
{
    const struct config_server *first = server_of(a);
    const struct config_server *second = server_of(b);

    return strcmp(backend_of(a)->name, backend_of(b)->name) == 0 &&
           strcmp(first->name, second->name) == 0 && strcmp(first->host, second->host) == 0 &&
           first->port == second->port && first->is_service == second->is_service;
}

/* So a reload while DNS does not answer loses no address, and logs nothing a second time. */
static void adopt(struct entry *entry, const struct names *before)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct entry *old = &before->entries[i];

        if (!is_same_server(entry, old))
            continue;
        entry->addresses = calloc(old->count + 1, sizeof(*entry->addresses));
        if (!entry->addresses)
            return;
        entry->is_known = old->is_known;
        entry->failed = old->failed;
        entry->count = old->count;
        if (old->count > 0)
            memcpy(entry->addresses, old->addresses, old->count * sizeof(*entry->addresses));
        tell_pool(entry);
        return;
    }
}

struct names *names_start(uv_loop_t *loop, struct snapshot *snapshot, const struct names *before,
    names_ready *on_ready, void *owner)
{
    const struct config *config = snapshot_config(snapshot);
    const struct config_addresses *servers = &config->proxy.resolvers;
    uint64_t interval_ms = config->proxy.resolve_interval;
    struct names *names = calloc(1, sizeof(*names) + count_names(config) * sizeof(struct entry));

    if (!names)
        return NULL;
    names->resolver = resolver_new(loop, servers->address, servers->count);
    if (!names->resolver) {
        free(names);
        return NULL;
    }
    names->snapshot = snapshot_ref(snapshot);
    names->on_ready = on_ready;
    names->owner = owner;
    collect(names, config);
    for (size_t i = 0; before && i < names->count; i++)
        adopt(&names->entries[i], before);
    (void)uv_timer_init(loop, &names->timer);
    names->timer.data = names;
    if (names->count > 0)
        (void)uv_timer_start(&names->timer, on_timer, interval_ms, interval_ms);
    for (size_t i = 0; i < names->count; i++)
        look_up(&names->entries[i]);
    settle(names);
    return names;
}

static void on_closed(uv_handle_t *handle)
{
    struct names *names = handle->data;

    snapshot_unref(&names->snapshot);
    for (size_t i = 0; i < names->count; i++)
        free(names->entries[i].addresses);
    free(names);
}

void names_stop(struct names **pointer)
{
    struct names *names = *pointer;

    *pointer = NULL;
    if (!names)
        return;
    resolver_free(&names->resolver); /* and with it every request */
    uv_close((uv_handle_t *)&names->timer, on_closed);
}
