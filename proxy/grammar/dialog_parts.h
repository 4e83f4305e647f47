/*
 * What a protocol implements (struct dialog_rules), and what it may do to its dialog. Sessions do
 * not see this: their contract is mailmux/dialog.h.
 */
#ifndef MAILMUX_DIALOG_PARTS_H
#define MAILMUX_DIALOG_PARTS_H

#include "mailmux/dialog.h"
#include "mailmux/line.h"

/*
 * What one protocol does in a dialog: constant functions, which dialog.c calls. `actions` is fresh,
 * or holds what the same call has appended so far. A function that may be NULL has a comment that
 * says so.
 */
struct dialog_rules {
    /*
     * The texts of the farewells, with enum dialog_farewell as index. FAREWELL_UNSAID has none. %h
     * stands for our host name.
     */
    const char *const *farewells;

    /*
     * Begins the dialog. greeting is READY, PREAUTH or REFUSED. text is the whole greeting: see
     * dialog_start.
     */
    void (*start)(
        struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions);

    /*
     * Returns how many octets the line at the start of `in` may have. Not called inside a SASL
     * exchange.
     */
    size_t (*line_limit)(const struct dialog *dialog, struct slice in);

    /*
     * Returns whether this line must wait until the answers that are owed are there. Then it has
     * set the mode to DIALOG_HELD, and gets the line again. NULL: no line waits so.
     */
    bool (*line_waits)(struct dialog *dialog, struct slice line);

    /*
     * Returns how many octets at the start of `in` are lines that end with a literal, together with
     * these literals: the line goes on behind them. More than in.n: they are not all there. More
     * than `limit`: they are not taken, and the session ends. NULL: a line ends at its first LF.
     */
    size_t (*literals)(const struct dialog *dialog, struct slice in, size_t limit);

    /*
     * Takes one clean command line, without its line end; what `literals` has found at its start
     * need not be clean. behind: what the same input holds after
     * it.
     */
    void (*client_line)(
        struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);

