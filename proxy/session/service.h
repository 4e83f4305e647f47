/*
 * All that a session needs to know of the configuration of one listener, or of one backend to which
 * connections are passed on. Immutable. It borrows all that it points to from its owner, the
 * snapshot.
 */
#ifndef MAILMUX_SERVICE_H
#define MAILMUX_SERVICE_H

#include "mailmux/dialog.h"
#include "route.h"
#include "socket.h"

struct service;
struct tls_service;

/* Where one route of a listener with `protocol = auto` sends a client. */
struct service_target {
    const char *label;             /* for its tally: the listener's name, a blank, and text */
    const char *text;              /* the route, for the log: "alpn imap -> imaps" */
    const struct service *service; /* NULL: it is refused */
};

struct service {
    const struct config *config;
    const struct config_listener *listener;
    const struct protocol *protocol; /* NULL: what the client says is passed on, or routed */
    struct dialog_policy dialog_policy;
    const struct tls_service *tls;        /* NULL: no TLS toward clients */
    struct route route;                   /* toward the backend */
    uint64_t idle_ms;                     /* idle limit of the relay */
    bool sniffs;                          /* the client's first bytes decide what follows */
    const struct service_target *targets; /* the n-th is that of the listener's n-th route */
};

/*
 * Returns the service of a listener. tls is the listener's, or NULL if it has none; pool and
 * server_tls are those of its backend. Any thread.
 */
struct service service_of(const struct config *config, const struct config_listener *listener,
    const struct tls_service *tls, struct pool *pool, struct tls_client *server_tls);

/*
 * Returns the service of a listener with `protocol = auto`. It holds until a route is chosen; then
 * that of the target does. Any thread.
 */
struct service service_of_front(const struct config *config, const struct config_listener *listener,
    const struct service_target *targets);

/* Returns the options of the connections of its clients. Any thread. */
struct socket_options service_client_options(const struct service *service);

/*
 * Returns the service for connections that this listener passes on to a backend. Any thread.
 */
struct service service_of_passed(const struct config *config,
    const struct config_listener *listener, const struct config_backend *backend,
    struct pool *pool);

#endif
