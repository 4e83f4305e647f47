#include "serve.h"

#include "acceptor.h"
#include "command.h"
#include "mailmux/log.h"
#include "names.h"
#include "privileges.h"
#include <signal.h>
#include <stdlib.h>

enum {
    DESCRIPTORS_KEPT = 64, /* for everything that is no session */
    DESCRIPTORS_PER_SESSION = 2,
    NAMES_PATIENCE_MS = 5000 /* servers whose names take longer join later */
};

enum { SIGNAL_TERM, SIGNAL_INT, SIGNALS };

static const int signal_numbers[SIGNALS] = {[SIGNAL_TERM] = SIGTERM, [SIGNAL_INT] = SIGINT};

struct server {
    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    uv_async_t worker_over;
    uv_timer_t patience; /* for names at the start, then for the drain */
    struct snapshot *snapshot;
    struct acceptor *acceptor;
    struct names *names;
    struct worker **workers;
    size_t worker_count;
    atomic_size_t workers_over;
    struct engine_totals totals;
    bool accepting;
    bool draining;
    bool failed;
};

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closes what is left on the main loop, so that it ends. */
static void end_loop(struct server *server)
{
    names_stop(&server->names);
    for (int i = 0; i < SIGNALS; i++) {
        close_handle((uv_handle_t *)&server->signals[i]);
        (void)signal(signal_numbers[i], SIG_IGN); /* we are leaving: one more changes nothing */
    }
    close_handle((uv_handle_t *)&server->worker_over);
    close_handle((uv_handle_t *)&server->patience);
}

/* ---- Draining ---- */

static void on_worker_over(uv_async_t *async)
{
    struct server *server = async->data;

    if (atomic_load(&server->workers_over) == server->worker_count)
        end_loop(server);
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
}

static void on_drain_over(uv_timer_t *timer)
{
    log_message(LOG_WARNING, "drain-over", "the sessions that are left are cut");
    cut_all(timer->data);
}

static void begin_drain(struct server *server, const char *why)
{
    struct log_line line;

    server->draining = true;
    log_open(&line, LOG_INFO, "drain");
    log_text(&line, "why", slice_from(why));
    log_number(&line, "alive", atomic_load(&server->totals.alive));
    log_write(&line);
    acceptor_stop(&server->acceptor);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
    if (server->worker_count == 0)
        end_loop(server);
    else
        (void)uv_timer_start(
            &server->patience, on_drain_over, snapshot_config(server->snapshot)->timeouts.drain, 0);
}

/* The first asks, the second insists. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";

    if (server->draining)
        cut_all(server);
    else
        begin_drain(server, name);
}

/* ---- Starting ---- */

static void log_report(const struct config_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        log_message(report->problems[i].is_error ? LOG_ERROR : LOG_WARNING, "config", "%s",
            report->problems[i].text);
}

static struct snapshot *load(const char *file)
{
    struct config_report report;
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;

    if (config_load(file, &config, &report)) {
        log_setup(config->proxy.log_format, config->proxy.log_level);
        snapshot = snapshot_new(&config, NULL, true, &report);
    }
    log_report(&report);
    config_report_free(&report);
    return snapshot;
}

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

static bool start_workers(struct server *server, const struct config *config)
{
    size_t wanted = config->proxy.workers ? config->proxy.workers : uv_available_parallelism();
    struct error error;

    server->workers = calloc(wanted, sizeof(struct worker *));
    for (size_t i = 0; server->workers && i < wanted; i++) {
        server->workers[i] = worker_start(&server->totals, worker_is_over, server, &error);
        if (!server->workers[i]) {
            log_message(LOG_ERROR, "start-failed", "%s", error.text);
            return false;
        }
        server->worker_count++;
    }
    return server->workers != NULL;
}

static void begin_accepting(struct server *server)
{
    struct log_line line;

    if (server->accepting || server->draining)
        return;
    server->accepting = true;
    (void)uv_timer_stop(&server->patience);
    if (!acceptor_start(server->acceptor, server->workers, server->worker_count)) {
        log_message(LOG_ERROR, "start-failed", "no thread can be had");
        server->failed = true;
        begin_drain(server, "failure");
        return;
    }
    log_open(&line, LOG_INFO, "ready");
    log_text(&line, "version", slice_from(MAILMUX_VERSION));
    log_number(&line, "listeners", snapshot_config(server->snapshot)->listener_count);
    log_number(&line, "workers", server->worker_count);
    log_write(&line);
}

static void on_names_ready(void *owner)
{
    begin_accepting(owner);
}

static void on_patience_over(uv_timer_t *timer)
{
    begin_accepting(timer->data);
}

static void init_loop(struct server *server)
{
    (void)uv_loop_init(&server->loop);
    (void)uv_async_init(&server->loop, &server->worker_over, on_worker_over);
    (void)uv_timer_init(&server->loop, &server->patience);
    server->worker_over.data = server;
    server->patience.data = server;
    for (int i = 0; i < SIGNALS; i++) {
        (void)uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        (void)uv_signal_start(&server->signals[i], on_signal, signal_numbers[i]);
    }
}

/* Listening sockets and keys first, as root; then the user; then threads. */
static bool start(struct server *server, size_t descriptors)
{
    const struct config *config = snapshot_config(server->snapshot);
    struct error error;

    server->acceptor = acceptor_open(server->snapshot, session_limit(config, descriptors));
    if (!server->acceptor)
        return false;
    if (!privileges_drop(config->proxy.user, &error)) {
        log_message(LOG_ERROR, "start-failed", "%s", error.text);
        return false;
    }
    if (!start_workers(server, config))
        return false;
    (void)uv_timer_start(&server->patience, on_patience_over, NAMES_PATIENCE_MS, 0);
    server->names = names_start(&server->loop, server->snapshot, on_names_ready, server);
    return server->names != NULL;
}

static int finish(struct server *server)
{
    uint64_t alive;
    struct log_line line;

    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(&server->workers[i]);
    free(server->workers);
    (void)uv_loop_close(&server->loop);
    snapshot_unref(&server->snapshot);
    alive = atomic_load(&server->totals.alive);
    log_open(&line, LOG_INFO, "exit");
    log_number(&line, "served", atomic_load(&server->totals.served));
    log_number(&line, "alive", alive);
    log_write(&line);
    return server->failed || alive > 0 ? 1 : 0;
}

int serve(const char *file)
{
    static struct server server;
    size_t descriptors = privileges_raise_descriptors();

    (void)signal(SIGPIPE, SIG_IGN);
    server.snapshot = load(file);
    if (!server.snapshot)
        return 1;
    init_loop(&server);
    if (!start(&server, descriptors)) {
        server.failed = true;
        begin_drain(&server, "failure");
    }
    (void)uv_run(&server.loop, UV_RUN_DEFAULT);
    return finish(&server);
}
