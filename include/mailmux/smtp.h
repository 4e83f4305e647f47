/*
 * What a dialog remembers of an SMTP session [RFC 5321]. SMTP never becomes a relay: port 25 knows
 * no login, so commands are followed to the end, and only message data passes as bytes.
 */
#ifndef MAILMUX_SMTP_H
#define MAILMUX_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SMTP_QUEUE_MAX = 256, /* commands in flight; when full the client is not read */
    SMTP_HELLO_MAX = 264, /* octets of a hello that can be said again: the longest domain fits */
    SMTP_TAIL = 2         /* octets of message data that decide what a dot means */
};

/* What a forwarded command is, as far as its reply matters here. */
enum smtp_command {
    SMTP_OTHER,
    SMTP_HELO,
    SMTP_EHLO,
    SMTP_DATA,
    SMTP_MESSAGE, /* the end of message data */
    SMTP_BDAT,
    SMTP_BDAT_LAST, /* its reply is the message's */
    SMTP_AUTH,      /* AUTH and each line of its exchange */
    SMTP_QUIT,
    SMTP_BAD,          /* answered here as a bad one */
    SMTP_RESET_FOR_TLS /* our RSET before an upgrade: its reply is swallowed */
};

/* Replies of our own; their texts are in smtp_queue.c. */
enum smtp_reply {
    SMTP_FROM_SERVER, /* none: the backend replies */
    SMTP_NO_PARAMETERS,
    SMTP_TLS_ACTIVE,
    SMTP_NO_STARTTLS,
    SMTP_TLS_FIRST,
    SMTP_HELLO_FIRST,
    SMTP_AFTER_LOGIN,
    SMTP_NO_MECHANISM,
    SMTP_NOT_PERMITTED,
    SMTP_NOT_IMPLEMENTED,
    SMTP_LINE_TOO_LONG,
    SMTP_BAD_CHARACTER,
    SMTP_NOT_UNDERSTOOD,
    SMTP_TLS_UNAVAILABLE,
    SMTP_INJECTION,
    SMTP_BDAT_SYNTAX,
    SMTP_NO_CHUNKING,
    SMTP_SERVER_REFUSED,
    SMTP_SMUGGLING,
    SMTP_NO_RELAY,
    SMTP_NO_ROUTE,
    SMTP_BAD_PATH,
    SMTP_GO_AHEAD,
    SMTP_BYE
};

/* What becomes of the octets of a message. */
enum smtp_fate {
    SMTP_PASSES,
    SMTP_SMUGGLED, /* refused here: thrown away up to its end, then our reply */
    SMTP_ANSWERED  /* the backend has replied before its end: the rest is thrown away */
};

enum smtp_backend {
    SMTP_STANDS,
    SMTP_REFUSED, /* its greeting was a refusal: only QUIT is served, here */
    SMTP_LEFT,    /* it is not known what it expects, so it was left: the same, and then the end */
    SMTP_CLOSING, /* left, and it had said 421: the end comes with the end of the message */
    SMTP_NO_BDAT  /* the same: it does not know the command that it offered */
};

/* One outstanding command: forwarded, or replied to here in its place (rule O). */
struct smtp_pending {
    uint8_t command; /* enum smtp_command */
    uint8_t reply;   /* enum smtp_reply */
};

struct smtp {
    struct smtp_pending queue[SMTP_QUEUE_MAX]; /* a ring */
    unsigned queue_head;
    unsigned queue_len;
    unsigned bad_waiting; /* refused here, and not yet answered */
    bool barrier;         /* the client is held until the queue has drained */
    bool hello_heard;     /* by the backend, and the next one of the client repeats it */
    bool hello_in_clear;  /* the backend has taken one on this connection, and none since TLS */
    bool hello_needed;    /* STARTTLS is over: nothing counts before a new EHLO or HELO (C32) */
    bool chunking;        /* the last EHLO reply offered CHUNKING */
    bool in_transaction;  /* MAIL or RCPT went out in plaintext: RSET before TLS */
    bool dirty;           /* more than that: the backend connection must be renewed */
    bool loose;       /* a look-alike has passed: the backend may see more replies due than we */
    bool may_be_over; /* of the message in hand a look-alike was seen: the end, to some clients */
    bool half_end;    /* "CRLF . CR" is there; the LF is to come, or never will */
    enum smtp_fate fate;
    enum smtp_backend backend;
    char tail[SMTP_TAIL];
    char hello[SMTP_HELLO_MAX]; /* see smtp_hello.c */
    size_t hello_len;           /* 0: none is kept */
};

#endif
