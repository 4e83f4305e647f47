/* The backend's replies in SMTP: each one is given to the command that it answers. */
#include "smtp_parts.h"

#include "login_words.h"
#include "mailmux/line.h"

/* Codes that mean more than their first digit does. */
enum {
    SMTP_CODE_GOODBYE = 221,
    SMTP_CODE_GO_AHEAD = 354,
    SMTP_CODE_CLOSING = 421,
    SMTP_CODE_NOT_RECOGNISED = 500, /* counted as a bad command (C60) [RFC 5321 4.2.4] */
    SMTP_CODE_NOT_THERE = 502
};

static bool is_success(unsigned code)
{
    return code / 100 == 2;
}

static bool is_failure(unsigned code)
{
    return code >= 400;
}

/* Takes the reply to our own RSET before TLS. Now the client gets the reply to its STARTTLS. */
static void reset_for_tls(struct dialog *dialog, unsigned code, struct actions *actions)
{
    smtp_settle(dialog);
    smtp_answer(dialog, SMTP_GO_AHEAD, actions);
    dialog_go_to_tls(dialog, !is_success(code), actions);
}

static bool is_hello(enum smtp_command command)
{
    return command == SMTP_EHLO || command == SMTP_HELO;
}

static bool is_chunk(enum smtp_command command)
{
    return command == SMTP_BDAT || command == SMTP_BDAT_LAST;
}

/* Returns whether its reply is that of a message; in LMTP, of its first recipient. */
static bool is_end(enum smtp_command command)
{
    return command == SMTP_MESSAGE || command == SMTP_BDAT_LAST;
}

/*
 * Returns whether the code says that the backend does not know BDAT. Such a backend reads the
 * octets of the chunk as commands (attack A10).
 */
static bool knows_no_bdat(unsigned code)
{
    return code == SMTP_CODE_NOT_RECOGNISED || code == SMTP_CODE_NOT_THERE;
}

/*
 * Returns whether the command may get this code. 3yz asks the client to go on; only after these
 * commands it is known with what (C70).
 */
static bool may_continue(enum smtp_command command, unsigned code)
{
    return code / 100 != 3 || command == SMTP_AUTH || command == SMTP_DATA || is_chunk(command);
}

/*
 * Returns the code that is meant, which the client then gets. After AUTH every 3yz means 334, and
 * after DATA 354, as Postfix reads them.
 */
static unsigned as_meant(enum smtp_command command, unsigned code)
{
    if (code / 100 != 3)
        return code;
    return command == SMTP_AUTH ? 334 : command == SMTP_DATA ? (unsigned)SMTP_CODE_GO_AHEAD : code;
}

/*
 * Returns whether a login is refused for lack of TLS. 530 asks for TLS [RFC 3207 4] or for a login
 * [RFC 4954 6]; if no login is offered it means TLS. 538 says that a mechanism may not be used in
 * clear [RFC 2554 6].
 */
static bool wants_tls(const struct dialog *dialog, const struct smtp_reply_text *reply)
{
    return reply->code == SMTP_CODE_TLS_FOR_LOGIN ||
           (reply->code == SMTP_CODE_LOGIN_NEEDED &&
               (dialog->logins == DIALOG_LOGINS_MISSING || login_wants_tls(reply->text)));
}

static void fail_login(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    char digits[SLICE_DECIMAL_MAX];
    struct slice text = smtp_reply_line_text(reply->text);
    enum login_end end = LOGIN_REFUSED;

    if (!dialog->legs.server_tls && wants_tls(dialog, reply))
        end = LOGIN_WANTS_TLS;
    else if (reply->code / 100 == 4)
        end = LOGIN_UNAVAILABLE;
    dialog_fail_login(
        dialog, end, slice_decimal(reply->code, digits), smtp_enhanced_code(text), actions);
}

static void end_of_auth(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    dialog->in_exchange = reply->code == 334;
    if (is_failure(reply->code))
        fail_login(dialog, reply, actions);
    if (!is_success(reply->code))
        return;
    dialog_accept_login(dialog, actions);
    dialog_forgive(dialog);
}

/* ---- A reply before the end of the message or chunk ---- */

/* Returns where we stand with the backend after such a reply. */
static enum smtp_backend backend_after(struct dialog *dialog, unsigned code)
{
    const struct smtp_pending *owed = smtp_owed(dialog);
    bool in_chunk = dialog->mode == DIALOG_COUNTED;

