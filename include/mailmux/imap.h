/* What a dialog remembers of an IMAP session before its login [RFC 9051, 3501]. See imap.c. */
#ifndef MAILMUX_IMAP_H
#define MAILMUX_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IMAP_TAG_MAX = 64,
    IMAP_ID_MAX = 64 * 1024, /* octets of an ID: 30 pairs, quoted, each octet escaped [RFC 2971] */
    IMAP_ID_VALUE_MAX = 1024 /* of a literal in it, at least */
};

/* One command is in hand at a time. Where it stands: */
enum imap_phase {
    IMAP_READY,    /* there is none */
    IMAP_PART,     /* forwarded up to a literal; the line behind the literal is to come */
    IMAP_DROPPING, /* not forwarded, but its literals and lines are still to come */
    IMAP_LITERAL,  /* the backend must ask for the literal, or refuse the command */
    IMAP_ANSWER    /* its tagged reply is to come, or, in a SASL exchange, the client's line */
};

/* Which command, as far as its reply matters here. */
enum imap_command { IMAP_OTHER, IMAP_LOGIN, IMAP_AUTHENTICATE, IMAP_LOGOUT };

/* What a command gets that is answered here; texts in imap_literal.c. */
enum imap_answer {
    IMAP_BAD_TAG,
    IMAP_NO_COMMAND,
    IMAP_UNKNOWN,
    IMAP_BAD_ARGUMENTS,
    IMAP_BAD_LINE,
    IMAP_LONG_LINE,
    IMAP_BAD_LITERAL,
    IMAP_LARGE_LITERAL,
    IMAP_BAD_STATE,
    IMAP_BAD_MECHANISM,
    IMAP_TLS_FIRST,
    IMAP_TLS_ACTIVE,
    IMAP_NO_STARTTLS,
    IMAP_STARTTLS_ARGUMENT,
    IMAP_INJECTION,
    IMAP_TLS_UNAVAILABLE,
    IMAP_GO_AHEAD,
    IMAP_ID_HERE, /* ID is answered here */
    IMAP_ID_NIL,  /* ID goes on, without what the client said */
    IMAP_SAID     /* the backend has answered it */
};

struct imap {
    enum imap_phase phase;
    enum imap_command command;
    enum imap_answer answer; /* while DROPPING */
    uint64_t literal;        /* octets, while LITERAL */
    bool names_user;         /* that literal is the name of a LOGIN, if more follows it */
    bool literal_comes;      /* the client sends them unasked: our asking is not for it */
    char tag[IMAP_TAG_MAX];  /* of the command in hand */
    size_t tag_len;
    bool bye_said;       /* the backend's BYE to LOGOUT has gone out */
    size_t octets;       /* of its lines so far; of an ID that is not forwarded literals, too */
    bool dirty;          /* in plaintext the backend saw more than CAPABILITY and NOOP */
    size_t reply_octets; /* of the replies since the last command */
    size_t reply_lines;
};

#endif
