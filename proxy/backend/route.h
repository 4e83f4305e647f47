/*
 * The way from one listener to its backend: the servers, and how they are to be approached.
 * Immutable, a part of the listener's service. It borrows all that it points to.
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
    bool is_verified;     /* a handshake with the backend proves that it is the right one */
    bool is_patient;      /* slow greetings are legal: see backend/upstream.h */
    bool has_logins;      /* its clients are users; other mail servers are not */
    bool needs_tls;       /* no client logs in without TLS */
};

/* The grammar of a protocol. Constant. */
const struct protocol *route_protocol(enum config_protocol protocol);

/* Any thread. tls and pool: those of the listener's backend. */
struct route route_of(const struct config *config, const struct config_listener *listener,
    struct pool *pool, struct tls_client *tls);

/* How that backend is probed: in our own name, as a session would go there. */
struct probe_plan route_probe_plan(
    const struct config *config, const struct config_backend *backend, struct tls_client *tls);

#endif
