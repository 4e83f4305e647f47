/*
 * What a dialog remembers of a session of SMTP [RFC 5321] or LMTP [RFC 2033]; private to the
 * grammar. It never becomes a relay: where mail comes in there is no login, so commands are
 * followed to the end, and message data alone passes as bytes.
 */
#ifndef MAILMUX_SMTP_H
#define MAILMUX_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SMTP_QUEUE_MAX = 256,  /* outstanding commands; when there are so many the client is not read */
    SMTP_HELLO_MAX = 264,  /* octets of a hello that is kept: one with the longest domain fits */
    SMTP_TAIL = 2,         /* octets of message data before a dot that decide what it means */
    SMTP_SENDER_MAX = 256, /* octets of a sender that are kept for the log */
    SMTP_LOOK_ALIKE_MAX = 5
};

/* The commands whose replies mean something to us. */
enum smtp_command {
    SMTP_OTHER,       /* any other command */
    SMTP_TRANSACTION, /* MAIL and RSET: no recipient is left */
    SMTP_RECIPIENT,   /* RCPT */
    SMTP_HELO,
    SMTP_EHLO, /* and LHLO */
    SMTP_DATA,
    SMTP_MESSAGE, /* the end of message data */
    SMTP_BDAT,
    SMTP_BDAT_LAST, /* its reply is that of the message */
    SMTP_AUTH,      /* AUTH, and each line of its exchange */
    SMTP_QUIT,
    SMTP_BAD,          /* not forwarded: it is answered here, and counted as bad */
    SMTP_RESET_FOR_TLS /* our RSET before STARTTLS; its reply is not for the client */
};

/* Replies of our own; their texts are in smtp_queue.c. */
enum smtp_reply {
    SMTP_FROM_SERVER, /* none of ours: the backend replies */
    SMTP_NO_PARAMETERS,
    SMTP_TLS_ACTIVE,
    SMTP_NO_STARTTLS,
    SMTP_TLS_FIRST,
    SMTP_HELLO_FIRST,
    SMTP_LHLO_FIRST,
    SMTP_ONLY_LHLO,
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
    SMTP_NO_RECIPIENTS,
    SMTP_CHUNK_FAILED,
    SMTP_SERVER_REFUSED,
    SMTP_SMUGGLING,
    SMTP_NO_RELAY,
    SMTP_NO_ROUTE,
    SMTP_BAD_PATH,
    SMTP_GO_AHEAD,
    SMTP_BYE
};

/* What becomes of the octets of a message or chunk. */
enum smtp_fate {
    SMTP_PASSES,
    SMTP_SMUGGLED, /* refused here: they are dropped up to the end, which gets our reply */
    SMTP_ANSWERED  /* the backend has replied before the end: the rest is dropped */
};

/* Where we stand with the backend. */
enum smtp_backend {
    SMTP_STANDS,
    SMTP_REFUSED, /* its greeting was a refusal: we serve QUIT, and refuse all else */
    SMTP_LEFT,    /* we left it inside a message: we serve QUIT, and all else is the end */
    SMTP_CLOSING, /* we left it after its 421: the end comes with the end of the message */
    SMTP_NO_BDAT  /* we left it as it does not know BDAT, which it offered: the end as above */
};

/*
 * One outstanding command: it was forwarded, or our own reply stands in its place, so that the
 * client gets all replies in the order of its commands (rule O).
 */
struct smtp_pending {
    uint8_t command; /* enum smtp_command */
    uint8_t reply;   /* enum smtp_reply */
};

struct smtp {
    struct smtp_pending queue[SMTP_QUEUE_MAX]; /* a ring */
    unsigned queue_head;
    unsigned queue_len;
    unsigned bad_waiting; /* commands in it that are SMTP_BAD */
    bool barrier;         /* the client is held until the queue is empty */
    bool hello_heard;     /* the backend has heard a hello: the client's next one is its second */
    bool hello_in_clear;  /* it has accepted one in plaintext, and none since TLS */
    bool hello_needed;    /* TLS has started: nothing counts before a new EHLO or HELO (C32) */
    bool chunking;        /* the last EHLO reply offered CHUNKING [RFC 3030] */
    unsigned recipients;  /* LMTP: those accepted; at the end of a message, the replies it owes */
    bool chunk_failed;    /* LMTP: a chunk of this message was refused */
    bool in_transaction;  /* MAIL or RCPT went out: before TLS we say RSET */
    bool dirty;           /* more than that went out: TLS wants a fresh connection */
    bool loose;       /* a look-alike has passed: the backend may owe more replies than we know */
    bool may_be_over; /* the message had a look-alike, which some clients mean as its end */
    bool half_end;    /* "CRLF . CR" is there, and its LF has not come */
    enum smtp_fate fate;
    enum smtp_backend backend;
    char tail[SMTP_TAIL];
    char hello[SMTP_HELLO_MAX];   /* see smtp_hello.c */
    size_t hello_len;             /* 0: none is kept */
    char sender[SMTP_SENDER_MAX]; /* of the last MAIL, for the log */
    size_t sender_len;
    char look_alike[SMTP_LOOK_ALIKE_MAX]; /* the octets for which a message was refused */
};

#endif
