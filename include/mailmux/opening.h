/*
 * What mailmux itself says to a mail server as its client, and how it judges the answers: greeting,
 * EHLO, CAPABILITY or CAPA, STARTTLS or STLS [RFC 3207, RFC 9051 6.2.1, RFC 2595 4], who the client
 * is, and the goodbye. Sessions and health probes open their connections with it. Pure: no I/O, no
 * clock, no heap; it lives in its owner's memory; one thread.
 *
 * Nothing that the server said in clear is believed once TLS is up, except POP3's word about
 * XCLIENT, which stands in the greeting alone. If TLS was asked for, the opening fails without it.
 *
 * However the bytes are cut into segments, what is sent and how it ends are the same. One
 * difference is meant: bytes behind the answer to STARTTLS are an injection if they come in the
 * same input; else they go to TLS, which fails.
 *
 *     opening_init()
 *     for (;;) switch (turn = opening_feed(bytes not yet used, out)).next
 *         drop turn.used octets, send what was appended to out, then
 *         OPENING_GO_ON       feed again
 *         OPENING_MORE        nothing was done: read
 *         OPENING_START_TLS   start TLS as a client; when it is up, opening_tls_started()
 *         OPENING_READY       the goal is reached
 *         OPENING_FAILED      opening.failure says why
 */
#ifndef MAILMUX_OPENING_H
#define MAILMUX_OPENING_H

#include "mailmux/address.h"
#include "mailmux/dialog.h"

enum {
    OPENING_TEXT_MAX = 2048,     /* octets that one call may append to `out` */
    OPENING_XCLIENT_MAX = 512,   /* octets of XCLIENT, its end included, that Postfix takes */
    OPENING_SESSION_ID_MAX = 64, /* octets of a session's id that Dovecot takes */
    OPENING_PROXY_TTL = 6        /* how many proxies may follow us, as Dovecot counts them */
};

/* What does not change from one connection to the next. Its owner keeps it. */
struct opening_plan {
    const struct protocol *protocol;
    enum opening_goal goal;
    bool starttls;              /* the connection is in clear and must not stay so */
    enum send_address identity; /* within the conversation: XCLIENT or ID, else none */
    struct slice hostname;      /* our name, for EHLO */
    size_t reply;               /* octets that a reply may have */
    size_t reply_lines;         /* lines that it may have */
};

/* The client that we speak for. An address without a family is not known. */
struct opening_client {
    struct address source;
    struct address destination; /* the address that it connected to */
    bool tls;                   /* it speaks TLS, or will before a login */
    struct slice session_id;    /* at most OPENING_SESSION_ID_MAX octets, which xtext
                                   [RFC 3461 4] leaves as they are */
};

/*
 * Why the way to a server failed. OPENING_NO_MEANS to OPENING_ANSWER_TIMEOUT are found by the
 * approach, which carries the opening out; the others are found here, in what the server says.
 */
enum opening_failure {
    OPENING_FINE,
    OPENING_NO_MEANS,        /* we lack memory or descriptors: it says nothing about the server */
    OPENING_NOT_CONNECTED,   /* refused or unreachable */
    OPENING_CONNECT_TIMEOUT, /* the kernel did not decide in time */
    OPENING_HEADER_LOST,     /* it did not take the PROXY header */
    OPENING_HEADER_TIMEOUT,
    OPENING_TLS_FAILED,   /* the handshake failed, not because of the certificate */
    OPENING_TLS_IN_CLEAR, /* the handshake failed, as the server answers in clear */
    OPENING_CERTIFICATE,  /* the certificate does not prove that it is this server */
    OPENING_TLS_TIMEOUT,
    OPENING_MUTE,             /* it closed before its greeting */
    OPENING_CLOSED,           /* it closed after its greeting */
    OPENING_SLOW_GREETING,    /* no greeting yet, and another server is free */
    OPENING_GREETING_TIMEOUT, /* no greeting in all the time that there is */
    OPENING_ANSWER_TIMEOUT,
    OPENING_WRONG_PROTOCOL,
    OPENING_TOO_LARGE,
    OPENING_GREETING_REFUSED,
    OPENING_PREAUTHENTICATED, /* PREAUTH in clear: a login without any proof */
    OPENING_FAREWELL,         /* 421 or BYE in place of an answer */
    OPENING_HELLO_REFUSED,
    OPENING_STRANGE_ANSWER, /* neither yes nor no */
    OPENING_NO_STARTTLS,
    OPENING_STARTTLS_REFUSED,
    OPENING_INJECTED, /* bytes in clear behind the answer to STARTTLS */
    OPENING_NO_XCLIENT,
    OPENING_IDENTITY_REFUSED
};

/* Whether a failure is held against the server. */
enum opening_blame {
    BLAME_NONE,                /* never: a server's words, or our own lack of means */
    BLAME_UNLESS_CLIENT_KNOWN, /* once it knows the client, it may mean this client alone */
    BLAME_ALWAYS
};

/* The kind of a failure. */
enum opening_trouble {
    TROUBLE_NONE,
    TROUBLE_OURS,          /* it says nothing about the server */
    TROUBLE_NO_CONNECTION, /* refused, unreachable, or not in time */
    TROUBLE_NO_WORD,       /* the server was connected, and then silent or gone */
    TROUBLE_TLS,
    TROUBLE_CERTIFICATE,
    TROUBLE_MISUNDERSTANDING, /* its words may be explained by a wrong setting of ours */
    TROUBLE_WORDS             /* its words are not what they should be */
};

