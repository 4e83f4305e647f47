#include "server.h"

#include "mailmux/check.h"
#include "mailmux/log.h"

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void drain_end_loop(struct server *server)
{
    coming_drop(&server->coming);
    names_stop(&server->names);
    checks_stop(server->checks);
    state_dump_close(&server->state_dump);
    certificate_watch_close(&server->certificates);
    directory_changes_close(&server->directories);
    keeper_link_close(&server->keeper);
    close_handle((uv_handle_t *)&server->worker_over);
    close_handle((uv_handle_t *)&server->patience);
    close_handle((uv_handle_t *)&server->status);
    close_handle((uv_handle_t *)&server->retirement);
}

/* The loop may end when no worker and no check is left that could call back. */
static void end_if_over(struct server *server)
{
    if (server->checks_over && atomic_load(&server->workers_over) == server->worker_count)
        drain_end_loop(server);
}

void drain_on_worker_over(uv_async_t *async)
{
    end_if_over(async->data);
}

static void on_checks_over(void *owner)
{
    struct server *server = owner;

    server->checks_over = true;
    end_if_over(server);
}

void drain_worker_is_over(void *owner)
{
    struct server *server = owner;

    (void)atomic_fetch_add(&server->workers_over, 1);
    (void)uv_async_send(&server->worker_over);
}

static void log_end(const struct server *server, const char *event, const char *why)
{
    struct log_line line;

    log_open(&line, LOG_INFO, event);
    log_number(&line, "generation", server->from->generation);
    log_text(&line, "why", slice_from(why));
    log_number(&line, "alive", atomic_load(&server->totals.alive));
    log_number(&line, "faults", check_failures());
    log_write(&line);
}

/* ---- Draining ---- */

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
    return snapshot_config(server->snapshot)->timeouts.drain;
}

static void finish_checks(struct server *server)
{
    certificate_watch_close(&server->certificates);
    directory_changes_close(&server->directories);
    if (server->checks)
        checks_finish(server->checks, on_checks_over, server);
}

void drain_begin(struct server *server, const char *why)
{
    bool was_retired = server->state == SERVER_IS_RETIRED;

    if (server->state == SERVER_DRAINS) {
        cut_all(server);
        return;
    }
    server->state = SERVER_DRAINS;
    coming_drop(&server->coming);
    (void)uv_timer_stop(&server->retirement);
    /* Before the line, which means that no client can connect. */
    acceptor_stop(&server->acceptor, ACCEPTOR_TURN_AWAY);
    log_end(server, "drain", why);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
    if (!was_retired)
        finish_checks(server);
    (void)uv_timer_stop(&server->patience);
    if (server->snapshot)
        (void)uv_timer_start(&server->patience, on_drain_over, drain_ms(server), 0);
    else
        cut_all(server);           /* it could not start, and has no session */
    if (server->worker_count == 0) /* it could not start, and no worker will call back */
        drain_end_loop(server);
}

/* ---- Retiring ---- */

static void on_upgrade_drain_over(uv_timer_t *timer)
{
    drain_begin(timer->data, "upgrade_drain");
}

void drain_retire(struct server *server)
{
    if (server->state == SERVER_IS_RETIRED) /* the keeper needs room for other services */
        drain_begin(server, "too many services");
    if (server->state != SERVER_ACCEPTS)
        return;
    server->state = SERVER_IS_RETIRED;
    (void)uv_timer_stop(&server->patience);
    coming_drop(&server->coming);
    acceptor_stop(&server->acceptor, ACCEPTOR_LEAVE);
    log_end(server, "retired", "another service has taken over");
    status_tell(server);
    (void)uv_timer_start(&server->retirement, on_upgrade_drain_over,
        snapshot_config(server->snapshot)->timeouts.upgrade_drain, 0);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_retire(server->workers[i]);
    finish_checks(server);
}
