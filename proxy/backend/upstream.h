/*
 * The way to a backend: choose a server, or wait for a place at one; approach it; and the next
 * server when that fails, before the client has seen a byte. What the servers proved to be is
 * reported to the pool. A part of its session.
 *
 * All tries together have connect_deadline. A server of SMTP that is connected may use all of
 * `greeting` all the same, for slow greetings are legal [RFC 5321 4.5.3.2.1]; but after
 * UPSTREAM_PATIENCE_MS another server that is free is asked instead, and the slow one again only
 * when no other is left. Where TLS comes first the same holds for the silence before it.
 *
 * What a server says in refusal is kept: when no server is left, the last refusal is what the
 * client gets (C4, C5, C127). After READY or REFUSED the greeting is at the start of the input, its
 * length in greeting_len; the owner consumes it. Where TLS began with STARTTLS the greeting is one
 * of our own, since nothing that came in clear is for the client (C75).
 */
#ifndef MAILMUX_UPSTREAM_H
#define MAILMUX_UPSTREAM_H

#include "approach.h"
#include "engine.h"
#include "pool.h"
#include "route.h"

enum { UPSTREAM_PATIENCE_MS = 10 * 1000 };

/* What a backend may be told. Borrowed: it outlives the upstream, and may change between tries. */
struct upstream_client {
    const struct address *source;
    const struct address *destination; /* of no family: not known */
    const struct stream *leg;          /* whose TLS it is */
    const struct front_tls *front_tls; /* that of the balancer in front; NULL: there is none */
    struct slice id;                   /* the session's */
};

/* What each phase does is its row in upstream.c. The last three are ends. */
enum upstream_phase {
    UPSTREAM_PICKING,
    UPSTREAM_QUEUED,  /* all servers are full */
    UPSTREAM_CRAMPED, /* ... and no place can be waited for, or no longer */
    UPSTREAM_TRYING,  /* the approach is at work */
    UPSTREAM_READY,   /* connected; greeting says READY or PREAUTH */
    UPSTREAM_REFUSED, /* no server is left and the last word is a refusal; not connected */
    UPSTREAM_FAILED,  /* no server is left, none has said a word, or it was stopped; not connected;
                         see reason, untried */
    UPSTREAM_PHASES
};

/* Which deadline has passed and was not acted upon yet. */
enum upstream_expiry {
    EXPIRY_NONE,
    EXPIRY_TRY, /* this try's, or the wait's */
    EXPIRY_ALL  /* connect_deadline: no further try begins */
};

struct upstream {
    struct engine *engine;
    const struct route *route;
    struct stream *leg;
    struct buffer **input; /* what was read from the leg */
    stream_callback *on_event;
    void *owner;
    struct upstream_client client;
    enum upstream_phase phase;
    enum upstream_expiry expiry;
    struct pool_waiter waiter;  /* with the servers that were tried */
    struct engine_task granted; /* the wait is over */
    struct pool_choice choice;
    bool has_choice;           /* counted in the pool until upstream_release */
    struct balance_tried slow; /* servers that were left for their slow greeting alone */
    bool leaves_hello;         /* the server takes one hello, and the client says it */
    bool is_patient;           /* no other is left: the slow ones get all their time */
    bool queued;               /* it had to wait for a place */
    uint64_t queued_at_ms;
    uint64_t queued_ms; /* how long, in all */
    unsigned tries;
    enum reason reason;  /* of FAILED */
    const char *untried; /* FAILED without a try: why there was none; else NULL */
    enum greeting greeting;
    size_t greeting_len;
    struct buffer *refusal;         /* the last one, as a client reads it */
    bool told_clear;                /* the backend believes that the client speaks in clear */
    struct opening_client identity; /* the client, as the opening tells of it */
    char host[POOL_NAME_MAX];       /* the certificate's name, without tls_name */
    struct approach approach;
    enum approach_stage timed; /* the stage that try_deadline is for */
    bool timed_silence;        /* ... and that it is for a server that is silent in it */
    uint64_t try_began_ms;     /* of uv_now, as is the next */
    uint64_t greeting_by_ms;   /* when all its time for the greeting is over */
    struct deadline try_deadline;
    struct deadline deadline;
};

/*
 * Begins. client: a copy is kept, and what it points to lives as long; the server may depend on
 * it. leg: not open; *input: NULL. on_event(owner): where the leg's events go; the owner then
 * calls upstream_step. Deadlines, too, are reported through on_event, with no event set.
 */
void upstream_start(struct upstream *upstream, struct engine *engine, const struct route *route,
    const struct upstream_client *client, struct stream *leg, struct buffer **input,
    stream_callback *on_event, void *owner);

/*
 * The client's TLS has begun, and where logins are expected the backend should know: it has been
 * told otherwise, and only a new connection can correct that.
 */
bool upstream_has_told_less(const struct upstream *upstream);

/* The client is gone: the try that is under way goes to its end, and no other follows. */
void upstream_settle(struct upstream *upstream);

/* From the next try on: where TLS is STARTTLS the hello inside it is left to the client. */
void upstream_leave_hello(struct upstream *upstream);

/*
 * The same once more, after READY: the same server first, whose place is kept meanwhile, then the
 * balancer's choice. The leg must be closed.
 */
void upstream_restart(struct upstream *upstream);

/* Goes on as far as it can. True: it is over, and its phase says how. */
bool upstream_step(struct upstream *upstream);

/*
 * Stops the timers, the wait and the try, whose leg is the owner's to close. The choice stays
 * counted. Harmless when it is over, and on zeroed memory.
 */
void upstream_stop(struct upstream *upstream);

/* How far it is, for the log: its phase, or the stage of its approach. A constant. */
const char *upstream_way(const struct upstream *upstream);

/* The session on the chosen server is over. */
void upstream_release(struct upstream *upstream);

#endif
