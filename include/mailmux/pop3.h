/* What a dialog remembers of a POP3 session before its login [RFC 1939, 2449]. See pop3.c. */
#ifndef MAILMUX_POP3_H
#define MAILMUX_POP3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one outstanding command, as far as the form and the meaning of its reply go. */
enum pop3_command {
    POP3_NONE,
    POP3_SHORT, /* one line, nothing to learn from it */
    POP3_LANG,  /* a list of lines */
    POP3_CAPA,
    POP3_MECHANISMS, /* AUTH alone: their list */
    POP3_USER,
    POP3_LOGIN, /* PASS, APOP */
    POP3_AUTH,
    POP3_QUIT
};

struct pop3 {
    enum pop3_command command;
    bool said_no;    /* the last reply was an error: the backend's farewell, if it leaves now */
    bool user_given; /* USER was not refused: STLS would have to undo it */
    bool user_named; /* the name for the log is that of the last USER, for the PASS to come */
    bool dirty;      /* in plaintext the backend saw more than CAPA and NOOP */
};

#endif