    if (code == SMTP_CODE_CLOSING)
        return SMTP_CLOSING;
    if (in_chunk && knows_no_bdat(code))
        return SMTP_NO_BDAT;
    if (in_chunk && owed->command == SMTP_BDAT)
        dialog->of.smtp.recipients = 0; /* it has one reply, and the message ends with it */
    return lmtp_awaits_more(dialog) ? SMTP_STANDS : SMTP_LEFT;
}

/*
 * The backend has replied while the client still sends. It is not known what it does with the rest:
 * it may read to the end, take the rest for commands, or be gone. So it gets nothing more, and its
 * connection is ended in a way that cannot look like the end of a message. The client sends the
 * rest in its own time, and then finds that it can only say QUIT (C129). In LMTP the backend's
 * replies for the further recipients are awaited before its connection is ended.
 */
static void answer_early(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;
    bool in_chunk = dialog->mode == DIALOG_COUNTED;

    smtp_reply_relay(reply, actions);
    smtp->fate = SMTP_ANSWERED;
    smtp->backend = backend_after(dialog, reply->code);
    smtp->queue_len = 0; /* only 421 comes when more replies are owed, and it answers all */
    smtp->bad_waiting = 0;
    smtp->barrier = false;
    dialog->cut_short = true;
    if (in_chunk)
        dialog->mode = DIALOG_SKIPPED;
    actions->leave_server = smtp->backend != SMTP_STANDS;
}

/*
 * Returns whether the reply refuses the message or chunk that the client still sends. A chunk is
 * the last command of the queue. If a look-alike has passed, the message may have ended for the
 * backend; then the reply is not early.
 */
static bool is_early(const struct dialog *dialog, unsigned code)
{
    const struct smtp *smtp = &dialog->of.smtp;

    if (!is_failure(code))
        return false;
    if (dialog->mode == DIALOG_MESSAGE)
        return !smtp->loose || !smtp->may_be_over;
    if (dialog->mode == DIALOG_SKIPPED) /* a further recipient of LMTP */
        return smtp->fate == SMTP_ANSWERED;
    return dialog->mode == DIALOG_COUNTED && (smtp->queue_len == 1 || code == SMTP_CODE_CLOSING);
}

/* ---- What a reply means ---- */

/* Learns from a reply that has gone out, and lets the client go on. */
static void follow(struct dialog *dialog, enum smtp_command command,
    const struct smtp_reply_text *reply, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;
    unsigned code = reply->code;

    if (is_hello(command))
        smtp_hello_answered(dialog, is_success(code));
    if (command == SMTP_HELO && is_success(code))
        smtp->chunking = false;
    if (command == SMTP_AUTH)
        end_of_auth(dialog, reply, actions);
    if (is_end(command) && is_success(code))
        dialog_forgive(dialog);
    lmtp_learn(dialog, command, code);
    if (is_end(command) && lmtp_awaits_more(dialog) && !(is_chunk(command) && knows_no_bdat(code)))
        return;
    smtp_settle(dialog);
    if (command == SMTP_DATA && code == SMTP_CODE_GO_AHEAD)
        smtp_message_begin(dialog);
    if (command == SMTP_QUIT)
        dialog_close(dialog, actions, REASON_QUIT);
    if (is_chunk(command) && knows_no_bdat(code))
        dialog_close(dialog, actions, REASON_BDAT_REFUSED);
    if ((command == SMTP_OTHER || command == SMTP_TRANSACTION || command == SMTP_RECIPIENT) &&
        code == SMTP_CODE_NOT_RECOGNISED)
        dialog_count_bad(dialog, actions);
}

static void take_reply(
    struct dialog *dialog, struct smtp_reply_text *reply, struct actions *actions)
{
    enum smtp_command command = (enum smtp_command)smtp_owed(dialog)->command;

    reply->code = as_meant(command, reply->code);
    if (command == SMTP_RESET_FOR_TLS) {
        reset_for_tls(dialog, reply->code, actions);
        return;
    }
    if (is_hello(command) && smtp_hello_refused(dialog, reply->code, actions))
        return;
    if (wants_tls(dialog, reply))
        dialog->logins = DIALOG_LOGINS_REFUSED;
    if (command == SMTP_EHLO && is_success(reply->code))
        smtp_ehlo_relay(dialog, reply, actions);
    else
        smtp_reply_relay(reply, actions);
    follow(dialog, command, reply, actions);
}

