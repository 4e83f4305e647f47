#include "snapshot.h"

#include "account.h"
#include "backend_tls.h"
#include "certificate_refresh.h"
#include "certificates.h"
#include "exchanger.h"
#include "front.h"
#include "mailmux/clock.h"
#include "mailmux/config_protocols.h"
#include "mailmux/refcount.h"
#include "pool.h"
#include "state_directory.h"
#include "tls_roots.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the service of one listener points to. */
struct part {
    struct tls_service tls; /* zeroed where the listener has no TLS */
    struct tls_set **sets;  /* borrowed from the snapshot's, in the listener's order */
    struct front front;     /* zeroed where its protocol is known */
};

struct snapshot {
    struct refcount references;
    struct config *config;
    int64_t judged_s;               /* when the certificates were, in seconds since 1970 */
    struct tls_set **sets;          /* config->tls_count of them; NULL: is_set_used says no */
    struct tls_tickets *tickets;    /* a reference */
    struct pool **pools;            /* config->backend_count references */
    struct tls_client **server_tls; /* config->backend_count references; NULL: no TLS there */
    struct service *services;       /* config->listener_count of them, as the next */
    struct part *parts;
};

static bool build_tls(struct snapshot *snapshot, size_t i)
{
    const struct config_listener *listener = &snapshot->config->listeners[i];
    const struct protocol *protocol = route_protocol(listener->protocol);
    struct part *part = &snapshot->parts[i];
    size_t alpn_count = 0;

    part->sets = calloc(listener->tls_set_count, sizeof(struct tls_set *));
    if (!part->sets)
        return false;
    for (size_t j = 0; j < listener->tls_set_count; j++)
        part->sets[j] = snapshot->sets[listener->tls_sets[j]];
    while (protocol->alpn[alpn_count])
        alpn_count++;
    part->tls = (struct tls_service){.listener = listener->name,
        .protocol = protocol->name,
        .alpn_count = alpn_count,
        .alpn = protocol->alpn,
        .set_count = listener->tls_set_count,
        .claim_only = listener->tls_host_sets,
        .sets = part->sets,
        .strict_sni = listener->strict_sni != 0,
        .smtp_fallback = config_protocol_row(listener->protocol)->is_exchange,
        .tickets = snapshot->tickets};
    return tls_scopes_make(&part->tls);
}

static bool build_part(struct snapshot *snapshot, size_t i)
{
    const struct config_listener *listener = &snapshot->config->listeners[i];
    struct part *part = &snapshot->parts[i];

    if (listener->protocol == CONFIG_PROTOCOL_AUTO) {
        if (!front_init(
                &part->front, snapshot->config, listener, snapshot->services, snapshot->pools))
            return false;
        snapshot->services[i] = service_of_front(snapshot->config, listener, part->front.targets);
        return true;
    }
    snapshot->services[i] = service_of(snapshot->config, listener, &part->tls,
        snapshot->pools[listener->backend], snapshot->server_tls[listener->backend]);
    return listener->tls == LISTENER_TLS_NONE || build_tls(snapshot, i);
}

static bool build_pools(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->config->backend_count; i++) {
        const struct config_backend *backend = &snapshot->config->backends[i];

        snapshot->pools[i] = pool_new(backend->name);
        if (!snapshot->pools[i] ||
            !pool_configure(snapshot->pools[i], backend, clock_monotonic_ms()))
            return false;
    }
    return true;
}

static bool allocate(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;

    snapshot->sets = calloc(config->tls_count, sizeof(struct tls_set *));
    snapshot->pools = calloc(config->backend_count, sizeof(struct pool *));
    snapshot->server_tls = calloc(config->backend_count, sizeof(struct tls_client *));
    snapshot->services = calloc(config->listener_count, sizeof(*snapshot->services));
    snapshot->parts = calloc(config->listener_count, sizeof(*snapshot->parts));
    return snapshot->sets && snapshot->pools && snapshot->server_tls && snapshot->services &&
           snapshot->parts;
}

/*
 * Returns whether to load a set: a listener with TLS uses it, or it has certificates. The set of
 * [tls] may have neither, and then no self-signed certificate is made for it.
 */
static bool is_set_used(const struct config *config, size_t set)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->tls_set_count; j++) {
            if (listener->tls != LISTENER_TLS_NONE && listener->tls_sets[j] == set)
                return true;
        }
    }
    return config->tls[set].certificates.count > 0 || config->tls[set].directories.count > 0;
}

/*
 * Random keys are kept over a reload, so that tickets from before it stay good, unless
 * ticket_period has changed. Keys from files are read again.
 */
static void take_tickets(
    struct snapshot *snapshot, struct snapshot *before, struct config_report *report)
{
    const struct config_tls *tls = &snapshot->config->tls[0];

