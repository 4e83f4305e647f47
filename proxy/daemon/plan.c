#include "plan.h"

#include "mailmux/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REMEDY_MAX = 80 };

static const char *remedy_of(int failure, uint16_t port, char memory[REMEDY_MAX])
{
    switch (failure) {
    case EACCES:
        return "; ports below 1024 need root, the capability CAP_NET_BIND_SERVICE, or a lower "
               "net.ipv4.ip_unprivileged_port_start";
    case EADDRNOTAVAIL:
        return "; no interface has this address; with freebind = yes mailmux listens there all the "
               "same";
    case EADDRINUSE:
        (void)snprintf(
            memory, REMEDY_MAX, "; `ss -ltnp 'sport = :%u'` names the program that has it", port);
        return memory;
    default:
        return "";
    }
}

static void log_bind_failure(
    const struct config_listener *listener, const struct address *at, int failure)
{
    char text[ADDRESS_TEXT_MAX];
    char memory[REMEDY_MAX];

    log_message(LOG_ERROR, "bind-failed", "listener %s: cannot listen on %s: %s%s", listener->name,
        address_text(at, text), strerror(failure), remedy_of(failure, address_port(at), memory));
}

/* Of *:25, one half is left out where the kernel has no IPv6. An address that is named is wanted.
 */
static bool has_no_ipv6(const struct address *at, int failure)
{
    return address_family(at) == AF_INET6 && address_is_wildcard(at) &&
           (failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL);
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
 * Adds one address of a listener to the plan, and opens its socket. Returns false, with the reason
 * in the log, when it cannot be opened.
 */
static bool plan_door(const struct plan_binder *binder, struct plan *plan,
    const struct config_listener *listener, size_t index, const struct address *at)
{
    int fd = binder->bind(binder->owner, listener->name, at);

    if (fd < 0 && has_no_ipv6(at, -fd)) {
        log_message(LOG_WARNING, "no-ipv6",
            "listener %s: [::]:%u is skipped: there is no IPv6 here", listener->name,
            address_port(at));
        return true;
    }
    if (fd < 0) {
        log_bind_failure(listener, at, -fd);
        return false;
    }
    plan->doors[plan->count++] = (struct plan_door){fd, *at, index};
    return true;
}

/*
 * Plans the addresses of one listener. Returns false if one of them cannot be had, or none is left.
 */
static bool plan_listener(const struct plan_open *open, const struct plan_binder *binder,
    struct plan *plan, const struct config_listener *listener, size_t index)
{
    size_t before = plan->count;
    bool all = true;

    for (size_t i = 0; i < listener->bind_count; i++) {
        if (is_open(open, &listener->bind[i]))
            plan->doors[plan->count++] = (struct plan_door){-1, listener->bind[i], index};
        else
            all = plan_door(binder, plan, listener, index, &listener->bind[i]) && all;
    }
    if (all && plan->count == before && listener->bind_count > 0) {
        log_message(LOG_ERROR, "bind-failed",
            "listener %s: none of its addresses can be had on this machine", listener->name);
        return false;
    }
    return all;
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

struct plan *plan_new(const struct plan_open *open, struct snapshot *snapshot, size_t session_limit,
    const struct plan_binder *binder)
{
    const struct config *config = snapshot_config(snapshot);
    struct plan *plan;
    bool all = true;

    plan = calloc(1, sizeof(*plan) + config_count_addresses(config) * sizeof(struct plan_door));
    if (!plan) {
        log_message(LOG_ERROR, "bind-failed", "out of memory");
        return NULL;
    }
    plan->snapshot = snapshot_ref(snapshot);
    plan->session_limit = session_limit;
    /* Goes on after a failure, so that the log names every address that cannot be bound. */
    for (size_t i = 0; i < config->listener_count; i++)
        all = plan_listener(open, binder, plan, &config->listeners[i], i) && all;
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
