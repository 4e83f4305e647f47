#include "serve.h"

#include "acceptor.h"
#include "checks.h"
#include "load.h"
#include "mailmux/check.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "names.h"
#include "privileges.h"
#include "state_dump.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    DESCRIPTORS_KEPT = 64, /* for all that is not a session */
    DESCRIPTORS_PER_SESSION = 2,
    NAMES_PATIENCE_MS = 5000 /* a configuration waits so long for its names */
};

enum { SIGNAL_TERM, SIGNAL_INT, SIGNAL_HUP, SIGNAL_USR1, SIGNALS };

static const int signal_numbers[SIGNALS] = {
    [SIGNAL_TERM] = SIGTERM, [SIGNAL_INT] = SIGINT, [SIGNAL_HUP] = SIGHUP, [SIGNAL_USR1] = SIGUSR1};

/*
 * A configuration on its way into effect: its sockets are bound, and its names are being looked up.
 * If it is zeroed, no configuration is on its way.
 */
struct coming {
    struct snapshot *snapshot;
    struct plan *plan;
    struct names *names;
};

struct server {
    const char *file;
    size_t descriptors;
    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    uv_async_t worker_over;
    uv_timer_t patience; /* with the names of `coming`; while draining, with the drain */
    struct snapshot *snapshot;
    struct acceptor *acceptor;
    struct names *names;
    struct checks *checks;
    struct coming coming;
    bool reload_again; /* SIGHUP came while a reload was under way */
    struct worker **workers;
    size_t worker_count;
    atomic_size_t workers_over;
    struct totals totals;
    struct state_dump state;
    bool draining;
    bool checks_over; /* while draining */
    bool failed;
};

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Gives up the configuration that is on its way into effect, if there is one. */
static void drop_coming(struct coming *coming)
{
    names_stop(&coming->names);
    plan_free(&coming->plan);
    snapshot_unref(&coming->snapshot);
}

/* Closes what is left on the main loop, so that uv_run in serve returns. May be called twice. */
static void end_loop(struct server *server)
{
    drop_coming(&server->coming);
    names_stop(&server->names);
    checks_stop(server->checks);
    state_dump_close(&server->state);
    for (int i = 0; i < SIGNALS; i++) {
        close_handle((uv_handle_t *)&server->signals[i]);
        (void)signal(signal_numbers[i], SIG_IGN); /* else the next one would kill the process */
    }
    close_handle((uv_handle_t *)&server->worker_over);
    close_handle((uv_handle_t *)&server->patience);
}

/* ---- Counters ---- */

static void log_counters(const struct server *server, const char *event)
{
    struct log_line line;

    log_open(&line, LOG_INFO, event);
    log_number(&line, "served", atomic_load(&server->totals.served));
    log_number(&line, "alive", atomic_load(&server->totals.alive));
    log_number(&line, "faults", check_failures());
    log_number(&line, "stalls", atomic_load(&server->totals.stalls));
    for (int kind = ATTACK_NONE + 1; kind < ATTACK_KINDS; kind++)
        log_number(
            &line, attack_text((enum attack)kind), atomic_load(&server->totals.attacks[kind]));
    log_write(&line);
}

/* ---- Draining ---- */

/* The loop may end when no worker and no check is left that could call back. */
static void end_if_over(struct server *server)
{
    if (server->checks_over && atomic_load(&server->workers_over) == server->worker_count)
        end_loop(server);
}

static void on_worker_over(uv_async_t *async)
{
    end_if_over(async->data);
}

static void on_checks_over(void *owner)
{
    struct server *server = owner;

    server->checks_over = true;
    end_if_over(server);
}

/* On the worker's thread. */
static void worker_is_over(void *owner)
{
    struct server *server = owner;

    (void)atomic_fetch_add(&server->workers_over, 1);
    (void)uv_async_send(&server->worker_over);
}

static void cut_all(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_cut(server->workers[i]);
    checks_stop(server->checks);
    on_checks_over(server);
}

static void on_drain_over(uv_timer_t *timer)
{
    log_message(LOG_WARNING, "drain-over", "the sessions and checks that are left are cut");
    cut_all(timer->data);
}

static uint64_t drain_ms(const struct server *server)
{
    return server->snapshot ? snapshot_config(server->snapshot)->timeouts.drain : 0;
}

