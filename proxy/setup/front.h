/*
 * Where the routes of one listener with `protocol = auto` lead: a part of its snapshot.
 */
#ifndef MAILMUX_FRONT_H
#define MAILMUX_FRONT_H

#include "service.h"

struct front {
    size_t count;
    struct service_target *targets; /* the n-th is that of the n-th route */
    char **labels;                  /* the memory of theirs */
    struct service *passed;         /* the n-th is the service of the n-th route, if it passes on */
};

/*
 * Fills *front, which must be zeroed, for a listener. services and pools are those of all listeners
 * and backends. The services need not be made yet, and must outlive it. Returns false without
 * memory.
 */
bool front_init(struct front *front, const struct config *config,
    const struct config_listener *listener, const struct service *services,
    struct pool *const *pools);

/* Gives the services for passed connections the pools that their backends have now. */
void front_take_pools(
    struct front *front, const struct config_listener *listener, struct pool *const *pools);

/* Frees what it holds. Harmless on zeroed memory. */
void front_deinit(struct front *front);

#endif
