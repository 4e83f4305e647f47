/*
 * One proxied connection. It owns both streams, both pipes, its dialog and its way to a backend. It
 * lives on one worker thread, from session_start until the end of the turn of the loop in which it
 * ends.
 *
 * Every event sets a readiness bit and calls session_step, which runs the phase until nothing moves
 * any more and then sets what to wait for. A row of the table in session_phases.c says what a phase
 * does, what it waits for and how long. session_enter is the only way into a phase.
 */
#ifndef MAILMUX_SESSION_H
#define MAILMUX_SESSION_H

#include "relay.h"
#include "service.h"
#include "sessions.h"
#include "upstream.h"

struct tls_advice;

enum session_phase {
    SESSION_ACCEPTED,     /* it has just begun */
    SESSION_PROXY_HEADER, /* the peer is a load balancer, which first says the client's address */
    SESSION_SNIFF,        /* the client's first bytes decide what follows */
    SESSION_HANDSHAKE,    /* TLS with the client: implicit, or after STARTTLS */
    SESSION_DIAL,         /* the upstream is on its way to a server */
    SESSION_DELAY,        /* the greeting is held back, to find clients that do not wait for it */
    SESSION_DIALOG,       /* the dialog reads what both sides say */
    SESSION_UPGRADE,      /* the answer to STARTTLS goes out; then the handshake */
    SESSION_RENEW,        /* a fresh connection to the server, while the dialog goes on */
    SESSION_RELAY,        /* bytes both ways, unread */
    SESSION_HALF_CLOSED,  /* a relay of which one side has ended */
    SESSION_FAREWELL,     /* the last words go out */
    SESSION_LINGER,       /* our direction has ended; what the client still sends is dropped */
    SESSION_GOODBYE,      /* the client is gone; the server still gets its goodbye */
    SESSION_DEAD,         /* logged and closed; freed at the end of the turn */
    SESSION_PHASES
};

enum { LEG_CLIENT, LEG_SERVER };

/* How far the goodbye to the server is. It is also under way in phases that are for the client. */
enum parting {
    PARTING_NONE,     /* none is due */
    PARTING_ARRIVING, /* the upstream is still connecting; the goodbye follows */
    PARTING_ASKED,    /* QUIT or LOGOUT was queued or sent */
    PARTING_ENDED     /* our direction has ended; the server may still send */
};

/* The watch on output that waits for a leg: how much had been delivered at the last look. */
struct stall {
    struct deadline deadline;
    uint64_t delivered;
};

/* After our direction to the client has ended: how the client takes what was sent. */
struct lingering {
    uint64_t since_ms;
    uint64_t moved_ms;  /* when the client last acknowledged anything */
    uint64_t delivered; /* how much had been delivered by then */
};

enum { SNI_MAX = 255, SESSION_ID_MAX = 40 };

/* What the log line says of the client's TLS, kept because the stream is closed by then. */
struct session_tls {
    bool up;
    bool begins_well; /* its first byte had been read and was one of TLS */
    bool resumed;
    bool wants_certificate;    /* the client was asked for one */
    uint64_t began_ms;         /* uv_now when the handshake began */
    uint64_t lasted_ms;        /* how long the handshake took */
    const char *alpn;          /* the protocol agreed on; NULL: none */
    const char *client_fault;  /* why the client's certificate is not verified; NULL: it is */
    char *client_name;         /* the common name in it; NULL: the client showed none */
    struct tls_advice *failed; /* what is known of a handshake that failed; or NULL */
    const char *version;       /* the library's, as the next two; NULL: TLS is not up */
    const char *cipher;
    const char *group; /* NULL also where the key exchange has none */
    char *sni;         /* NULL: the client gave none */
};

/*
 * What a session needs until it relays, or to its end if it never does. session_prelude.c makes and
 * frees it.
 */
struct session_prelude {
    struct session *session;
    struct address local; /* the address that the client connected to; may be unspecified */
    struct deadline line_deadline;
    struct deadline login_deadline;
    struct upstream_search search;
};

