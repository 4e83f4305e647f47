/*
 * What a protocol implements (struct dialog_rules), and what it may do to its dialog. Sessions see
 * none of it: their contract is mailmux/dialog.h.
 */
#ifndef MAILMUX_DIALOG_PARTS_H
#define MAILMUX_DIALOG_PARTS_H

#include "mailmux/dialog.h"
#include "mailmux/line.h"

/*
 * One protocol's half of a dialog: constant functions, which dialog.c calls. `actions` is fresh, or
 * holds what the same call has appended so far. A function that may be NULL says so.
 */
struct dialog_rules {
    /*
     * The texts of the farewells, by enum dialog_farewell, FAREWELL_UNSAID excepted. %h stands for
     * our host name.
     */
    const char *const *farewells;

    /* The greeting is READY, PREAUTH or REFUSED, and text is all of it: see dialog_start. */
    void (*start)(
        struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions);

    /* How many octets the line at the start of `in` may have. Not asked inside a SASL exchange. */
    size_t (*line_limit)(const struct dialog *dialog, struct slice in);

    /* One clean command line, without its end. behind: what the same input holds after it. */
    void (*client_line)(
        struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);

    /*
     * A line that was too long, of which this is the beginning, or that holds a NUL or a CR. It is
     * consumed; the protocol answers it.
     */
    void (*client_bad_line)(
        struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

    /*
     * Forwards the client's line of a SASL exchange: base64, perhaps empty, or "*", which cancels
     * [RFC 4422 3.5]. is_bad: "*" stands for a line that was neither.
     */
    void (*respond)(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions);

    /* Sees counted octets as they pass on. NULL: there is nothing to learn from them. */
    void (*passes)(struct dialog *dialog, struct slice octets);

    /*
     * The counted or skipped octets are through, and the mode is DIALOG_LINES, which it may change.
     * NULL: it need not.
     */
    void (*counted)(struct dialog *dialog, struct actions *actions);

    /* Takes message data: sets used and pass. NULL: the protocol has none. */
    void (*message)(struct dialog *dialog, struct slice in, struct actions *actions);

    /*
     * Takes bytes of the backend, perhaps none. REPLY_WHOLE: it has dealt with one reply, or said
     * what was due without one. Else it has done nothing, and dialog.c acts upon the outcome.
     */
    enum reply_cut (*server)(struct dialog *dialog, struct slice in, struct actions *actions);

    /* TLS is up on the client's leg. Resets dialog->of. NULL: all of it becomes zero. */
    void (*tls_started)(struct dialog *dialog);

    /* No command is half given and no answer is owed, whatever the mode. */
    bool (*is_settled)(const struct dialog *dialog);

    /* The backend has a whole command and will answer it. Not asked inside a SASL exchange. */
    bool (*is_owed)(const struct dialog *dialog);

    /* See dialog_server_ended. */
    bool (*server_ended)(struct dialog *dialog, struct actions *actions);

    /* See dialog_server_renewed. NULL: there is nothing to say again. */
    void (*server_renewed)(struct dialog *dialog, struct actions *actions);

    /* See dialog_waits_after_look_alike, and what ends that wait. NULL: the client never does. */
    bool (*waits_after_look_alike)(const struct dialog *dialog);
    void (*end_wait)(struct dialog *dialog, struct actions *actions);

    /* See dialog_may_be_over. NULL: it never is. */
    bool (*may_be_over)(const struct dialog *dialog);
};

/* A command line of a client, cut up. All slices borrow the input. */
struct command {
    struct slice verb;
    struct slice arguments; /* without blanks at both ends */
    struct slice line;
    struct slice behind; /* what the same input holds after the line */
};

typedef void command_handler(
    struct dialog *dialog, const struct command *command, struct actions *actions);

/* ---- Text (dialog_actions.c) ---- */

/*
 * These append to actions->to_client or to_server. What does not fit is a fault of ours: then
 * nothing of the call goes out, and the session ends. dialog_reply writes a blank for each NUL and
 * CR; the others append the bytes as they are.
 */
void dialog_reply(struct actions *actions, struct slice line);   /* for the client, with CRLF */
void dialog_say(struct actions *actions, struct slice text);     /* a part of such a line */
void dialog_forward(struct actions *actions, struct slice line); /* for the backend, with CRLF */
void dialog_forward_part(struct actions *actions, struct slice text); /* a part of such a line */

/* A line for the client, with CRLF; %h in it becomes our host name. */
void dialog_reply_named(const struct dialog *dialog, const char *text, struct actions *actions);

/*
 * A part of a line for the client: those of the mechanisms that are not withheld, each with a blank
 * before it.
 */
void dialog_say_mechanisms(struct slice mechanisms, struct actions *actions);

/*
 * Relays a continuation, which begins with '+', with the blank that some servers leave out behind
 * it [RFC 9051 7.6, RFC 5034 4].
 */
void dialog_relay_continuation(struct slice line, struct actions *actions);

/* ---- What is next ---- */

/* The backend has asked for the client's next line of a SASL exchange. */
void dialog_await_response(struct dialog *dialog);

/* The go-ahead for TLS was said. renew: the backend must not remember what came in plaintext. */
void dialog_go_to_tls(struct dialog *dialog, bool renew, struct actions *actions);

/*
 * Says the farewell and closes, as soon as every answer that is owed has gone out: the client could
 * take the farewell for one of them, and would send again what was taken already (C60). A dialog
 * that is ending already keeps its first reason.
 */
void dialog_close_with(struct dialog *dialog, enum dialog_farewell farewell, enum reason reason);

/* For words of the backend that cannot be read: says the farewell at once, and closes. */
void dialog_break_off(struct dialog *dialog, struct actions *actions, enum reason reason);

/* Counts a bad command; at the policy's limit it closes with the farewell (C60). */
void dialog_count_bad(struct dialog *dialog, struct actions *actions);

/* A message was taken or a login accepted: what was bad before is forgotten, as Postfix does. */
void dialog_forgive(struct dialog *dialog);

/* ---- What the policy wants ---- */

/* Logins are refused and their capabilities withheld: TLS is not up, and the policy wants it. */
bool dialog_hides_login(const struct dialog *dialog);

/* Nothing but the way to TLS is served: it is not up, and the policy wants it for all. */
bool dialog_needs_tls(const struct dialog *dialog);

/* STARTTLS or STLS is ours to offer now. */
bool dialog_offers_tls(const struct dialog *dialog);

/*
 * What stands behind STARTTLS in the same input decides (C17, C18): nothing, or the first byte of a
 * TLS handshake, lets TLS start; anything else was injected.
 */
bool dialog_may_start_tls(struct slice behind);

/* The first byte of a client's input begins a TLS handshake [RFC 8446 5.1] (C12). */
bool dialog_is_handshake(struct slice in);

/* The line is the first one of an HTTP request (C61). */
bool dialog_is_http(struct slice line);

/* ---- The name of the login, for the log (dialog_login.c) ---- */

/* Forgets the names of all attempts. */
void dialog_forget_user(struct dialog *dialog);

/* An attempt begins. The name of an earlier attempt is not its name. */
void dialog_begin_login(struct dialog *dialog);

/* Names the attempt, cut to DIALOG_USER_MAX. A text with control characters in it is no name. */
void dialog_set_user(struct dialog *dialog, struct slice user);

/*
 * Names the attempt piece by piece. The log sees the name when it is confirmed, and
 * dialog_begin_login drops it before that.
 */
void dialog_gather_user(struct dialog *dialog, struct slice octets);
void dialog_confirm_user(struct dialog *dialog);

/* The backend has accepted the attempt. */
void dialog_accept_login(struct dialog *dialog);

/*
 * A SASL exchange begins, with its initial response, or with none (empty). Its first response names
 * the user; those behind it are not looked at.
 */
void dialog_begin_exchange(struct dialog *dialog, struct slice mechanism, struct slice response);
void dialog_take_response(struct dialog *dialog, struct slice response);

#endif
