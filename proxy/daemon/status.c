#include "server.h"

#include "mailmux/check.h"
#include "mailmux/log.h"
#include "pool.h"
#include <stdio.h>
#include <string.h>

enum { STATUS_MS = 5000, STATUS_TEXT_MAX = 128 };

void status_log_counters(const struct server *server, const char *event)
{
    struct log_line line;

    log_open(&line, LOG_INFO, event);
    log_number(&line, "generation", server->from->generation);
    log_number(&line, "served", atomic_load(&server->totals.served));
    log_number(&line, "alive", atomic_load(&server->totals.alive));
    log_number(&line, "faults", check_failures());
    log_number(&line, "stalls", atomic_load(&server->totals.stalls));
    for (int kind = ATTACK_NONE + 1; kind < ATTACK_KINDS; kind++)
        log_number(
            &line, attack_text((enum attack)kind), atomic_load(&server->totals.attacks[kind]));
    log_write(&line);
}

/* ---- How it is ---- */

static size_t count_down(const struct server *server)
{
    size_t down = 0;

    for (size_t i = 0; i < snapshot_config(server->snapshot)->backend_count; i++)
        down += pool_count_down(snapshot_pool(server->snapshot, i));
    return down;
}

void status_tell(struct server *server)
{
    char text[STATUS_TEXT_MAX];

    if (!server->snapshot)
        return;
    (void)snprintf(text, sizeof(text), "sessions=%llu servers_down=%zu",
        (unsigned long long)atomic_load(&server->totals.alive), count_down(server));
    keeper_link_tell(&server->keeper, WORD_STATUS, text);
}

static void on_status(uv_timer_t *timer)
{
    struct server *server = timer->data;

    status_tell(server);
    memory_return_look(&server->memory, &server->totals);
}

void status_begin(struct server *server)
{
    (void)uv_timer_start(&server->status, on_status, 0, STATUS_MS);
}

/* ---- A configuration is in effect ---- */

/* "*:25" stands in the log as its two addresses. What does not fit is left out. */
static void list_addresses(const struct config *config, char out[LOG_FIELD_MAX])
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].bind_count; j++) {
            char text[ADDRESS_TEXT_MAX];
            int more = snprintf(out + n, LOG_FIELD_MAX - n, "%s%s", n ? " " : "",
                address_text(&config->listeners[i].bind[j], text));

            if (more < 0 || n + (size_t)more >= LOG_FIELD_MAX) {
                out[n] = '\0';
                return;
            }
            n += (size_t)more;
        }
    }
}

/* A process that was started because a setting has changed ends a reload, as its keeper sees it. */
static const char *event_of(const struct server *server, bool is_first)
{
    return is_first && server->from->why != GENERATION_RELOAD ? "ready" : "reloaded";
}

static const char *const whys[] = {[GENERATION_FIRST] = "start",
    [GENERATION_RELOAD] = "reload",
    [GENERATION_UPGRADE] = "upgrade",
    [GENERATION_RESTART] = "restart"};

static void tell_keeper(struct server *server, const char *changed)
{
    char summary[STATUS_TEXT_MAX + LOG_FIELD_MAX];

    (void)snprintf(summary, sizeof(summary),
        "in effect: listeners=%zu workers=%zu generation=%u%s%s",
        snapshot_config(server->snapshot)->listener_count, server->worker_count,
        server->from->generation, changed[0] ? "\nchanged: " : "", changed);
    keeper_link_tell(&server->keeper, WORD_SERVING, summary);
    status_tell(server);
}

void status_log_effect(struct server *server, const struct snapshot *before)
{
    const struct config *config = snapshot_config(server->snapshot);
    char addresses[LOG_FIELD_MAX];
    char changed[LOG_FIELD_MAX] = "";
    struct log_line line;

    if (before)
        changed_list(before, server->snapshot, changed, sizeof(changed));
    tell_keeper(server, changed);
    list_addresses(config, addresses);
    log_open(&line, LOG_INFO, event_of(server, !before));
    log_text(&line, "version", slice_from(MAILMUX_VERSION));
    log_number(&line, "listeners", config->listener_count);
    log_number(&line, "workers", server->worker_count);
    log_number(&line, "generation", server->from->generation);
    log_text(&line, "why", slice_from(before ? "reload" : whys[server->from->why]));
    log_text(&line, "file", slice_from(server->from->file));
    log_text(&line, "addresses", slice_from(addresses));
    if (before)
        log_text(&line, "changed", slice_from(changed));
    log_number(&line, "sessions_max", server->session_limit);
    log_number(&line, "descriptors", server->descriptors);
    log_text(&line, "no_new_privs", slice_from(server->lock.no_new_privs));
    log_text(&line, "capabilities", slice_from(server->lock.capabilities));
    log_text(&line, "seccomp", slice_from(server->lock.seccomp));
    log_text(&line, "landlock", slice_from(server->lock.landlock));
    log_write(&line);
}
