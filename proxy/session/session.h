/*
 * One proxied connection. It owns both streams, both pipes, its dialog and its way to a backend;
 * it lives on one worker thread, from session_start until the end of the turn in which it ends.
 *
 * Every event sets a readiness bit and ends in session_step, which runs the phase until nothing
 * moves any more, then says what to wait for. What a phase does, waits for and how long is its row
 * in session_phases.c; session_enter is the only door from one to another.
 */
#ifndef MAILMUX_SESSION_H
#define MAILMUX_SESSION_H

#include "relay.h"
#include "service.h"
#include "sessions.h"
#include "tls_info.h"
#include "upstream.h"

enum session_phase {
    SESSION_ACCEPTED,     /* nothing was looked at yet */
    SESSION_PROXY_HEADER, /* the peer is a load balancer, which says first who the client is */
    SESSION_HANDSHAKE,    /* TLS with the client: implicit, or after the go-ahead was flushed */
    SESSION_DIAL,         /* the upstream is at work */
    SESSION_DELAY,        /* its greeting is held back, to see which clients cannot wait */
    SESSION_DIALOG,
    SESSION_UPGRADE, /* the go-ahead is on its way out; then the handshake */
    SESSION_RENEW,   /* the upstream is at work again, behind a dialog that goes on */
    SESSION_RELAY,
    SESSION_HALF_CLOSED, /* a relay with one side that has ended its direction */
    SESSION_FAREWELL,    /* the last words are on their way out */
    SESSION_LINGER,      /* our end is said; what the client still sends is read and dropped */
    SESSION_GOODBYE,     /* the client is gone; the server hears a goodbye in its name */
    SESSION_DEAD,
    SESSION_PHASES
};

enum { LEG_CLIENT, LEG_SERVER };

/* How far the goodbye to the server is, which is said while the client is left, too. */
enum parting {
    PARTING_NONE,
    PARTING_ARRIVING, /* the upstream is still on its way to it */
    PARTING_ASKED,    /* QUIT or LOGOUT is on its way, or said */
    PARTING_ENDED     /* our end is said; it may still be speaking */
};

/* Output waits for a leg: what had been delivered to it when that was last looked at. */
struct stall {
    struct deadline deadline;
    uint64_t delivered;
};

/* Our end is said: how the client takes what was sent. */
struct lingering {
    uint64_t since_ms;
    uint64_t moved_ms;  /* when it last acknowledged anything */
    uint64_t delivered; /* what it had of it by then */
};

enum { TLS_TEXT_MAX = 64, SNI_TEXT_MAX = 256, SESSION_ID_MAX = 40 };

/* What the log line needs after the stream is gone. */
struct session_tls {
    bool up;
    char version[TLS_TEXT_MAX];
    char cipher[TLS_TEXT_MAX];
    char group[TLS_TEXT_MAX];
    char sni[SNI_TEXT_MAX];
};

struct session {
    struct list node;          /* among the sessions */
    struct engine_task again;  /* it has more to do than its share of a turn */
    struct engine_task burial; /* it is over */
    struct sessions *sessions;
    struct engine *engine;
    stream_callback *on_event; /* both legs report to it, and the upstream's deadlines */
    const struct service *service;
    enum session_phase phase;
    const char *phase_name;  /* of its row */
    const char *last_phase;  /* before its end */
    uint64_t phase_since_ms; /* of uv_now */
    enum reason reason;
    bool stepping;
    bool wants_drain; /* end at the next command boundary */
    bool renew;       /* after the handshake: a fresh backend connection */
    struct stream leg[2];
    struct pipe pipe[2]; /* pipe[LEG_CLIENT]: from the client to the server */
    struct dialog *dialog;
    struct upstream upstream;
    struct deadline phase_deadline;
    struct deadline line_deadline;
    struct deadline login_deadline;
    struct deadline parting_deadline;
    struct stall stall[2];
    enum parting parting;
    struct lingering linger;
    uint64_t words_from;      /* octets of the client before this connection to its server */
    uint64_t tls_from;        /* octets of the wire before the client's TLS */
    enum reason phase_reason; /* what expiry of the phase's deadline means */
    uint64_t started_ms;
    uint64_t active_ms;    /* the last byte of the relay */
    struct address client; /* the true one, once a PROXY header has named it */
    struct address local;  /* what the client connected to; unspecified where it is not known */
    struct front_tls *front_tls; /* what that header says of the client's TLS; NULL: nothing */
    struct address via;          /* the peer that sent the PROXY header; else unspecified */
    char id[SESSION_ID_MAX];     /* of no other session of any process */
    struct session_tls tls;
    char *server_name;             /* of the server that was left, for the log; else NULL */
    char server_tls[TLS_TEXT_MAX]; /* the version spoken with the backend; empty: none */
    struct dialog_name user;
    void *snapshot; /* the owner of the sessions keeps its reference here */
};

/*
 * Takes the wire of an accepted client; client and local are its two ends, as the kernel knows them
 * (local may be unspecified). NULL without memory: the wire is closed then. The service must live
 * until it has ended.
 */
struct session *session_start(struct sessions *sessions, const struct service *service,
    struct wire *wire, const struct address *client, const struct address *local, void *snapshot);

/* Runs it as far as it goes. The session may be dead afterwards, but its memory still stands. */
void session_step(struct session *session);

/* The process ends: says the farewell that fits, now or as soon as one may be said, and ends. */
void session_drain(struct session *session);

/* The end at once, without ceremony. */
void session_cut(struct session *session, enum reason reason);

#endif
