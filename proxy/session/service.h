/*
 * All that a session needs to know of the configuration of one listener. Immutable. It borrows all
 * that it points to from its owner, the snapshot.
 */
#ifndef MAILMUX_SERVICE_H
#define MAILMUX_SERVICE_H

#include "mailmux/dialog.h"
#include "route.h"

struct tls_service;

struct service {
    const struct config *config;
    const struct config_listener *listener;
    const struct protocol *protocol;
    struct dialog_policy dialog_policy;
    const struct tls_service *tls; /* NULL: no TLS toward clients */
    struct route route;            /* toward the backend */
    uint64_t idle_ms;              /* idle limit of the relay */
};

/*
 * Returns the service of a listener. tls is the listener's, or NULL if it has none; pool and
 * server_tls are those of its backend. Any thread.
 */
struct service service_of(const struct config *config, const struct config_listener *listener,
    const struct tls_service *tls, struct pool *pool, struct tls_client *server_tls);

#endif