struct session {
    struct list node;          /* in sessions->live */
    struct engine_task again;  /* runs the session again in the next turn */
    struct engine_task burial; /* frees the session */
    struct sessions *sessions;
    struct engine *engine;
    stream_callback *on_event;           /* gets the events of both legs and of the upstream */
    const struct service *service;       /* of the listener whose settings hold for it */
    const struct service *door;          /* of the listener that the client has connected to */
    const struct service_target *target; /* where a route has sent it; NULL: none has */
    struct tally *tally;                 /* of the door; may be NULL */
    struct tally *route_tally;           /* of its route; NULL: it has none, or no memory */
    enum session_phase phase;
    const char *phase_name;  /* the name in its row */
    const char *last_phase;  /* the last phase before the session began to end */
    uint64_t phase_since_ms; /* uv_now when the phase began */
    enum reason reason;
    bool stepping;    /* session_step is on the stack */
    bool wants_drain; /* it must end as soon as the phase allows */
    bool renew;       /* after the client's handshake a renewal follows */
    bool may_talk;    /* it was routed by its first words, so that it is no early talker */
    bool is_guess;    /* it was silent when the way was chosen, and nothing was said since */
    struct stream leg[2];
    struct pipe pipe[2];             /* pipe[LEG_CLIENT]: from the client to the server */
    struct session_prelude *prelude; /* NULL in a relay and behind it */
    struct dialog *dialog;           /* NULL before it begins, and in a relay */
    struct upstream upstream;
    struct deadline phase_deadline;
    struct deadline parting_deadline;
    struct stall stall[2];
    enum parting parting;
    struct lingering linger;
    uint64_t words_from; /* octets that the client had sent before this connection to the server */
    uint64_t tls_from;   /* octets that its wire had received before the client's TLS */
    enum reason phase_reason; /* the reason of the session if a deadline expires */
    uint64_t started_ms;
    uint64_t active_ms;          /* when the relay last moved a byte */
    struct address client;       /* the client's address, from the PROXY header if there is one */
    struct address *via;         /* the peer that sent the PROXY header; NULL: none has */
    struct front_tls *front_tls; /* the client's TLS as the PROXY header says; may be NULL */
    char id[SESSION_ID_MAX];     /* unique among all processes */
    struct session_tls tls;
    char *server_name;      /* the name of the server that was left, for the log; or NULL */
    const char *server_tls; /* the TLS version with the backend; NULL: none */
    bool server_resumed;    /* it went on from an earlier session */
    char *user; /* the name of the login, for the log, when the dialog is gone: session_user */
    size_t user_n;
    bool logged_in;
    unsigned failures;        /* logins that have failed */
    uint64_t refusals;        /* of ours; SESSION_REFUSED_LINES of them have a line in the log */
    enum reason last_refusal; /* the reason that the last one of them would be for an end */
    void *snapshot;           /* for the owner of the sessions: its reference to a snapshot */
};

/*
 * Begins a session on the wire of an accepted client, and runs it as far as it goes. The wire is
 * taken in every case. client and local are the two ends of the connection, as the kernel knows
 * them; if local is unspecified the wire is asked when a server is to be told. The service must
 * outlive the session. snapshot is kept for the owner of `sessions`. Returns NULL without memory.
 * The session may be dead already; its memory is valid until the end of the turn.
 */
struct session *session_start(struct sessions *sessions, const struct service *service,
    struct wire *wire, const struct address *client, const struct address *local, void *snapshot);

/*
 * Runs the session as far as it goes. It may be dead afterwards; its memory is valid until the end
 * of the turn. A call from inside another one does nothing.
 */
void session_step(struct session *session);

/*
 * Asks the session to end, because the process ends. It says a farewell and ends, at once if the
 * phase allows it, else as soon as it does.
 */
void session_drain(struct session *session);

/* Ends the session at once, with the farewell of the process as far as it can be said at once. */
void session_cut(struct session *session, enum reason reason);

#endif