    if (before && tls->ticket_keys.count == 0 && before->config->tls[0].ticket_keys.count == 0 &&
        tls->ticket_period == before->config->tls[0].ticket_period)
        snapshot->tickets = tls_tickets_ref(before->tickets);
    else
        snapshot->tickets = tickets_load(snapshot->config, report);
}

/* Returns a reference to what the set of the same name had from its directories, or NULL. */
static struct tls_directory *find_directory(const struct snapshot *before, const char *name)
{
    for (size_t i = 0; before && i < before->config->tls_count; i++) {
        if (before->sets[i] && strcmp(before->config->tls[i].name, name) == 0)
            return tls_set_directory(before->sets[i]);
    }
    return NULL;
}

static void load_sets(struct snapshot *snapshot, const struct snapshot *before,
    bool make_certificate, struct config_report *report)
{
    const struct config *config = snapshot->config;

    for (size_t i = 0; i < config->tls_count; i++) {
        struct tls_directory *directory = find_directory(before, config->tls[i].name);

        if (is_set_used(config, i))
            snapshot->sets[i] = certificates_load(config, i, directory, make_certificate, report);
        tls_directory_unref(&directory);
    }
}

/* Goes on after an error in a file, so that all of them are reported at once. */
static bool build(struct snapshot *snapshot, struct snapshot *before, bool make_certificate,
    struct config_report *report)
{
    const struct config *config = snapshot->config;
    bool is_built;

    if (!allocate(snapshot)) {
        config_report_add(report, true, (struct config_origin){0}, "out of memory");
        return false;
    }
    snapshot->judged_s = time(NULL);
    load_sets(snapshot, before, make_certificate, report);
    tls_roots_open(); /* many backends may trust the same */
    for (size_t i = 0; i < config->backend_count; i++)
        snapshot->server_tls[i] =
            backend_tls_load(&config->backends[i], config->proxy.tls_relay, report);
    tls_roots_close();
    take_tickets(snapshot, before, report);
    account_check(config, make_certificate, report);
    exchanger_check(config, snapshot->sets, report);
    if (!make_certificate && report->error_count == 0) /* an error may be of the directory */
        state_directory_check(config, false, report);
    if (report->error_count > 0)
        return false;
    certificates_check_hostname(config, snapshot->sets, report);
    certificates_check_hosts(config, snapshot->sets, report);
    is_built = build_pools(snapshot);
    for (size_t i = 0; i < config->listener_count && is_built; i++)
        is_built = build_part(snapshot, i);
    if (!is_built)
        config_report_add(report, true, (struct config_origin){0}, "out of memory");
    return is_built;
}

struct snapshot *snapshot_new(struct config **config, struct snapshot *before,
    bool make_certificate, struct config_report *report)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (!snapshot) {
        config_free(config);
        config_report_add(report, true, (struct config_origin){0}, "out of memory");
        return NULL;
    }
    refcount_init(&snapshot->references);
    snapshot->config = *config;
    *config = NULL;
    if (!build(snapshot, before, make_certificate, report))
        snapshot_unref(&snapshot);
    return snapshot;
}

/*
 * Returns the pool that the backend of this name has in `snapshot`. Returns NULL if there is no
 * such backend, or if its servers are to be spoken to in another way. A session keeps the settings
 * that it began with, but chooses from the pool as it is now; so with one pool for both, it could
 * go in clear to a server that the new configuration allows TLS only.
 */
static struct pool *find_pool(const struct snapshot *snapshot, const struct config_backend *backend)
{
    for (size_t i = 0; i < snapshot->config->backend_count; i++) {
        const struct config_backend *before = &snapshot->config->backends[i];

        if (strcmp(before->name, backend->name) == 0)
            return config_speaks_alike(before, backend) ? snapshot->pools[i] : NULL;
    }
    return NULL;
}

static bool has_pool(const struct snapshot *snapshot, const struct pool *pool)
{
    for (size_t i = 0; i < snapshot->config->backend_count; i++) {
        if (snapshot->pools[i] == pool)
            return true;
    }
    return false;
}

/* Gives the i-th listener the pools that the snapshot has now. */
static void take_pools(struct snapshot *snapshot, size_t i)
{
    const struct config_listener *listener = &snapshot->config->listeners[i];
    if (listener->protocol == CONFIG_PROTOCOL_AUTO)
        front_take_pools(&snapshot->parts[i].front, listener, snapshot->pools);
    else
        snapshot->services[i].route.pool = snapshot->pools[listener->backend];
}

