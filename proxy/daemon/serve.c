#include "serve.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "privileges.h"
#include "server.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>

enum { LOG_PATIENCE_MS = 1000 /* the exit waits so long for the reader of the log */ };

/* ---- Orders ---- */

static void log_state(struct server *server)
{
    status_log_counters(server, "counters");
    state_dump_begin(&server->state_dump, server->snapshot, server->workers, server->worker_count);
}

static void on_order(void *owner, char order)
{
    struct server *server = owner;

    if (order == '\0') {
        if (server->state != SERVER_DRAINS)
            drain_begin(server, "the keeper is gone");
        return;
    }
    switch ((enum word_order)order) {
    case WORD_RELOAD:
        if (server->state == SERVER_ACCEPTS)
            effect_reload(server);
        break;
    case WORD_TERMINATE:
        drain_begin(server, "SIGTERM");
        break;
    case WORD_INTERRUPT:
        drain_begin(server, "SIGINT");
        break;
    case WORD_STATE:
        log_state(server);
        break;
    case WORD_RETIRE:
        drain_retire(server);
        break;
    }
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
            worker_start((unsigned)i, &server->totals, drain_worker_is_over, server, &error);
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
    (void)uv_async_init(&server->loop, &server->worker_over, drain_on_worker_over);
    (void)uv_timer_init(&server->loop, &server->patience);
    (void)uv_timer_init(&server->loop, &server->status);
    (void)uv_timer_init(&server->loop, &server->retirement);
    state_dump_init(&server->state_dump, &server->loop);
    certificate_watch_init(&server->certificates, &server->loop);
    directory_changes_init(&server->directories, &server->loop);
    keeper_link_hear(&server->keeper, &server->loop, on_order, server);
    server->worker_over.data = server;
    server->patience.data = server;
    server->status.data = server;
    server->retirement.data = server;
}

static bool start(struct server *server, struct snapshot *snapshot)
{
    const struct plan_binder binder = {keeper_link_bind, &server->keeper};

    server->acceptor = acceptor_new(&server->totals, &binder);
    server->checks = checks_new(&server->loop);
    if (!server->acceptor || !server->checks) {
        snapshot_unref(&snapshot);
        log_message(LOG_ERROR, "start-failed", "out of memory");
        return false;
    }
    (void)log_writer_start(); /* without it a reader of the log that stops would stop all */
    return start_workers(server, snapshot_config(snapshot)) && effect_begin(server, snapshot);
}

static int finish(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(&server->workers[i]);
    free(server->workers);
    checks_free(&server->checks);
    (void)uv_loop_close(&server->loop);
    snapshot_unref(&server->snapshot);
    status_log_counters(server, "exit");
    log_writer_stop(LOG_PATIENCE_MS);
    return server->failed || atomic_load(&server->totals.alive) > 0 ? 1 : 0;
}

bool serve_has_descriptors(const char *file)
{
    const size_t least = DESCRIPTORS_KEPT + DESCRIPTORS_PER_SESSION;
    size_t descriptors = privileges_raise_descriptors();

    if (descriptors >= least)
        return true;
    load_log_form(file);
    log_message(LOG_ERROR, "start-failed",
        "at most %zu files may be open (RLIMIT_NOFILE), and at least %zu are needed", descriptors,
        least);
    return false; /* libuv would abort */
}

/* The account is changed first: everything else is done without the rights of the keeper. */
static bool change_account(const struct service_start *from)
{
    const struct config_proxy *proxy = &from->config->proxy;
    struct config_report report = {0};
    struct error error;

    if (privileges_drop(proxy->user, &error))
        return true;
    config_report_setting(
        &report, true, SECTION_PROXY, proxy, offsetof(struct config_proxy, user), 0, error.text);
    config_report_log(&report);
    config_report_free(&report);
    return false;
}

/* It may have been started for an order, which then says why it failed. */
static void tell_why(struct server *server, const char *why)
{
    log_keep_errors(NULL, 0);
    if (why[0])
        keeper_link_tell(&server->keeper, WORD_REFUSED, why);
}

int serve(const struct service_start *from)
{
    static struct server server;
    static char why[WORD_MAX];
    struct config *config = from->config;
    struct snapshot *snapshot;

    log_keep_errors(why, sizeof(why));
    keeper_link_init(&server.keeper, from);
    if (!change_account(from)) {
        tell_why(&server, why);
        return 1;
    }
    server.from = from;
    log_set_generation(from->generation);
    server.descriptors = privileges_raise_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    init_loop(&server); /* an order that comes while the file is read waits for the loop */
    snapshot = load_first(&config);
    if (!snapshot) {
        tell_why(&server, why);
        drain_end_loop(&server);
        (void)uv_run(&server.loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&server.loop);
        return 1;
    }
    privileges_hide_memory(snapshot_config(snapshot)->proxy.core_dumps == 0);
    lockdown_begin(snapshot_config(snapshot)->proxy.state_directory, &server.lock);
    if (start(&server, snapshot)) {
        log_keep_errors(NULL, 0);
        status_begin(&server);
    } else {
        tell_why(&server, why);
        server.failed = true;
        drain_begin(&server, "failure");
    }
    (void)uv_run(&server.loop, UV_RUN_DEFAULT);
    return finish(&server);
}
