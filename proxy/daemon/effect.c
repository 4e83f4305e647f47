#include "server.h"

#include "duct.h"
#include "mailmux/log.h"
#include <stdlib.h>

enum {
    NAMES_PATIENCE_MS = 5000, /* a configuration waits so long for its names */
    DUCTS_SHARE = 8           /* ducts get no more than this part of the descriptors */
};

/* Returns how many descriptors are not for sessions. */
static size_t kept_descriptors(const struct server *server, const struct config *config)
{
    size_t ducts =
        config_relays_in_clear(config) ? server->worker_count * DUCT_MAX * DUCT_DESCRIPTORS : 0;

    if (ducts > server->descriptors / DUCTS_SHARE)
        ducts = server->descriptors / DUCTS_SHARE; /* without one a relay copies */
    return DESCRIPTORS_KEPT + config_count_addresses(config) + ducts;
}

static size_t session_limit(const struct server *server, const struct config *config)
{
    size_t kept = kept_descriptors(server, config);
    size_t descriptors = server->descriptors;
    size_t possible = descriptors > kept + DESCRIPTORS_PER_SESSION
                          ? (descriptors - kept) / DESCRIPTORS_PER_SESSION
                          : 1;

    if (config->limits.sessions == 0)
        return possible;
    if (config->limits.sessions > possible)
        log_message(LOG_WARNING, "limits",
            "sessions = %llu needs more descriptors than there are; %zu are possible; LimitNOFILE "
            "of systemd or ulimit -n raises that",
            (unsigned long long)config->limits.sessions, possible);
    return config->limits.sessions < possible ? (size_t)config->limits.sessions : possible;
}

/* Binds the sockets of the configuration, which must have been loaded. */
static bool prepare(struct server *server, struct snapshot *snapshot)
{
    server->coming.snapshot = snapshot;
    if (!snapshot || !server->acceptor)
        return false;
    server->session_limit = session_limit(server, snapshot_config(snapshot));
    server->coming.plan = acceptor_plan(server->acceptor, snapshot, server->session_limit);
    return server->coming.plan != NULL;
}

/*
 * All names have been looked up. names_start may call this before it returns, so take_effect waits
 * for the next turn of the loop.
 */
static void on_names_ready(void *owner)
{
    struct server *server = owner;

    if (server->state != SERVER_DRAINS)
        (void)uv_timer_start(&server->patience, effect_on_patience_over, 0, 0);
}

/*
 * Begins to look the names up. take_effect follows when all have been looked up, or after
 * NAMES_PATIENCE_MS: servers whose names take longer are used from the moment when their addresses
 * are known. Returns false if the lookup cannot begin.
 */
static bool wait_for_names(struct server *server)
{
    struct coming *coming = &server->coming;

    (void)uv_timer_start(&server->patience, effect_on_patience_over, NAMES_PATIENCE_MS, 0);
    coming->names =
        names_start(&server->loop, coming->snapshot, server->names, on_names_ready, server);
    return coming->names != NULL;
}

bool effect_begin(struct server *server, struct snapshot *snapshot)
{
    return prepare(server, snapshot) && wait_for_names(server);
}

/*
 * Puts the configuration into effect: it serves new connections, and open sessions keep the
 * snapshot that they began with. The keeper has closed its sockets that are no longer wanted, so
 * that no connection comes to them behind the acceptor's back. The pools are handed over next, so
 * that the new snapshot is complete before the acceptor's thread sees it.
 */
static bool take_effect(struct server *server)
{
    struct coming *coming = &server->coming;
    struct snapshot *before = server->snapshot;

    if (!before &&
        !acceptor_start(server->acceptor, server->workers, server->worker_count, &coming->plan)) {
        log_message(LOG_ERROR, "start-failed", "no thread could be started");
        return false;
    }
    if (before) {
        snapshot_take_pools(coming->snapshot, before);
        acceptor_switch(server->acceptor, &coming->plan);
    }
    names_stop(&server->names);
    server->names = coming->names;
    server->snapshot = coming->snapshot;
    *coming = (struct coming){0};
    server->state = SERVER_ACCEPTS;
    checks_follow(server->checks, server->snapshot);
    certificate_watch_follow(&server->certificates, server->snapshot);
    directory_changes_follow(&server->directories, server->snapshot);
    status_log_effect(server, before);
    snapshot_unref(&before);
    return true;
}

static void refuse(struct server *server, const char *why)
{
    coming_drop(&server->coming);
    log_message(LOG_ERROR, "reload-failed",
        "nothing has changed: the configuration from before is still in effect");
    keeper_link_tell(&server->keeper, WORD_REFUSED, why[0] ? why : "see the log");
}

void effect_reload(struct server *server)
{
    char why[WORD_MAX];
    bool is_begun;

    coming_drop(&server->coming); /* the keeper has given up waiting for it */
    log_keep_errors(why, sizeof(why));
    is_begun = effect_begin(server, load_again(server->from->file, server->snapshot));
    log_keep_errors(NULL, 0);
    if (!is_begun)
        refuse(server, why);
}

/* The names have been looked up, or NAMES_PATIENCE_MS are over. */
void effect_on_patience_over(uv_timer_t *timer)
{
    struct server *server = timer->data;
    bool is_taken;

    if (!server->coming.names) /* names_start has failed, and the reload was dropped */
        return;
    (void)uv_timer_stop(&server->patience);
    is_taken = keeper_link_commit(&server->keeper);
    if (!is_taken)
        log_message(LOG_ERROR, server->snapshot ? "reload-failed" : "start-failed",
            "the keeper does not take this configuration");
    if (!is_taken && server->snapshot) {
        refuse(server, "it came too late"); /* this process hung, and another one takes over */
    } else if (!is_taken || !take_effect(server)) {
        server->failed = true;
        drain_begin(server, "failure");
    }
}
