/*
 * A dialog between two sides in memory, obeyed as a session would, with what must hold of every
 * single call checked as it goes (FUZZ_REQUIRE):
 *
 * - a call uses no more than it was fed, and appends no more than that plus DIALOG_EXTRA;
 * - it forwards whole lines, with one CRLF each and neither CR, LF nor NUL inside;
 * - XCLIENT, XFORWARD, STARTTLS and STLS of a client never reach the backend as commands;
 * - where there are relay domains, no recipient in another one does before a login;
 * - in clear, where TLS is required for all, nothing but the prelude does; where it is required for
 *   logins, no login does;
 * - an EHLO reply shows neither XCLIENT nor XFORWARD, and STARTTLS only where it is ours to give;
 * - a side that is to be read is not waiting with more than the longest line or reply.
 *
 * One run after another, in memory of its own; one thread.
 */
#ifndef MAILMUX_DIALOG_RUN_H
#define MAILMUX_DIALOG_RUN_H

#include "fuzz.h"
#include "mailmux/protocols.h"

enum { RUN_IN = 80 * 1024, RUN_OUT = 1024 * 1024, RUN_EVENTS = 64, RUN_INPUT_MAX = 16 * 1024 };

/* What the session was asked to do, and how much both sides had been sent by then. */
struct run_event {
    enum dialog_next next;
    enum reason reason;
    bool renew;
    bool leaves;
    size_t sent[2]; /* by enum dialog_side */
};

struct dialog_run {
    struct dialog dialog;
    struct dialog_policy policy;
    struct buffer in[2];
    struct buffer out[2]; /* [DIALOG_CLIENT]: what the client has been sent */
    char memory_in[2][RUN_IN];
    char memory_out[2][RUN_OUT];
    struct run_event events[RUN_EVENTS];
    size_t event_count;
    bool is_started;
    bool relays;
    bool is_over;
    bool has_left; /* the backend's connection has ended */
    bool loses[2]; /* TLS begins, or the backend is another: the rest of what a side just says is
                      not for the dialog */
};

/* options: letters, told by dialog_fuzz.c. */
void run_begin(struct dialog_run *run, const struct protocol *protocol, struct slice options);

/* A side speaks, in segments of at most so many octets (0: drawn from *seed); all that follows from
 * it is done. */
void run_speak(struct dialog_run *run, enum dialog_side side, struct slice bytes, size_t segment,
    uint64_t *seed);

/* Both fall silent: the backend closes, and a deadline expires. Then it is over. */
void run_end(struct dialog_run *run);

#endif
