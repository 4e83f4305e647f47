#include "plan.h"

#include "mailmux/log.h"
#include "socket.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void log_bind_failure(const struct config_listener *listener, int failure, const char *text)
{
    const char *remedy = failure == EACCES
                             ? "; ports below 1024 need root, the capability CAP_NET_BIND_SERVICE, "
                               "or a lower net.ipv4.ip_unprivileged_port_start"
                             : "";

    log_message(LOG_ERROR, "bind-failed", "listener %s: %s%s", listener->name, text, remedy);
}

static bool has_no_ipv6(const struct address *at, int failure)
{
    return address_family(at) == AF_INET6 && (failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL);
}

static bool is_open(const struct plan_open *open, const struct address *at)
{
    for (size_t i = 0; i < open->count; i++) {
        if (address_equal(&open->at[i], at))
            return true;
    }
    return false;
}

/*
 * Adds one address of a listener to the plan, and opens its socket unless that is open. Returns
 * false, with the reason in the log, when it cannot be opened.
 */
static bool plan_door(const struct plan_open *open, struct plan *plan,
    const struct config_listener *listener, size_t index, size_t bind)
{
    const struct address *at = &listener->bind[bind];
    struct error error;
    int failure = 0;
    int fd = is_open(open, at) ? -1 : socket_listen(at, PLAN_BACKLOG, &failure, &error);

    if (fd < 0 && failure != 0 && has_no_ipv6(at, failure)) {
        log_message(LOG_WARNING, "no-ipv6", "listener %s: %s; skipped, as there is no IPv6 here",
            listener->name, error.text);
        return true;
    }
    if (fd < 0 && failure != 0) {
        log_bind_failure(listener, failure, error.text);
        return false;
    }
    plan->doors[plan->count++] = (struct plan_door){fd, *at, index};
    return true;
}

void plan_free(struct plan **pointer)
{
    struct plan *plan = *pointer;

    *pointer = NULL;
    if (!plan)
        return;
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->doors[i].fd >= 0)
            (void)close(plan->doors[i].fd);
    }
    snapshot_unref(&plan->snapshot);
    free(plan);
}

struct plan *plan_new(const struct plan_open *open, struct snapshot *snapshot, size_t session_limit)
{
    const struct config *config = snapshot_config(snapshot);
    struct plan *plan;
    size_t count = 0;
    bool all = true;

    for (size_t i = 0; i < config->listener_count; i++)
        count += config->listeners[i].bind_count;
    plan = calloc(1, sizeof(*plan) + count * sizeof(struct plan_door));
    if (!plan) {
        log_message(LOG_ERROR, "bind-failed", "out of memory");
        return NULL;
    }
    plan->snapshot = snapshot_ref(snapshot);
    plan->session_limit = session_limit;
    /* Goes on after a failure, so that the log names every address that cannot be bound. */
    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].bind_count; j++)
            all = plan_door(open, plan, &config->listeners[i], i, j) && all;
    }
    if (!all)
        plan_free(&plan);
    return plan;
}

void plan_note_open(struct plan_open *open, const struct plan *plan)
{
    free(open->at);
    open->at = calloc(plan->count ? plan->count : 1, sizeof(*open->at));
    open->count = open->at ? plan->count : 0;
    for (size_t i = 0; i < open->count; i++)
        open->at[i] = plan->doors[i].at;
}
