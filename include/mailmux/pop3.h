/*
 * What a dialog remembers of a POP3 session before its login [RFC 1939, RFC 2449]; private to the
 * grammar.
 */
#ifndef MAILMUX_POP3_H
#define MAILMUX_POP3_H

#include <stdbool.h>

/* The one outstanding command: it decides what form its reply has, and what that means. */
enum pop3_command {
    POP3_NONE,
    POP3_SHORT, /* answered with one line, which means nothing to us */
    POP3_LANG,  /* LANG alone, answered with a list [RFC 6856 3] */
    POP3_CAPA,
    POP3_MECHANISMS, /* AUTH alone, answered with a list */
    POP3_USER,
    POP3_LOGIN, /* PASS, APOP */
    POP3_AUTH,
    POP3_QUIT
};

struct pop3 {
    enum pop3_command command;
    bool said_no; /* the last reply was an error: if the backend ends now, that was its farewell */
    bool user_given; /* USER was not refused, so STLS is */
    bool user_named; /* the name for the log is that of the last USER, and its PASS is to come */
    bool dirty;      /* in plaintext the backend saw more than CAPA and NOOP */
};

#endif
