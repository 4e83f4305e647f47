/*
 * A run: a dialog between two sides in memory, which does what the dialog asks for as a session
 * would. It checks after each call what must hold of every call (FUZZ_REQUIRE):
 *
 * - a call uses no more than it was fed, and appends no more than that plus DIALOG_EXTRA;
 * - it forwards whole lines, which end with one CRLF and have no CR, LF or NUL inside;
 * - XCLIENT, XFORWARD, STARTTLS and STLS of a client never reach the server as commands;
 * - with relay domains, no recipient in another domain reaches it before a login;
 * - in clear, only the prelude reaches it if TLS is required for all, and no login if TLS is
 *   required for logins;
 * - an EHLO reply shows neither XCLIENT nor XFORWARD, and STARTTLS only if we offer it; nor do
 *   capabilities of ManageSieve;
 * - a side that may be read never has more waiting than the longest line or reply.
 *
 * A struct dialog_run serves one run after another. One thread.
 */
#ifndef MAILMUX_DIALOG_RUN_H
#define MAILMUX_DIALOG_RUN_H

#include "fuzz.h"
#include "mailmux/protocols.h"

enum { RUN_IN = 80 * 1024, RUN_OUT = 1024 * 1024, RUN_EVENTS = 64, RUN_INPUT_MAX = 16 * 1024 };

/* What the dialog asked the session to do, and how much both sides had been sent by then. */
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
    bool has_left; /* the connection to the server has ended */
    bool loses[2]; /* TLS has begun or the server is another one: the dialog does not get the rest
                      of what that side says now */
};

/* Begins a run. options: letters, explained in dialog_fuzz.c. */
void run_begin(struct dialog_run *run, const struct protocol *protocol, struct slice options);

/*
 * A side sends bytes, in segments of that many octets (0: of sizes drawn from *seed). Does all that
 * follows from each segment.
 */
void run_speak(struct dialog_run *run, enum dialog_side side, struct slice bytes, size_t segment,
    uint64_t *seed);

/* Both sides fall silent: the server closes, and a deadline expires. Then the run is over. */
void run_end(struct dialog_run *run);

#endif