void snapshot_take_pools(struct snapshot *snapshot, const struct snapshot *before)
{
    for (size_t i = 0; i < snapshot->config->backend_count; i++) {
        struct pool *pool = find_pool(before, &snapshot->config->backends[i]);

        if (!pool)
            continue;
        pool_take_over(pool, snapshot->pools[i], clock_monotonic_ms());
        pool_unref(&snapshot->pools[i]);
        snapshot->pools[i] = pool_ref(pool);
    }
    for (size_t i = 0; i < snapshot->config->listener_count; i++)
        take_pools(snapshot, i);
    for (size_t i = 0; i < before->config->backend_count; i++) {
        if (!has_pool(snapshot, before->pools[i]))
            pool_retire(before->pools[i]);
    }
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    refcount_take(&snapshot->references);
    return snapshot;
}

void snapshot_unref(struct snapshot **pointer)
{
    struct snapshot *snapshot = *pointer;

    *pointer = NULL;
    if (!snapshot || !refcount_drop(&snapshot->references))
        return;
    for (size_t i = 0; snapshot->sets && i < snapshot->config->tls_count; i++)
        tls_set_free(&snapshot->sets[i]);
    for (size_t i = 0; snapshot->pools && i < snapshot->config->backend_count; i++)
        pool_unref(&snapshot->pools[i]);
    for (size_t i = 0; snapshot->server_tls && i < snapshot->config->backend_count; i++)
        tls_client_unref(&snapshot->server_tls[i]);
    for (size_t i = 0; snapshot->parts && i < snapshot->config->listener_count; i++) {
        tls_scopes_free(&snapshot->parts[i].tls);
        free((void *)snapshot->parts[i].sets);
        front_deinit(&snapshot->parts[i].front);
    }
    tls_tickets_unref(&snapshot->tickets);
    free(snapshot->sets);
    free(snapshot->pools);
    free(snapshot->server_tls);
    free(snapshot->services);
    free(snapshot->parts);
    config_free(&snapshot->config);
    free(snapshot);
}

const struct config *snapshot_config(const struct snapshot *snapshot)
{
    return snapshot->config;
}

const struct service *snapshot_service(const struct snapshot *snapshot, size_t listener)
{
    return &snapshot->services[listener];
}

struct probe_plan snapshot_probe_plan(const struct snapshot *snapshot, size_t index)
{
    return route_probe_plan(
        snapshot->config, &snapshot->config->backends[index], snapshot->server_tls[index]);
}

int64_t snapshot_judged_s(const struct snapshot *snapshot)
{
    return snapshot->judged_s;
}

struct tls_directory *snapshot_directory(const struct snapshot *snapshot, size_t set)
{
    return snapshot->sets[set] ? tls_set_directory(snapshot->sets[set]) : NULL;
}

bool snapshot_refresh(const struct snapshot *snapshot, size_t set, struct error *error)
{
    return !snapshot->sets[set] ||
           certificates_refresh(snapshot->config, set, snapshot->sets[set], error);
}

void snapshot_refresh_answers(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->config->tls_count; i++) {
        if (snapshot->sets[i])
            certificates_refresh_answers(&snapshot->config->tls[i], snapshot->sets[i]);
    }
}

static void visit_directory(
    const struct snapshot *snapshot, size_t set, snapshot_certificate *visit, void *owner)
{
    struct tls_directory *directory = snapshot_directory(snapshot, set);
    struct own_certificate it = {.set = snapshot->config->tls[set].name, .is_in_directory = true};

    for (size_t i = 0; directory && i < tls_directory_count(directory); i++) {
        it.file = tls_directory_path(directory, i);
        it.dates = *tls_directory_dates(directory, i);
        visit(owner, &it);
    }
    tls_directory_unref(&directory);
}

void snapshot_each_certificate(
    const struct snapshot *snapshot, snapshot_certificate *visit, void *owner)
{
    const struct config *config = snapshot->config;
    struct own_certificate it;

    for (size_t i = 0; i < config->tls_count; i++) {
        const struct config_strings *files = &config->tls[i].certificates;

        for (size_t j = 0; snapshot->sets[i] && j < files->count; j++) {
            it = (struct own_certificate){.set = config->tls[i].name,
                .file = files->text[j],
                .dates = *tls_set_dates(snapshot->sets[i], j)};
            visit(owner, &it);
        }
        visit_directory(snapshot, i, visit, owner);
    }
    for (size_t i = 0; i < config->backend_count; i++) {
        const struct config_backend *backend = &config->backends[i];

        it =
            (struct own_certificate){.backend = backend->name, .file = backend->client_certificate};
        if (snapshot->server_tls[i] && tls_client_dates(snapshot->server_tls[i], &it.dates))
            visit(owner, &it);
    }
}

struct pool *snapshot_pool(const struct snapshot *snapshot, size_t backend)
{
    return snapshot->pools[backend];
}