    /*
     * Takes a line that was too long, or that holds a NUL or a CR, and answers it. line: the line,
     * or the beginning of one that was too long. The line is consumed already.
     */
    void (*client_bad_line)(
        struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

    /*
     * Reads the text of the client's line in a SASL exchange. Returns false if the line has another
     * form. NULL: the text is the line.
     */
    bool (*response)(struct slice line, struct slice *text);

    /*
     * Forwards the client's line of a SASL exchange: base64, which may be empty, or "*", which
     * cancels [RFC 4422 3.5]. is_bad: the client sent neither, and "*" stands in its place.
     */
    void (*respond)(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions);

    /* Looks at counted octets as they pass on. NULL: the protocol learns nothing from them. */
    void (*passes)(struct dialog *dialog, struct slice octets);

    /*
     * Called after the last of the counted or skipped octets. The mode is DIALOG_LINES, and the
     * function may change it. NULL: the mode stays.
     */
    void (*counted)(struct dialog *dialog, struct actions *actions);

    /*
     * Takes message data: sets actions->used and actions->pass. NULL: the protocol has no messages.
     */
    void (*message)(struct dialog *dialog, struct slice in, struct actions *actions);

    /*
     * Takes bytes of the backend; there may be none. Returns REPLY_WHOLE if it has dealt with one
     * reply, or has said something that was due without one. With any other result it has done
     * nothing, and dialog.c acts on the result.
     */
    enum reply_cut (*server)(struct dialog *dialog, struct slice in, struct actions *actions);

    /* TLS is up on the client's leg. Resets dialog->of. NULL: dialog.c zeroes it. */
    void (*tls_started)(struct dialog *dialog);

    /* Returns whether no command is half given and no answer is owed, whatever the mode. */
    bool (*is_settled)(const struct dialog *dialog);

    /*
     * Returns whether the backend has a whole command that it has not answered yet. Not called
     * inside a SASL exchange.
     */
    bool (*is_owed)(const struct dialog *dialog);

    /* See dialog_is_quitting. */
    bool (*is_quitting)(const struct dialog *dialog);

    /* See dialog_server_ended. */
    bool (*server_ended)(struct dialog *dialog, struct actions *actions);

    /* See dialog_server_renewed. NULL: nothing must be said again. */
    void (*server_renewed)(struct dialog *dialog, struct actions *actions);

    /*
     * See dialog_waits_after_look_alike; end_wait ends that wait. NULL, both of them: the client
     * never waits so.
     */
    bool (*waits_after_look_alike)(const struct dialog *dialog);
    void (*end_wait)(struct dialog *dialog, struct actions *actions);

    /* See dialog_may_be_over. NULL: it always returns false. */
    bool (*may_be_over)(const struct dialog *dialog);
};

/* A command line of a client, taken apart. All slices borrow the input. */
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
 * These append a line, or a part of one, to actions->to_client or actions->to_server. If the text
 * does not fit that is a fault of ours: then nothing of the call goes out, and the session ends.
 * dialog_reply writes a blank for each NUL and CR; the others append the bytes as they are.
 */
void dialog_reply(struct actions *actions, struct slice line);   /* for the client, with CRLF */
void dialog_say(struct actions *actions, struct slice text);     /* a part of such a line */
void dialog_forward(struct actions *actions, struct slice line); /* for the backend, with CRLF */
void dialog_forward_part(struct actions *actions, struct slice text); /* a part of such a line */

/* Appends a line for the client, with CRLF. %h in the text stands for our host name. */
void dialog_reply_named(const struct dialog *dialog, const char *text, struct actions *actions);

/*
 * Appends a part of a line for the client: the mechanisms that are not withheld, each with a blank
 * before it.
 */
void dialog_say_mechanisms(struct slice mechanisms, struct actions *actions);

/*
 * Relays a continuation, which begins with '+', and adds the blank after the '+' if the server has
 * left it out [RFC 9051 7.6, RFC 5034 4].
 */
void dialog_relay_continuation(struct slice line, struct actions *actions);

/* ---- What is next ---- */

/* The backend has asked for the client's next line of a SASL exchange. */
void dialog_await_response(struct dialog *dialog);

/*
 * Asks for TLS, after the go-ahead was said. renew: the backend must not remember what came in
 * plaintext, so its connection is renewed.
 */
void dialog_go_to_tls(struct dialog *dialog, bool renew, struct actions *actions);

/*
 * Says the farewell and closes, as soon as every answer that is owed has gone out. Otherwise the
 * client could take the farewell for one of them, and would send again what was taken already
 * (C60). A dialog that is ending already keeps its first reason.
 */
void dialog_close_with(struct dialog *dialog, enum dialog_farewell farewell, enum reason reason);

/* Says the farewell at once and closes, because the backend's words cannot be read. */
void dialog_break_off(struct dialog *dialog, struct actions *actions, enum reason reason);

/*
 * Returns the row of a table for this word, in any case, or NULL. The table has `count` rows of
 * `size` octets, which begin with their words, as const char *.
 */
const void *dialog_row(struct slice word, const void *rows, size_t count, size_t size);

/* Counts a bad command. At the limit of the policy the dialog closes with the farewell (C60). */
void dialog_count_bad(struct dialog *dialog, struct actions *actions);

/*
 * Notes for the log what this call refuses to the client. A call refuses one thing; what comes
 * first is kept.
 */
void dialog_note_refusal(enum dialog_refusal refusal, struct actions *actions);

/* Refuses a command with this line, and counts it as a bad one. */
void dialog_refuse(struct dialog *dialog, enum dialog_refusal refusal, struct slice reply,
    struct actions *actions);

/*
 * Forgets the bad commands so far, as Postfix does, because a message was taken or a login was
 * accepted.
 */
void dialog_forgive(struct dialog *dialog);

/* ---- What the policy wants ---- */

/*
 * Returns whether logins are refused and their capabilities withheld, because TLS is not up and the
 * policy requires it.
 */
bool dialog_hides_login(const struct dialog *dialog);

/*
 * Returns whether only the commands that lead to TLS are served, because TLS is not up and the
 * policy requires it for everything.
 */
bool dialog_needs_tls(const struct dialog *dialog);

/* Returns whether mailmux itself offers STARTTLS or STLS now. */
bool dialog_offers_tls(const struct dialog *dialog);

/*
 * Returns whether TLS may start. What follows STARTTLS in the same input decides (C17, C18): TLS
 * may start after nothing, or after the first byte of a TLS handshake; anything else was injected.
 */
bool dialog_may_start_tls(struct slice behind);

/*
 * Returns whether the first byte of a client's input begins a TLS handshake [RFC 8446 5.1] (C12).
 */
bool dialog_is_handshake(struct slice in);

/* Returns whether the line is the first one of an HTTP request (C61). */
bool dialog_is_http(struct slice line);

/* ---- The name of the login, for the log (dialog_login.c) ---- */

/* Forgets the names of all attempts. */
void dialog_forget_user(struct dialog *dialog);

/* Begins an attempt to log in, which has no name yet. */
void dialog_begin_login(struct dialog *dialog);

/* Forgets the name of the attempt, because it turns out to be none. */
void dialog_forget_attempt(struct dialog *dialog);

/*
 * The attempt goes to the backend, which is to answer it. method: a constant, for the log.
 * dialog_begin_exchange does it for a SASL exchange. dialog_drop_login: it was no attempt after
 * all.
 */
void dialog_try_login(struct dialog *dialog, const char *method);
void dialog_drop_login(struct dialog *dialog);

/*
 * Sets the name of the attempt, cut to DIALOG_USER_MAX octets. A text with control characters in it
 * is not kept as a name.
 */
void dialog_set_user(struct dialog *dialog, struct slice user);

/*
 * Set the name of the attempt piece by piece. The log sees the name after dialog_confirm_user;
 * before that, dialog_begin_login drops it.
 */
void dialog_gather_user(struct dialog *dialog, struct slice octets);
void dialog_confirm_user(struct dialog *dialog);

/* The backend has accepted the attempt. */
void dialog_accept_login(struct dialog *dialog, struct actions *actions);

/*
 * The attempt has failed, if one is under way. An exchange that was cancelled counts as
 * LOGIN_CANCELLED, whatever `end` is. word, code: of the answer, for the log; code may be empty.
 */
void dialog_fail_login(struct dialog *dialog, enum login_end end, struct slice word,
    struct slice code, struct actions *actions);

/*
 * The same for an answer of IMAP or POP3, whose text tells why the login has failed. text: what
 * follows the word.
 */
void dialog_refuse_login(
    struct dialog *dialog, struct slice word, struct slice text, struct actions *actions);

/*
 * A SASL exchange begins. response: its initial response; empty: it has none. The first response of
 * the exchange names the user; later ones are not looked at.
 */
void dialog_begin_exchange(struct dialog *dialog, struct slice mechanism, struct slice response);
void dialog_take_response(struct dialog *dialog, struct slice response);

#endif
