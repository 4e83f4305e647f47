/*
 * The way to a backend: choose a server, or wait for a place at one; connect, TLS, its greeting
 * and what else must be said before a session; and the next server when that fails, before the
 * client has seen a byte, all inside connect_deadline. What the servers proved to be is reported to
 * the pool. A part of its session.
 *
 * A greeting 421, 554, BYE or -ERR is kept: when no server is left, the last one of these is what
 * the client gets (C4, C5). After READY or REFUSED the greeting is at the start of the input, its
 * length in greeting_len; the owner consumes it. Where TLS began with STARTTLS the greeting is one
 * of our own, since nothing that came in clear is for the client (C75).
 */
#ifndef MAILMUX_UPSTREAM_H
#define MAILMUX_UPSTREAM_H

#include "engine.h"
#include "pool.h"

/* What a backend may be told. Borrowed: it outlives the upstream, and may change between tries. */
struct upstream_client {
    const struct address *source;
    const struct address *destination; /* of no family: not known */
    const struct stream *leg;          /* whose TLS it is */
    struct slice id;                   /* the session's */
};

enum upstream_result {
    UPSTREAM_BUSY,
    UPSTREAM_READY,   /* connected; greeting says READY or PREAUTH */
    UPSTREAM_REFUSED, /* no server is left and the last word is a refusal; not connected */
    UPSTREAM_FAILED   /* no server is left, none greeted; not connected; `reason` says why */
};

enum upstream_phase {
    UPSTREAM_IDLE,
    UPSTREAM_QUEUED, /* all servers are full */
    UPSTREAM_CHOSEN, /* and not dialled yet */
    UPSTREAM_CONNECTING,
    UPSTREAM_HEADER,    /* the PROXY header is on its way */
    UPSTREAM_HANDSHAKE, /* TLS with the server */
    UPSTREAM_GREETING,  /* its greeting, and what we say to it ourselves */
    UPSTREAM_OVER
};

struct upstream {
    struct engine *engine;
    const struct service *service;
    struct stream *leg;
    struct buffer **input; /* what was read from the leg */
    wire_callback *on_event;
    void *owner;
    struct upstream_client client;
    enum upstream_phase phase;
    struct pool_waiter waiter;     /* with the servers that were tried */
    struct engine_message granted; /* the wait is over */
    struct pool_choice choice;
    bool go_back;    /* the first try is the server that the session had before */
    bool has_choice; /* counted in the pool until upstream_release */
    bool late;       /* connect_deadline has passed */
    bool try_failed; /* this try's deadline has passed */
    bool queued;     /* it had to wait for a place */
    uint64_t queued_at_ms;
    uint64_t queued_ms; /* how long, in all */
    unsigned tries;
    enum reason reason; /* of FAILED */
    enum greeting greeting;
    size_t greeting_len;
    struct buffer *refusal; /* the last refused greeting */
    bool told_clear;        /* the backend believes that the client speaks in clear */
    struct opening opening;
    struct opening_client identity; /* the client, as the opening tells of it */
    struct buffer *greeted;         /* the greeting, while more is said behind it */
    struct buffer *output;          /* what we say; the leg has not taken it yet */
    struct deadline try_deadline;
    struct deadline deadline;
};

/*
 * Begins. client: a copy is kept, and what it points to lives as long; the server may depend on
 * it. leg: not open; *input: NULL. on_event(owner): where the leg's events go; the owner then
 * calls upstream_step. Deadlines, too, are reported through on_event, with no event set.
 */
void upstream_start(struct upstream *upstream, struct engine *engine, const struct service *service,
    const struct upstream_client *client, struct stream *leg, struct buffer **input,
    wire_callback *on_event, void *owner);

/*
 * The client's TLS has begun, and where logins are expected the backend should know: it has been
 * told otherwise, and only a new connection can correct that.
 */
bool upstream_has_told_less(const struct upstream *upstream);

/* The same once more, after READY: the same server first, then the balancer's choice. */
void upstream_restart(struct upstream *upstream);

/* Goes on as far as it can. Anything but BUSY is said once. */
enum upstream_result upstream_step(struct upstream *upstream);

/* Stops the timers and the wait; with BUSY, the try as well. The choice stays counted. */
void upstream_stop(struct upstream *upstream);

/* The session on the chosen server is over. */
void upstream_release(struct upstream *upstream);

#endif