static void begin_drain(struct server *server, const char *why)
{
    struct log_line line;

    server->draining = true;
    drop_coming(&server->coming);
    acceptor_stop(&server->acceptor); /* before the line, which means that no client can connect */
    log_open(&line, LOG_INFO, "drain");
    log_text(&line, "why", slice_from(why));
    log_number(&line, "alive", atomic_load(&server->totals.alive));
    log_number(&line, "faults", check_failures());
    log_write(&line);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
    if (server->checks)
        checks_finish(server->checks, on_checks_over, server);
    (void)uv_timer_start(&server->patience, on_drain_over, drain_ms(server), 0);
    if (server->worker_count == 0) /* it could not start, and no worker will call back */
        end_loop(server);
}

/* ---- Configurations come into effect ---- */

static size_t session_limit(const struct config *config, size_t descriptors)
{
    size_t possible = descriptors > DESCRIPTORS_KEPT + DESCRIPTORS_PER_SESSION
                          ? (descriptors - DESCRIPTORS_KEPT) / DESCRIPTORS_PER_SESSION
                          : 1;

    if (config->limits.sessions == 0)
        return possible;
    if (config->limits.sessions > possible)
        log_message(LOG_WARNING, "limits",
            "sessions = %llu needs more descriptors than there are; %zu are possible",
            (unsigned long long)config->limits.sessions, possible);
    return config->limits.sessions < possible ? (size_t)config->limits.sessions : possible;
}

/*
 * Takes a new configuration as far as it can fail: it must have been loaded (else snapshot is
 * NULL), and its sockets are bound. Takes the snapshot. Returns false on failure; the caller then
 * drops server->coming.
 */
static bool prepare(struct server *server, struct snapshot *snapshot)
{
    server->coming.snapshot = snapshot;
    if (!snapshot || !server->acceptor)
        return false;
    server->coming.plan = acceptor_plan(
        server->acceptor, snapshot, session_limit(snapshot_config(snapshot), server->descriptors));
    return server->coming.plan != NULL;
}

static void on_patience_over(uv_timer_t *timer);

/*
 * All names have been looked up. names_start may call this before it returns, so take_effect waits
 * for the next turn of the loop.
 */
static void on_names_ready(void *owner)
{
    struct server *server = owner;

    if (!server->draining)
        (void)uv_timer_start(&server->patience, on_patience_over, 0, 0);
}

/*
 * Begins to look the names up. take_effect follows when all have been looked up, or after
 * NAMES_PATIENCE_MS: servers whose names take longer are used from the moment when their addresses
 * are known. Returns false if the lookup cannot begin.
 */
static bool wait_for_names(struct server *server)
{
    struct coming *coming = &server->coming;

    (void)uv_timer_start(&server->patience, on_patience_over, NAMES_PATIENCE_MS, 0);
    coming->names =
        names_start(&server->loop, coming->snapshot, server->names, on_names_ready, server);
    return coming->names != NULL;
}

static void log_effect(const struct server *server, const char *event)
{
    struct log_line line;

    log_open(&line, LOG_INFO, event);
    log_text(&line, "version", slice_from(MAILMUX_VERSION));
    log_number(&line, "listeners", snapshot_config(server->snapshot)->listener_count);
    log_number(&line, "workers", server->worker_count);
    log_write(&line);
}

/*
 * Puts the configuration into effect: it serves new connections, and open sessions keep the
 * snapshot that they began with. The pools are handed over first, so that the new snapshot is
 * complete before the acceptor's thread sees it.
 */
static bool take_effect(struct server *server)
{
    struct coming *coming = &server->coming;
    bool is_first = !server->snapshot;

    (void)uv_timer_stop(&server->patience);
    if (is_first &&
        !acceptor_start(server->acceptor, server->workers, server->worker_count, &coming->plan)) {
        log_message(LOG_ERROR, "start-failed", "no thread could be started");
        return false;
    }
    if (!is_first) {
        snapshot_take_pools(coming->snapshot, server->snapshot);
        acceptor_switch(server->acceptor, &coming->plan);
    }
    names_stop(&server->names);
    snapshot_unref(&server->snapshot);
    server->names = coming->names;
    server->snapshot = coming->snapshot;
    *coming = (struct coming){0};
    checks_follow(server->checks, server->snapshot);
    log_effect(server, is_first ? "ready" : "reloaded");
    return true;
}

static void begin_reload(struct server *server)
{
    if (!prepare(server, load_again(server->file, server->snapshot)) || !wait_for_names(server)) {
        drop_coming(&server->coming);
        log_message(LOG_ERROR, "reload-failed",
            "nothing has changed: the configuration from before is still in effect");
    }
}

/* The names have been looked up, or NAMES_PATIENCE_MS are over. */
static void on_patience_over(uv_timer_t *timer)
{
    struct server *server = timer->data;

    if (!server->coming.names) /* names_start has failed, and the reload was dropped */
        return;
    if (!take_effect(server)) {
        server->failed = true;
        begin_drain(server, "failure");
    } else if (server->reload_again) {
        server->reload_again = false;
        begin_reload(server);
    }
}

