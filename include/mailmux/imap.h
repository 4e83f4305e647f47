/*
 * What a dialog remembers of an IMAP session before its login [RFC 9051, RFC 3501]; private to the
 * grammar.
 */
#ifndef MAILMUX_IMAP_H
#define MAILMUX_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IMAP_TAG_MAX = 64,
    IMAP_ID_MAX = 64 * 1024, /* octets of an ID: 30 pairs, quoted, each octet escaped [RFC 2971] */
    IMAP_ID_VALUE_MAX = 1024 /* octets that a literal in an ID may have, whatever is configured */
};

/* Where the one command stands that is handled now. */
enum imap_phase {
    IMAP_READY,    /* there is none */
    IMAP_PART,     /* it was forwarded up to a literal, and goes on with a line behind that */
    IMAP_DROPPING, /* it is not forwarded, but its literals and lines are still to come */
    IMAP_LITERAL,  /* the backend must ask for its literal, or refuse it */
    IMAP_ANSWER    /* its tagged reply is to come, or, in a SASL exchange, the client's line */
};

/* The commands whose replies mean something to us. */
enum imap_command { IMAP_OTHER, IMAP_LOGIN, IMAP_AUTHENTICATE, IMAP_LOGOUT };

/* What a command gets that is not forwarded; the texts are in imap_literal.c. */
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
    IMAP_ID_NIL,  /* "ID NIL" is forwarded in its place */
    IMAP_SAID     /* nothing: the backend has answered it */
};

struct imap {
    enum imap_phase phase;
    enum imap_command command;
    enum imap_answer answer; /* while DROPPING */
    uint64_t literal;        /* octets of it, while LITERAL */
    bool names_user;         /* that literal is the name of a LOGIN, if a password follows it */
    bool literal_comes;      /* the client sends it unasked [RFC 7888]: it must not hear "+" */
    char tag[IMAP_TAG_MAX];  /* of the command that is handled now */
    size_t tag_len;          /* 0: it has no valid one */
    bool bye_said;           /* the backend's BYE to a LOGOUT has gone out */
    size_t octets;       /* of the command's lines so far; while DROPPING of its literals, too */
    bool dirty;          /* in plaintext the backend saw more than CAPABILITY and NOOP */
    size_t reply_octets; /* of the replies since the last command */
    size_t reply_lines;
};

#endif
