/*
 * A transcript file, read into memory: a header and steps. README.md describes the format.
 * Every allocation lives until script_free.
 */
#ifndef TRANSCRIPT_SCRIPT_H
#define TRANSCRIPT_SCRIPT_H

#include "mailmux/dialog.h"

enum step_kind {
    STEP_SEND,       /* bytes of `side`, one write */
    STEP_EXPECT,     /* bytes that reach `side` */
    STEP_EVENT,      /* what the session must be asked to do: `text` */
    STEP_USER,       /* the user known so far: `text` */
    STEP_BOUNDARY,   /* whether a farewell may be said now: `text` is yes or no */
    STEP_TLS_UP,     /* the handshake on the client leg is done */
    STEP_TLS_BUSY,   /* from now on TLS cannot be had */
    STEP_FAREWELL,   /* the session says this farewell: `farewell` */
    STEP_SERVER_END, /* the backend closes */
    STEP_EXPIRE      /* a deadline is over: `reason` */
};

struct step {
    enum step_kind kind;
    enum dialog_side side;
    enum dialog_farewell farewell;
    enum reason reason;
    char *text;
    size_t len;
    unsigned line; /* in the file */
};

enum { SCRIPT_RELAY_DOMAINS_MAX = 8 };

struct script {
    const struct protocol *protocol;
    struct dialog_policy policy;
    struct dialog_legs legs;
    bool whole_only; /* what stands behind a line in the same write matters: no splitting */
    char conformance[256];
    const char *relay_domains[SCRIPT_RELAY_DOMAINS_MAX]; /* policy.relay_domains points here */
    char relay_domains_text[256];
    struct step *steps;
    size_t len;
    size_t cap;
};

/* Says on stderr what is wrong, with file and line, and returns false. */
bool script_read(const char *path, struct script *script);
void script_free(struct script *script);

#endif