/* ---- Signals ---- */

static void reload(struct server *server)
{
    if (server->coming.snapshot)
        server->reload_again = true;
    else
        begin_reload(server);
}

/* The first signal begins the drain, the second cuts it short. */
static void end(struct server *server, const char *why)
{
    if (server->draining)
        cut_all(server);
    else
        begin_drain(server, why);
}

static void log_state(struct server *server)
{
    log_counters(server, "counters");
    state_dump_begin(&server->state, server->snapshot, server->workers, server->worker_count);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;

    if (number == SIGUSR1)
        log_state(server);
    else if (number != SIGHUP)
        end(server, number == SIGINT ? "SIGINT" : "SIGTERM");
    else if (!server->draining)
        reload(server);
}

/* ---- Starting ---- */

static bool start_workers(struct server *server, const struct config *config)
{
    size_t wanted = config->proxy.workers ? config->proxy.workers : uv_available_parallelism();
    struct error error;

    if (getrandom(&server->totals.seed, sizeof(server->totals.seed), 0) < 0)
        server->totals.seed = clock_monotonic_ms(); /* ids of sessions are no secret */
    server->workers = calloc(wanted, sizeof(struct worker *));
    for (size_t i = 0; server->workers && i < wanted; i++) {
        server->workers[i] =
            worker_start((unsigned)i, &server->totals, worker_is_over, server, &error);
        if (!server->workers[i]) {
            log_message(LOG_ERROR, "start-failed", "%s", error.text);
            return false;
        }
        server->worker_count++;
    }
    return server->workers != NULL;
}

static void init_loop(struct server *server)
{
    (void)uv_loop_init(&server->loop);
    (void)uv_async_init(&server->loop, &server->worker_over, on_worker_over);
    (void)uv_timer_init(&server->loop, &server->patience);
    state_dump_init(&server->state, &server->loop);
    server->worker_over.data = server;
    server->patience.data = server;
    for (int i = 0; i < SIGNALS; i++) {
        (void)uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        (void)uv_signal_start(&server->signals[i], on_signal, signal_numbers[i]);
    }
}

/*
 * Keys are read (load_first) and sockets are bound with the rights of the start. Then the process
 * becomes its user. Threads begin last: privileges_drop must be called while there is one thread.
 */
static bool start(struct server *server, struct snapshot *snapshot)
{
    const struct config *config = snapshot_config(snapshot);
    struct error error;

    server->acceptor = acceptor_new(&server->totals);
    server->checks = checks_new(&server->loop);
    if (!server->checks) {
        snapshot_unref(&snapshot);
        log_message(LOG_ERROR, "start-failed", "out of memory");
        return false;
    }
    if (!prepare(server, snapshot))
        return false;
    if (!privileges_drop(config->proxy.user, &error)) {
        log_message(LOG_ERROR, "start-failed", "%s", error.text);
        return false;
    }
    privileges_hide_memory(config->proxy.core_dumps == 0);
    return start_workers(server, config) && wait_for_names(server);
}

static int finish(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(&server->workers[i]);
    free(server->workers);
    checks_free(&server->checks);
    (void)uv_loop_close(&server->loop);
    snapshot_unref(&server->snapshot);
    log_counters(server, "exit");
    return server->failed || atomic_load(&server->totals.alive) > 0 ? 1 : 0;
}

/*
 * Returns whether there are descriptors for the process and one session; logs it if not. Without
 * the former libuv would abort.
 */
static bool has_descriptors(const struct server *server)
{
    const size_t least = DESCRIPTORS_KEPT + DESCRIPTORS_PER_SESSION;

    if (server->descriptors < least)
        log_message(LOG_ERROR, "start-failed",
            "at most %zu files may be open (RLIMIT_NOFILE), and at least %zu are needed",
            server->descriptors, least);
    return server->descriptors >= least;
}

int serve(const char *file)
{
    static struct server server;
    struct snapshot *snapshot;

    server.file = file;
    server.descriptors = privileges_raise_descriptors();
    if (!has_descriptors(&server))
        return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    init_loop(&server); /* a signal that comes while the file is read waits for the loop */
    snapshot = load_first(file);
    if (!snapshot) {
        end_loop(&server);
        (void)uv_run(&server.loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&server.loop);
        return 1;
    }
    if (!start(&server, snapshot)) {
        server.failed = true;
        begin_drain(&server, "failure");
    }
    (void)uv_run(&server.loop, UV_RUN_DEFAULT);
    return finish(&server);
}
