/*
 * The way from one listener to its backend: its servers and how to approach them. It is immutable,
 * a part of the listener's service, and borrows all that it points to.
 */
#ifndef MAILMUX_ROUTE_H
#define MAILMUX_ROUTE_H

#include "mailmux/config.h"
#include "probe.h"

struct pool;
struct tls_client;

struct route {
    const struct config_timeouts *timeouts;
    const struct config_backend *backend;
    struct pool *pool;
    struct opening_plan opening;
    struct tls_client *tls; /* NULL: no TLS toward the backend */
    unsigned keepalive_s;
    uint64_t greeting_ms; /* all the time that a server has for its greeting */
    bool is_verified;     /* a handshake proves that the backend is the right one */
    bool is_patient;      /* slow greetings are legal: see backend/upstream.h */
    bool has_logins;      /* its clients are users who log in, not mail servers */
    bool needs_tls;       /* no client may log in without TLS */
};

/* Returns the grammar of a protocol, a constant; NULL for CONFIG_PROTOCOL_AUTO and NONE. */
const struct protocol *route_protocol(enum config_protocol protocol);

/* Returns after how many seconds of silence a connection is probed by its kernel; 0: never. */
unsigned route_keepalive_s(const struct config *config);

/* Makes the route of a listener. tls and pool are those of its backend. Any thread. */
struct route route_of(const struct config *config, const struct config_listener *listener,
    struct pool *pool, struct tls_client *tls);

/*
 * Makes the route to a backend to which connections are passed on: it ends when one is made and the
 * PROXY header is sent. pool is that of the backend. Any thread.
 */
struct route route_of_passed(
    const struct config *config, const struct config_backend *backend, struct pool *pool);

/*
 * Makes the plan for a probe of the backend, as a session would go there, but without a client. A
 * server to which connections are passed on is connected, and no more. Any thread.
 */
struct probe_plan route_probe_plan(
    const struct config *config, const struct config_backend *backend, struct tls_client *tls);

#endif
