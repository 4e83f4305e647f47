/*
 * A session's way to a backend. It chooses a server, or waits for a place at one, and approaches
 * it. If that fails it takes the next server, before the client has seen a byte. It reports to the
 * pool what the servers have proved to be. It is a part of its session, on the session's thread.
 *
 * All tries together have connect_deadline. But a connected SMTP server may use all of `greeting`,
 * because slow greetings are legal [RFC 5321 4.5.3.2.1]. After UPSTREAM_PATIENCE_MS without a
 * greeting another free server is tried, and the slow one again only when no other is left. If TLS
 * comes first, a server that is silent before TLS is treated in this way, too.
 *
 * A refusal of a server is kept. When no server is left, the client gets the last one (C4, C5,
 * C127). After READY or REFUSED the input begins with the greeting or the refusal; greeting_len is
 * its length, and the owner consumes it. If TLS began with STARTTLS the greeting is one of our own,
 * because nothing that came in clear may reach the client (C75).
 */
#ifndef MAILMUX_UPSTREAM_H
#define MAILMUX_UPSTREAM_H

#include "approach.h"
#include "engine.h"
#include "pool.h"
#include "route.h"

enum { UPSTREAM_PATIENCE_MS = 10 * 1000 };

/*
 * What a backend may be told about the client. All is borrowed: it must outlive the upstream, and
 * may change between tries.
 */
struct upstream_client {
    const struct address *source;
    const struct address *destination; /* without a family: not known */
    const struct stream *leg;          /* the client's leg, for its TLS */
    const struct front_tls *front_tls; /* the TLS of a balancer in front; NULL: none */
    struct slice sni;                  /* the name in a ClientHello that is passed on; or empty */
    struct slice id;                   /* the session's */
};

/* The phases. The table in upstream.c says what each one does. The last three are ends. */
enum upstream_phase {
    UPSTREAM_PICKING, /* choosing the next server */
    UPSTREAM_QUEUED,  /* all servers are full: it waits for a place */
    UPSTREAM_CRAMPED, /* all servers are full, and it can wait no longer, or not at all */
    UPSTREAM_TRYING,  /* the approach is under way */
    UPSTREAM_READY,   /* connected; greeting says READY or PREAUTH */
    UPSTREAM_REFUSED, /* no server is left, and one has refused; not connected */
    UPSTREAM_FAILED,  /* no server is left and none has refused, or it was stopped; not connected;
                         see reason and untried */
    UPSTREAM_PHASES
};

/* The deadline that has passed and was not acted upon yet. */
enum upstream_expiry {
    EXPIRY_NONE,
    EXPIRY_TRY, /* that of this try or of the wait */
    EXPIRY_ALL  /* connect_deadline: no new try begins */
};

struct upstream;

/*
 * What an upstream needs while it looks for a server, and until the dialog with that server is
 * over. All is private to the upstream, but for what stands first.
 */
struct upstream_search {
    /* For the owner to read: */
    enum greeting greeting;
    size_t greeting_len;
    struct approach approach;
    struct deadline try_deadline;
    struct deadline deadline; /* connect_deadline */
    /* Private: */
    struct upstream *upstream;
    struct stream *leg;
    struct buffer **input; /* the session's buffer for what the leg has brought */
    stream_callback *on_event;
    void *owner;
    struct upstream_client client;
    enum upstream_expiry expiry;
    struct pool_waiter waiter;  /* also has the servers that were tried */
    struct engine_task granted; /* posted when the wait is over */
    struct balance_tried slow;  /* servers that were left because their greeting was slow */
    bool leaves_hello;          /* the client says the only hello that the server takes */
    bool is_patient;            /* no other server is left: slow ones get all their time */
    uint64_t queued_at_ms;
    struct buffer *refusal; /* the last refusal, as a client reads it; or NULL */
    char *said;             /* with which the server refused, until it is logged; or NULL */
    size_t said_n;
    bool told_clear;                /* the backend was told that the client speaks in clear */
    struct opening_client identity; /* the client, as the opening tells of it */
    char host[POOL_NAME_MAX];       /* the name for the certificate if tls_name is not set */
    enum approach_stage timed;      /* the stage that try_deadline is for */
    bool timed_silence;             /* try_deadline is for the server's silence in that stage */
    uint64_t try_began_ms;          /* of uv_now, like the next one */
    uint64_t greeting_by_ms;        /* when all time for the greeting is over */
};

/* What is left when a server is found: its place there, and what the log will say. */
struct upstream {
    struct engine *engine; /* NULL: not begun */
    const struct route *route;
    struct upstream_search *search; /* the owner's; NULL: see upstream_forget_search */
    struct pool_choice choice;
    uint64_t queued_ms;  /* in all */
    const char *untried; /* FAILED without a try: why there was none; else NULL */
    enum upstream_phase phase;
    enum reason reason; /* for FAILED */
    unsigned tries;
    uint32_t spent_ms[APPROACH_OVER]; /* in each stage of the last try, when it is over */
    bool has_choice;                  /* a place is taken, until upstream_release */
    bool queued;                      /* it had to wait for a place */
};

/*
 * Begins; the owner then calls upstream_step. *client is copied. What it points to must outlive the
 * search, which is the owner's memory and may have any content before. The leg must not be open,
 * and *input must be NULL. The leg's events go to on_event(owner, leg, events), and so do deadlines
 * and the end of a wait, with events 0; on_event must call upstream_step.
 */
void upstream_start(struct upstream *upstream, struct upstream_search *search,
    struct engine *engine, const struct route *route, const struct upstream_client *client,
    struct stream *leg, struct buffer **input, stream_callback *on_event, void *owner);

/*
 * Returns whether the backend should be told that the client's TLS has begun: logins are expected,
 * and the backend has been told that the client speaks in clear. Only a new connection can correct
 * that.
 */
bool upstream_has_told_less(const struct upstream *upstream);

/* The client is gone. The current try goes on to its end, and no other begins. */
void upstream_settle(struct upstream *upstream);

/* From the next try on, if TLS begins with STARTTLS, the hello inside TLS is left to the client. */
void upstream_leave_hello(struct upstream *upstream);

/*
 * Begins again, after READY. The same server comes first, and its place is kept if that is
 * possible; then the balancer chooses. The leg must be closed.
 */
void upstream_restart(struct upstream *upstream);

/* Goes on as far as possible without waiting. Returns true when it is over; the phase says how. */
bool upstream_step(struct upstream *upstream);

/*
 * Stops the deadlines, the wait and the try. The owner closes the leg. A place at a server stays
 * taken. It is harmless when the upstream is over, and on zeroed memory.
 */
void upstream_stop(struct upstream *upstream);

/*
 * The upstream is over, and its owner neither renews it nor reads or says anything by its opening
 * any more. The memory of the search may go.
 */
void upstream_forget_search(struct upstream *upstream);

/* Returns how far it is, for the log: the phase, or the stage of the approach. A constant. */
const char *upstream_way(const struct upstream *upstream);

/* Gives back the place at the server, if one is taken: the session there is over. */
void upstream_release(struct upstream *upstream);

#endif
