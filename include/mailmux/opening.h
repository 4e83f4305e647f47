/*
 * What mailmux itself says to a mail server as its client, and how it judges the answers: greeting,
 * EHLO, CAPABILITY or CAPA, STARTTLS or STLS, who the true client is, and the goodbye. Sessions,
 * health probes and affinity open their connections with it. Pure: no I/O, no clock, no heap; it
 * lives in its owner's memory; one thread.
 *
 * Nothing that the server said in clear is believed once TLS is up, and where TLS was asked for
 * nothing goes on without it. However the bytes are cut into segments, what is sent and how it ends
 * are the same; only bytes behind the answer to STARTTLS depend on it: with it in one input they
 * are fatal, else they go to TLS, which fails.
 *
 *     opening_init()
 *     for (;;) switch (turn = opening_feed(bytes not yet used, out)).next
 *         drop turn.used octets, send what was appended to out, then
 *         OPENING_GO_ON       feed again
 *         OPENING_MORE        nothing was done: read
 *         OPENING_START_TLS   TLS as a client; when it is up opening_tls_started()
 *         OPENING_READY       the goal is reached
 *         OPENING_FAILED      opening.failure says why
 */
#ifndef MAILMUX_OPENING_H
#define MAILMUX_OPENING_H

#include "mailmux/address.h"
#include "mailmux/dialog.h"

enum {
    OPENING_TEXT_MAX = 2048,     /* what one call may append to `out` */
    OPENING_XCLIENT_MAX = 512,   /* octets of a command, its end included [Postfix XCLIENT] */
    OPENING_SESSION_ID_MAX = 64, /* octets that Dovecot takes */
    OPENING_PROXY_TTL = 6        /* proxies that may still follow us, as Dovecot counts them */
};

/* What does not change from one connection to the next. */
struct opening_plan {
    const struct protocol *protocol;
    enum opening_goal goal;
    bool starttls;              /* the connection is in clear and must not stay so */
    enum send_address identity; /* within the conversation: XCLIENT or ID, else none */
    struct slice hostname;      /* who we are, for EHLO */
    size_t reply;               /* largest reply, and its lines */
    size_t reply_lines;
};

/* The true client. An address of no family is not known. */
struct opening_client {
    struct address source;
    struct address destination; /* where it connected to */
    bool tls;                   /* it speaks TLS, or will before a login */
    struct slice session_id;    /* at most OPENING_SESSION_ID_MAX octets of xtext's own letters */
};

/*
 * Why the way to a server failed. The first group is what its carrier (backend/approach) meets; the
 * second is what the server says, and this grammar judges it.
 */
enum opening_failure {
    OPENING_FINE,
    OPENING_NO_MEANS,        /* of our own: memory, descriptors; it says nothing about the server */
    OPENING_NOT_CONNECTED,   /* refused or unreachable */
    OPENING_CONNECT_TIMEOUT, /* the kernel did not decide in time */
    OPENING_HEADER_LOST,     /* it did not take the PROXY header */
    OPENING_HEADER_TIMEOUT,
    OPENING_TLS_FAILED,   /* the handshake, not for the certificate */
    OPENING_TLS_IN_CLEAR, /* the same, since it answers in clear */
    OPENING_CERTIFICATE,  /* the certificate proves nothing */
    OPENING_TLS_TIMEOUT,
    OPENING_MUTE,             /* it closed before its greeting */
    OPENING_CLOSED,           /* it closed after its greeting */
    OPENING_SLOW_GREETING,    /* no greeting yet, and another server is free */
    OPENING_GREETING_TIMEOUT, /* no greeting in all the time that there is */
    OPENING_ANSWER_TIMEOUT,
    OPENING_WRONG_PROTOCOL,
    OPENING_TOO_LARGE,
    OPENING_GREETING_REFUSED,
    OPENING_PREAUTHENTICATED, /* a login in clear that nobody made */
    OPENING_FAREWELL,         /* 421 or BYE in place of an answer */
    OPENING_HELLO_REFUSED,
    OPENING_STRANGE_ANSWER, /* neither yes nor no */
    OPENING_NO_STARTTLS,
    OPENING_STARTTLS_REFUSED,
    OPENING_INJECTED, /* bytes in clear behind the answer to STARTTLS */
    OPENING_NO_XCLIENT,
    OPENING_IDENTITY_REFUSED
};

/* Whether a failure tells against the server. */
enum opening_blame {
    BLAME_NONE,                /* words, and wants of our own */
    BLAME_UNLESS_CLIENT_KNOWN, /* only while the server has not heard of the client */
    BLAME_ALWAYS
};

/* What went wrong, in the large. */
enum opening_trouble {
    TROUBLE_NONE,
    TROUBLE_OURS,          /* it says nothing about the server */
    TROUBLE_NO_CONNECTION, /* refused, unreachable, or not in time */
    TROUBLE_NO_WORD,       /* connected, and then silent, or gone */
    TROUBLE_TLS,
    TROUBLE_CERTIFICATE,
    TROUBLE_MISUNDERSTANDING, /* words that a wrong setting of ours may explain */
    TROUBLE_WORDS             /* other words than it should say */
};