/* What a failure means to sessions, checks and --probe. */
struct opening_verdict {
    const char *text; /* for the log: "does not offer STARTTLS" */
    enum opening_trouble trouble;
    enum opening_blame blame;
    bool may_say_goodbye; /* the server waits for a command, which may be QUIT or LOGOUT */
    bool client_may_hear; /* the server's words are a refusal that is meant for the client */
};

/* What the owner does next: see above. */
enum opening_next { OPENING_MORE, OPENING_GO_ON, OPENING_START_TLS, OPENING_READY, OPENING_FAILED };

struct opening_turn {
    enum opening_next next;
    size_t used;      /* octets of the input that are dealt with */
    bool is_greeting; /* they are the server's greeting, which an owner may want to relay */
};

/* What is waited for. */
enum opening_step {
    OPENING_AT_GREETING,
    OPENING_AT_HELLO, /* the answer to EHLO, CAPABILITY or CAPA */
    OPENING_AT_STARTTLS,
    OPENING_AT_HANDSHAKE, /* TLS, from OPENING_START_TLS to opening_tls_started */
    OPENING_AT_IDENTITY,  /* the answer to XCLIENT or ID */
    OPENING_AT_QUIT,
    OPENING_AT_END /* nothing: it is ready, or has failed */
};

/* What the server offers, as far as it matters to us. Bits. */
enum opening_offer {
    OPENING_OFFERS_STARTTLS = 1,
    OPENING_OFFERS_PLUS = 2, /* a mechanism that is bound to the TLS channel (C42) */
    OPENING_OFFERS_XCLIENT = 4,
    OPENING_OFFERS_XCLIENT_NAME = 8, /* XCLIENT with this attribute, and so on */
    OPENING_OFFERS_XCLIENT_ADDR = 16,
    OPENING_OFFERS_XCLIENT_PORT = 32,
    OPENING_OFFERS_XCLIENT_DESTADDR = 64,
    OPENING_OFFERS_XCLIENT_DESTPORT = 128,
    OPENING_OFFERS_PASSWORDS = 256, /* USER, PLAIN or LOGIN */
    OPENING_OFFERS_MECHANISM = 512, /* any that is neither PLAIN nor LOGIN, APOP included */
    OPENING_SHOWS_LOGINDISABLED = 1024
};

/*
 * One opening. Its owner may read step, failure, greeting, offers, tls, client_known and
 * said_hello, and set leaves_hello; all else is private to the grammar.
 */
struct opening {
    const struct opening_plan *plan;
    const struct opening_client *client; /* NULL without an identity */
    struct buffer *capabilities;         /* lent; NULL: not kept */
    enum opening_step step;
    enum opening_failure failure;
    enum greeting greeting;
    unsigned offers;
    bool tls;          /* TLS was started by STARTTLS, and is up */
    bool client_known; /* the server has heard of the client */
    bool leaves_hello; /* to be set before the first feed: the hello inside TLS is the client's,
                          unless an identity is to be told */
    bool said_hello;   /* we said hello inside TLS: the client's will be the second one there */
    unsigned commands; /* how many were sent: IMAP's tags count them */
    size_t octets;     /* that were read of the reply which is not at its end yet */
    size_t lines;      /* that were read of that reply */
    bool is_inside;    /* a list (POP3), or a response with literals (IMAP), goes on */
    uint64_t skipped;  /* octets of a literal that are still to come */
};

/*
 * Makes a fresh opening in the caller's memory. Plan, client and capabilities must outlive it.
 * client: NULL where the plan's identity is neither XCLIENT nor ID. capabilities: NULL, or a buffer
 * that gets the words of the last answer to EHLO, CAPABILITY or CAPA, each with LF behind it, as
 * many as fit: "STARTTLS", "AUTH PLAIN", "AUTH=PLAIN", "SASL PLAIN".
 */
void opening_init(struct opening *opening, const struct opening_plan *plan,
    const struct opening_client *client, struct buffer *capabilities);

/*
 * Feeds what the server has said and was not yet used, and returns what the owner does next. `out`
 * gets the next command; it must have room for OPENING_TEXT_MAX octets. After OPENING_READY or
 * OPENING_FAILED it returns the same again, and uses nothing.
 */
struct opening_turn opening_feed(struct opening *opening, struct slice in, struct buffer *out)
    __attribute__((warn_unused_result));

/*
 * Call it when TLS is up, after OPENING_START_TLS. It forgets what was offered in clear (see the
 * top of this file) and appends the hello to `out` once more. If leaves_hello leaves the hello to
 * the client, the next feed returns OPENING_READY.
 */
void opening_tls_started(struct opening *opening, struct buffer *out);

/*
 * Appends QUIT or LOGOUT to `out`, after OPENING_READY or a failure that allows it
 * (may_say_goodbye). Then feed on: OPENING_READY says that it was answered. `out` must have room as
 * for opening_feed.
 */
void opening_quit(struct opening *opening, struct buffer *out);

/*
 * Appends a greeting of our own, in place of one that came in clear and is not believed. Returns
 * false if it does not fit; nothing is appended then.
 */
bool opening_write_greeting(
    const struct protocol *protocol, struct slice hostname, struct buffer *out);

/* Returns what the failure means: a row of a table, which is a constant. */
const struct opening_verdict *opening_verdict(enum opening_failure failure);

/*
 * Returns whether what the server said may reach the client as its answer. What was said in clear
 * never does if TLS was asked for (C75). May be called after OPENING_FAILED.
 */
bool opening_is_refusal(const struct opening *opening);

/*
 * Appends a refusal as a client reads it in the place of a greeting. said: the octets that the turn
 * with OPENING_FAILED has used. Returns false if it does not fit; nothing is appended then.
 */
bool opening_write_refusal(const struct opening *opening, struct slice said, struct buffer *out);

#endif