/*
 * Takes a reply after a look-alike that the operator lets pass, and that was the end of the message
 * for the backend. What follows the look-alike is commands for the backend, but data for mailmux.
 * So mailmux sees only the replies to these commands, and knows a DATA among them by its 354.
 */
static void take_loose(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    if (dialog->mode == DIALOG_MESSAGE && dialog->of.smtp.may_be_over) {
        dialog->mode = DIALOG_LINES;
        if (is_success(reply->code))
            dialog_forgive(dialog);
        if (lmtp_awaits_more(dialog))
            smtp_expect(dialog, SMTP_MESSAGE, false, actions);
    }
    smtp_reply_relay(reply, actions);
    if (reply->code == SMTP_CODE_GO_AHEAD && dialog->mode == DIALOG_LINES)
        smtp_message_begin(dialog);
}

/*
 * Takes a reply that no command waits for. A refusal or 221 is the backend's last word, and its end
 * follows. Any other reply is an error: the client could take it for the reply to its next command.
 */
static void take_unasked(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    bool is_last = dialog->mode != DIALOG_MESSAGE &&
                   (is_failure(reply->code) || reply->code == SMTP_CODE_GOODBYE);

    if (dialog->of.smtp.loose && !(is_last && reply->code == SMTP_CODE_GOODBYE)) {
        take_loose(dialog, reply, actions);
    } else if (is_last) {
        smtp_reply_relay(reply, actions);
        dialog_close(dialog, actions, REASON_SERVER_FAREWELL);
    } else {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    }
}

static void take_whole(
    struct dialog *dialog, struct smtp_reply_text *reply, struct actions *actions)
{
    const struct smtp_pending *owed = smtp_owed(dialog);

    actions->used = reply->used;
    if (is_early(dialog, reply->code)) {
        answer_early(dialog, reply, actions);
    } else if (reply->code == SMTP_CODE_CLOSING) {
        bool quitting = owed && owed->command == SMTP_QUIT;

        fail_login(dialog, reply, actions);
        smtp_reply_relay(reply, actions);
        dialog_close(dialog, actions, quitting ? REASON_QUIT : REASON_SERVER_FAREWELL);
    } else if (!owed) {
        take_unasked(dialog, reply, actions);
    } else if (!may_continue((enum smtp_command)owed->command, reply->code)) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    } else {
        take_reply(dialog, reply, actions);
    }
}

/*
 * Returns how long a line of the reply may be. A challenge may be as long as the client's answer to
 * it [RFC 4954 4] (C56).
 */
static size_t line_max(const struct dialog *dialog)
{
    const struct smtp_pending *owed = smtp_owed(dialog);
    size_t sasl_line = dialog->policy->sasl_line;

    return owed && owed->command == SMTP_AUTH && sasl_line > REPLY_LINE_MAX ? sasl_line
                                                                            : REPLY_LINE_MAX;
}

enum reply_cut smtp_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    const struct dialog_policy *policy = dialog->policy;
    struct smtp_reply_text reply;
    enum reply_cut cut;

    if (smtp_say_own(dialog, actions))
        return REPLY_WHOLE;
    if (in.n == 0 || dialog->mode == DIALOG_OVER || dialog->of.smtp.backend != SMTP_STANDS)
        return REPLY_MORE;
    /* Some servers send an empty line between their replies. It means nothing. */
    actions->used = line_blank(in);
    if (actions->used > 0)
        return REPLY_WHOLE;
    cut = smtp_reply_cut(in, policy->reply, policy->reply_lines, line_max(dialog), &reply);
    if (cut == REPLY_WHOLE)
        take_whole(dialog, &reply, actions);
    return cut;
}

/* Some backends end without an answer to QUIT. Then mailmux gives the client the answer (C132). */
bool smtp_server_ended(struct dialog *dialog, struct actions *actions)
{
    const struct smtp_pending *owed = smtp_owed(dialog);

    if (dialog->of.smtp.fate == SMTP_ANSWERED && dialog->of.smtp.backend == SMTP_STANDS)
        dialog->of.smtp.backend = SMTP_LEFT;
    if (dialog->of.smtp.backend != SMTP_STANDS)
        return true;
    if (!owed || owed->command != SMTP_QUIT)
        return false;
    smtp_settle(dialog);
    smtp_answer_and_close(dialog, SMTP_BYE, REASON_QUIT, actions);
    return true;
}