/* What a failure means to sessions, checks and --probe. */
struct opening_verdict {
    const char *text; /* for the log: "does not offer STARTTLS" */
    enum opening_trouble trouble;
    enum opening_blame blame;
    bool may_say_goodbye; /* the server waits for a command: QUIT or LOGOUT has its place */
    bool client_may_hear; /* the server's words are a refusal that is meant for the client */
};

enum opening_next { OPENING_MORE, OPENING_GO_ON, OPENING_START_TLS, OPENING_READY, OPENING_FAILED };

struct opening_turn {
    enum opening_next next;
    size_t used;      /* octets of the input that are dealt with */
    bool is_greeting; /* they are the server's greeting: who relays it keeps them */
};

enum opening_step {
    OPENING_AT_GREETING,
    OPENING_AT_HELLO,
    OPENING_AT_STARTTLS,
    OPENING_AT_HANDSHAKE,
    OPENING_AT_IDENTITY,
    OPENING_AT_QUIT,
    OPENING_AT_END
};

/* What the server offers, as far as we act upon it. Bits. */
enum opening_offer {
    OPENING_OFFERS_STARTTLS = 1,
    OPENING_OFFERS_PLUS = 2, /* a mechanism that is bound to the TLS channel (C42) */
    OPENING_OFFERS_XCLIENT = 4,
    OPENING_OFFERS_XCLIENT_NAME = 8, /* ... with these attributes */
    OPENING_OFFERS_XCLIENT_ADDR = 16,
    OPENING_OFFERS_XCLIENT_PORT = 32,
    OPENING_OFFERS_XCLIENT_DESTADDR = 64,
    OPENING_OFFERS_XCLIENT_DESTPORT = 128,
    OPENING_OFFERS_PASSWORDS = 256, /* USER, PLAIN or LOGIN */
    OPENING_OFFERS_MECHANISM = 512, /* any that is neither PLAIN nor LOGIN, APOP included */
    OPENING_SHOWS_LOGINDISABLED = 1024
};

/* All but step, failure, greeting, offers, tls, client_known, leaves_hello and said_hello is
 * private to the grammar. */
struct opening {
    const struct opening_plan *plan;
    const struct opening_client *client; /* NULL without an identity */
    struct buffer *capabilities;         /* lent; NULL: not kept */
    enum opening_step step;
    enum opening_failure failure;
    enum greeting greeting;
    unsigned offers;
    bool tls;          /* it was started by STARTTLS */
    bool client_known; /* the server has heard of the client */
    bool leaves_hello; /* may be set after opening_init: the hello inside TLS is the client's to say
                        */
    bool said_hello;   /* ours was said inside TLS, and the client's will be a second one */
    unsigned commands; /* sent so far: IMAP's tags */
    size_t octets;     /* of the reply in hand */
    size_t lines;      /* the same */
    bool is_inside;    /* a list (POP3), or a response with literals (IMAP), goes on */
    uint64_t skipped;  /* octets of a literal that are still to come */
};

/*
 * Fresh, in the caller's memory. Plan and client must outlive it. capabilities may be NULL; else
 * the words of the last reply to EHLO, CAPABILITY or CAPA are left in it, each with LF behind it,
 * as many as fit: "STARTTLS", "AUTH PLAIN", "AUTH=PLAIN", "SASL PLAIN".
 */
void opening_init(struct opening *opening, const struct opening_plan *plan,
    const struct opening_client *client, struct buffer *capabilities);

/* `out` has room for OPENING_TEXT_MAX octets. */
struct opening_turn opening_feed(struct opening *opening, struct slice in, struct buffer *out)
    __attribute__((warn_unused_result));

/* After OPENING_START_TLS: it is up. Forgets what was said in clear, and asks again. */
void opening_tls_started(struct opening *opening, struct buffer *out);

/* After OPENING_READY: QUIT or LOGOUT. OPENING_READY once more when it has been answered. */
void opening_quit(struct opening *opening, struct buffer *out);

/* Appends our own greeting, in the place of one that came in clear and is not to be believed. */
bool opening_write_greeting(
    const struct protocol *protocol, struct slice hostname, struct buffer *out);

/* The row of a failure. A constant. */
const struct opening_verdict *opening_verdict(enum opening_failure failure);

/*
 * After OPENING_FAILED: whether what the server said may reach the client. Words in clear never do
 * where TLS was asked for (C75).
 */
bool opening_is_refusal(const struct opening *opening);

/*
 * Appends a refusal as a client reads it in the place of a greeting. said: the octets that the turn
 * with OPENING_FAILED has used. False: it does not fit.
 */
bool opening_write_refusal(const struct opening *opening, struct slice said, struct buffer *out);

#endif
