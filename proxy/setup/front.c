#include "front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *label_of(
    const struct config *config, const char *listener, const struct config_route *route)
{
    char *text = NULL;
    int n = -1;

    switch (route->target) {
    case ROUTE_LISTENER:
        n = asprintf(
            &text, "%s %s -> %s", listener, route->text, config->listeners[route->index].name);
        break;
    case ROUTE_PASS:
        n = asprintf(
            &text, "%s %s -> pass %s", listener, route->text, config->backends[route->index].name);
        break;
    case ROUTE_REFUSE:
        n = asprintf(&text, "%s %s -> refuse", listener, route->text);
        break;
    }
    return n < 0 ? NULL : text;
}

bool front_init(struct front *front, const struct config *config,
    const struct config_listener *listener, const struct service *services,
    struct pool *const *pools)
{
    front->targets = calloc(listener->route_count, sizeof(*front->targets));
    front->labels = calloc(listener->route_count, sizeof(*front->labels));
    front->passed = calloc(listener->route_count, sizeof(*front->passed));
    if (!front->targets || !front->labels || !front->passed)
        return false;
    front->count = listener->route_count;
    for (size_t n = 0; n < front->count; n++) {
        const struct config_route *route = &listener->routes[n];
        struct service_target *target = &front->targets[n];

        front->labels[n] = label_of(config, listener->name, route);
        if (!front->labels[n])
            return false;
        target->label = front->labels[n];
        target->text = front->labels[n] + strlen(listener->name) + 1;
        switch (route->target) {
        case ROUTE_LISTENER:
            target->service = &services[route->index];
            break;
        case ROUTE_PASS:
            front->passed[n] = service_of_passed(
                config, listener, &config->backends[route->index], pools[route->index]);
            target->service = &front->passed[n];
            break;
        case ROUTE_REFUSE:
            break;
        }
    }
    return true;
}

void front_take_pools(
    struct front *front, const struct config_listener *listener, struct pool *const *pools)
{
    for (size_t n = 0; n < front->count; n++) {
        if (listener->routes[n].target == ROUTE_PASS)
            front->passed[n].route.pool = pools[listener->routes[n].index];
    }
}

void front_deinit(struct front *front)
{
    for (size_t n = 0; n < front->count; n++)
        free(front->labels[n]);
    free((void *)front->labels);
    free(front->targets);
    free(front->passed);
}
