#include "probe_command.h"

#include "backend_tls.h"
#include "mailmux/log.h"
#include "names.h"
#include "pool.h"
#include "visit_report.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { VISITS_AT_ONCE = 16 };

/* All visits of one call, in the order of the file. */
struct tour {
    uv_loop_t loop;
    struct engine engine; /* large, so the tour is not on the stack */
    struct snapshot *snapshot;
    struct tls_client *lax; /* takes every certificate */
    bool has_names;         /* every name has been looked up, or has failed */
    size_t count;
    struct visit *visits;
    size_t started;
    size_t over;
    size_t printed; /* a prefix of visits, since blocks are printed in order */
    struct visit_counts counts;
};

static const struct engine_hooks hooks = {.connect = leg_connect};

/* ---- Which servers ---- */

static void on_names_ready(void *owner)
{
    struct tour *tour = owner;

    tour->has_names = true;
    uv_stop(&tour->loop); /* else this turn would go on to wait for events */
}

/* Adds a visit for each address of that server. If it has none, adds one visit that says so. */
static void add_server(struct tour *tour, size_t backend, const struct config_server *server)
{
    struct pool *pool = snapshot_pool(tour->snapshot, backend);
    struct visit *first = &tour->visits[tour->count];
    struct pool_server found;

    for (size_t slot = 0; slot < pool_slots(pool); slot++) {
        if (!pool_look(pool, slot, &found) || strcmp(found.name, server->name) != 0)
            continue;
        tour->visits[tour->count++] = (struct visit){.snapshot = tour->snapshot,
            .backend = backend,
            .server = server,
            .has_address = true,
            .address = found.address};
    }
    if (first == &tour->visits[tour->count])
        tour->visits[tour->count++] = (struct visit){
            .snapshot = tour->snapshot, .backend = backend, .server = server, .is_over = true};
}

/* How many visits there are at most: each line of a server may have none or several addresses. */
static size_t count_visits(const struct tour *tour)
{
    const struct config *config = snapshot_config(tour->snapshot);
    struct pool_server found;
    size_t count = 0;

    for (size_t i = 0; i < config->backend_count; i++) {
        struct pool *pool = snapshot_pool(tour->snapshot, i);

        count += config->backends[i].server_count;
        for (size_t slot = 0; slot < pool_slots(pool); slot++)
            count += pool_look(pool, slot, &found) ? 1 : 0;
    }
    return count;
}

static bool plan_visits(struct tour *tour)
{
    const struct config *config = snapshot_config(tour->snapshot);

    tour->visits = calloc(count_visits(tour), sizeof(*tour->visits));
    if (!tour->visits)
        return false;
    for (size_t i = 0; i < config->backend_count; i++) {
        for (size_t j = 0; j < config->backends[i].server_count; j++)
            add_server(tour, i, &config->backends[i].servers[j]);
    }
    return true;
}

/* ---- The visits ---- */

static void on_visited(void *owner);

/* Starts visits until VISITS_AT_ONCE are under way. One without an address is over at once. */
static void start_more(struct tour *tour)
{
    while (tour->started < tour->count && tour->started - tour->over < VISITS_AT_ONCE) {
        struct visit *visit = &tour->visits[tour->started++];

        if (visit->is_over)
            tour->over++;
        else
            visit_start(visit, &tour->engine, tour->lax, on_visited, tour);
    }
}

static void print_ready(struct tour *tour)
{
    while (tour->printed < tour->count && tour->visits[tour->printed].is_over)
        visit_report(&tour->visits[tour->printed++], stdout, &tour->counts);
}

static void on_visited(void *owner)
{
    struct tour *tour = owner;

    tour->over++;
    print_ready(tour);
    start_more(tour);
    uv_stop(&tour->loop); /* as in on_names_ready */
}

static void visit_all(struct tour *tour)
{
    struct names *names = names_start(&tour->loop, tour->snapshot, NULL, on_names_ready, tour);

    while (names && !tour->has_names)
        (void)uv_run(&tour->loop, UV_RUN_ONCE);
    names_stop(&names);
    if (!plan_visits(tour)) {
        visit_find(stdout, &tour->counts.errors, "error", "out of memory");
        return;
    }
    start_more(tour);
    while (tour->over < tour->count)
        (void)uv_run(&tour->loop, UV_RUN_ONCE);
    print_ready(tour);
}

/*
 * TLS that takes every certificate, to find out what a server is. A visit says nothing over it that
 * must be kept secret.
 */
static struct tls_client *make_lax(const struct config_backend *backend)
{
    struct config_backend lax = {.name = backend->name,
        .section = backend->section,
        .settings = backend->settings,
        .tls = BACKEND_TLS_IMPLICIT,
        .tls_policy = TLS_LEGACY};
    struct config_report report = {0};
    struct tls_client *client = backend_tls_load(&lax, TLS_RELAY_LIBRARY, &report);

    config_report_free(&report);
    return client;
}

static void print_end(const struct tour *tour)
{
    (void)printf("%zu server%s probed: %zu error%s, %zu warning%s\n", tour->count,
        tour->count == 1 ? "" : "s", tour->counts.errors, tour->counts.errors == 1 ? "" : "s",
        tour->counts.warnings, tour->counts.warnings == 1 ? "" : "s");
}

size_t probe_command(struct snapshot *snapshot)
{
    static struct tour tour;

    (void)signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_FORMAT_TEXT, LOG_WARNING);
    tour = (struct tour){.snapshot = snapshot};
    tour.lax = make_lax(&snapshot_config(snapshot)->backends[0]);
    if (!tour.lax || uv_loop_init(&tour.loop) != 0 ||
        !engine_init(&tour.engine, &tour.loop, &hooks, NULL)) {
        tls_client_unref(&tour.lax);
        visit_find(stdout, &tour.counts.errors, "error", "servers cannot be probed: out of memory");
        return tour.counts.errors;
    }
    uv_ref((uv_handle_t *)&tour.engine.deadlines.timer); /* the loop may have nothing else */
    visit_all(&tour);
    engine_deinit(&tour.engine);
    (void)uv_run(&tour.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&tour.loop);
    tls_client_unref(&tour.lax);
    free(tour.visits);
    print_end(&tour);
    return tour.counts.errors;
}
