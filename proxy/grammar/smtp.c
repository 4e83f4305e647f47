/*
 * The client's commands of SMTP and LMTP: which one is forwarded, refused, or answered here
 * [RFC 5321, RFC 2033].
 */
#include "smtp_parts.h"

#include "mailmux/alpn.h"
#include "mailmux/protocols.h"
#include "mailmux/sasl.h"
#include "opening_parts.h"
#include <string.h>

/* ---- Commands ---- */

static void forward(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    smtp_send(dialog, command->line, SMTP_OTHER, false, actions);
}

static bool may_relay(const struct dialog *dialog)
{
    return dialog->policy->relay_domain_count == 0 || dialog->logged_in;
}

/*
 * Returns whether the verb has only letters, digits and hyphens, so that it ends at the same place
 * for every server. Postfix also ends a verb at a vertical tab, and would run "XCLIENT\v..." or
 * "BDAT\v5" (C44, C100).
 */
static bool is_plain_verb(struct slice verb)
{
    for (size_t i = 0; i < verb.n; i++) {
        if (!byte_is_letter_or_digit(verb.p[i]) && verb.p[i] != '-')
            return false;
    }
    return true;
}

/*
 * Forwards an unknown command. It may change anything at the backend, so STARTTLS after it needs a
 * fresh connection (C33).
 */
static void forward_unknown(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    /* "RCPTTO:<...>": a lax server may look only at the first letters. */
    if (!may_relay(dialog) && slice_starts_nocase(command->verb, SLICE("RCPT"))) {
        dialog->verb = "RCPT";
        smtp_answer_bad(dialog, SMTP_BAD_PATH, actions);
        return;
    }
    if (!is_plain_verb(command->verb)) {
        smtp_answer_bad(dialog, SMTP_NOT_UNDERSTOOD, actions);
        return;
    }
    dialog->of.smtp.dirty = true;
    forward(dialog, command, actions);
}

static void forward_envelope(struct dialog *dialog, const struct command *command,
    enum smtp_command kind, struct actions *actions)
{
    dialog->of.smtp.in_transaction = true;
    smtp_send(dialog, command->line, kind, false, actions);
}

static void mail(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;
    struct slice sender = smtp_path_text(command->arguments, SLICE("FROM:"));

    smtp->sender_len = sender.n < SMTP_SENDER_MAX ? sender.n : SMTP_SENDER_MAX;
    memcpy(smtp->sender, sender.p, smtp->sender_len);
    forward_envelope(dialog, command, SMTP_TRANSACTION, actions);
}

static void recipient(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    enum smtp_reply refusal = may_relay(dialog)
                                  ? SMTP_FROM_SERVER
                                  : smtp_judge_recipient(dialog->policy, command->arguments);

    if (refusal == SMTP_FROM_SERVER) {
        forward_envelope(dialog, command, SMTP_RECIPIENT, actions);
        return;
    }
    actions->news.recipient = smtp_path_text(command->arguments, SLICE("TO:"));
    smtp_answer_bad(dialog, refusal, actions);
}

static void forward_reset(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    dialog->of.smtp.in_transaction = false;
    dialog->of.smtp.sender_len = 0;
    smtp_send(dialog, command->line, SMTP_TRANSACTION, false, actions);
}

static void hello(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    bool is_lhlo = slice_equal_nocase(command->verb, SLICE("LHLO"));
    bool is_helo = slice_equal_nocase(command->verb, SLICE("HELO"));

    if (is_lhlo == dialog->protocol->is_lmtp)
        smtp_hello(dialog, command->line, !is_helo, actions);
    else
        smtp_answer_bad(dialog, SMTP_ONLY_LHLO, actions); /* [RFC 2033 4.1] */
}

static void data(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (lmtp_refuses_data(dialog, actions))
        return;
    dialog->of.smtp.dirty = true;
    smtp_send(dialog, command->line, SMTP_DATA, true, actions);
}

/* The octets of the chunk follow at once, whatever the reply will be [RFC 3030 2]. */
static void bdat(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice size;
    struct slice last = SLICE("");
    uint64_t count;

    if (!dialog->of.smtp.chunking) {
        smtp_answer_and_close(dialog, SMTP_NO_CHUNKING, REASON_BDAT_REFUSED, actions);
        return;
    }
    if (!slice_word(&rest, &size) || !slice_number(size, UINT32_MAX, &count) ||
        (slice_word(&rest, &last) && !slice_equal_nocase(last, SLICE("LAST"))) ||
        slice_trim(rest).n > 0) {
        /* It is not known how many octets follow, so commands after them could not be found. */
        smtp_answer_and_close(dialog, SMTP_BDAT_SYNTAX, REASON_BDAT_REFUSED, actions);
        return;
    }
    if (lmtp_refuses_chunk(dialog, count, last.n > 0, actions))
        return;
    dialog->of.smtp.dirty = true;
    dialog->count = count;
    if (count > 0)
        dialog->mode = DIALOG_COUNTED;
    smtp_send(dialog, command->line, last.n > 0 ? SMTP_BDAT_LAST : SMTP_BDAT, false, actions);
}

static void auth(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice mechanism = SLICE("");
    struct slice response = SLICE("");

    dialog_begin_login(dialog);
    (void)slice_word(&rest, &mechanism);
    if (dialog_hides_login(dialog)) {
        smtp_answer(dialog, SMTP_TLS_FIRST, actions);
        return;
    }
    /*
     * A text that is not the name of a mechanism is refused, too: a server that ends words at other
     * places could find a withheld mechanism in it.
     */
    if (sasl_is_withheld(mechanism) || (mechanism.n > 0 && !sasl_is_mechanism(mechanism))) {
        smtp_answer_bad(dialog, SMTP_NO_MECHANISM, actions);
        return;
    }
    dialog->of.smtp.dirty = true;
    (void)slice_word(&rest, &response);
    /*
     * If more words follow, the response may have been cut in two. "*" is given in its place: it
     * shows no name.
     */
    dialog_begin_exchange(dialog, mechanism, slice_trim(rest).n == 0 ? response : SLICE("*"));
    smtp_send(dialog, command->line, SMTP_AUTH, true, actions);
}

static void respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions)
{
    (void)is_bad; /* if it is true the backend refuses "*" with 501, which is not counted */
    smtp_send(dialog, line, SMTP_AUTH, true, actions);
}

static void starttls(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;

    if (command->arguments.n > 0) {
        smtp_answer_bad(dialog, SMTP_NO_PARAMETERS, actions);
    } else if (dialog->tls) {
        smtp_answer_bad(dialog, SMTP_TLS_ACTIVE, actions);
    } else if (!dialog->policy->offers_tls) {
        smtp_answer_bad(dialog, SMTP_NO_STARTTLS, actions);
    } else if (dialog->logged_in) {
        smtp_answer_bad(dialog, SMTP_AFTER_LOGIN, actions);
    } else if (!dialog_may_start_tls(command->behind)) {
        smtp_answer_and_close(dialog, SMTP_INJECTION, REASON_INJECTION, actions);
    } else if (dialog->tls_unavailable) {
        smtp_answer(dialog, SMTP_TLS_UNAVAILABLE, actions);
    } else if (smtp->in_transaction && !smtp->dirty) {
        /* RSET undoes MAIL and RCPT. Anything else is undone only by a fresh connection (C33). */
        smtp_send(dialog, SLICE("RSET"), SMTP_RESET_FOR_TLS, true, actions);
    } else {
        smtp_answer(dialog, SMTP_GO_AHEAD, actions);
        dialog_go_to_tls(dialog, smtp->dirty, actions);
    }
}

static void quit(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    smtp_send(dialog, command->line, SMTP_QUIT, true, actions);
}

static void not_permitted(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    (void)command;
    smtp_answer_bad(dialog, SMTP_NOT_PERMITTED, actions);
}

/*
 * When a command is served: before TLS, even if TLS is required; before the hello that must follow
 * TLS.
 */
enum { BEFORE_TLS = 1, BEFORE_HELLO = 2 };

static const struct row {
    const char *verb;
    command_handler *handler;
    unsigned served;
} rows[] = {
    {"EHLO", hello, BEFORE_TLS | BEFORE_HELLO}, {"HELO", hello, BEFORE_TLS | BEFORE_HELLO},
    {"MAIL", mail, 0}, {"RCPT", recipient, 0}, {"DATA", data, 0}, {"BDAT", bdat, 0},
    {"RSET", forward_reset, BEFORE_TLS | BEFORE_HELLO},
    {"NOOP", forward, BEFORE_TLS | BEFORE_HELLO}, {"HELP", forward, BEFORE_TLS | BEFORE_HELLO},
    {"AUTH", auth, 0}, {"STARTTLS", starttls, BEFORE_TLS | BEFORE_HELLO},
    {"QUIT", quit, BEFORE_TLS | BEFORE_HELLO},
    {"XCLIENT", not_permitted, BEFORE_TLS | BEFORE_HELLO},
    {"XFORWARD", not_permitted, BEFORE_TLS | BEFORE_HELLO},
    {"LHLO", hello, BEFORE_TLS | BEFORE_HELLO}, /* the last row: LMTP alone has it */
};

static void serve(struct dialog *dialog, const struct command *command, command_handler *handler,
    unsigned served, struct actions *actions)
{
    bool tls_wanted = dialog_needs_tls(dialog);

    if (handler == bdat && (tls_wanted || dialog->of.smtp.hello_needed)) {
        /*
         * It is refused as if it were not offered. That closes the session, so the octets of the
         * chunk cannot become commands.
         */
        dialog->of.smtp.chunking = false;
        bdat(dialog, command, actions);
    } else if (tls_wanted && !(served & BEFORE_TLS)) {
        smtp_answer(dialog, SMTP_TLS_FIRST, actions);
    } else if (dialog->of.smtp.hello_needed && !(served & BEFORE_HELLO)) {
        smtp_answer_bad(
            dialog, dialog->protocol->is_lmtp ? SMTP_LHLO_FIRST : SMTP_HELLO_FIRST, actions);
    } else {
        handler(dialog, command, actions);
    }
}

/*
 * Returns the command's row, or NULL. Keeps the name of a known command for the log. Any other word
 * may be a password.
 */
static const struct row *note_verb(struct dialog *dialog, struct slice verb)
{
    size_t count = sizeof(rows) / sizeof(*rows) - (dialog->protocol->is_lmtp ? 0 : 1);
    const struct row *row = dialog_row(verb, rows, count, sizeof(*rows));

    dialog->verb = row ? row->verb : smtp_stripped_verb(verb);
    return row;
}

static void serve_command(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    const struct row *row = note_verb(dialog, command->verb);

    if (row)
        serve(dialog, command, row->handler, row->served, actions);
    else if (dialog->verb)
        smtp_answer_bad(dialog, SMTP_NOT_IMPLEMENTED, actions);
    else
        serve(dialog, command, forward_unknown, 0, actions);
}

/*
 * Serves a client that has no backend any more. The connection stays open for its QUIT
 * [RFC 5321 3.1].
 */
static void serve_alone(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    bool refused = dialog->of.smtp.backend == SMTP_REFUSED;

    if (slice_equal_nocase(command->verb, SLICE("QUIT")))
        smtp_answer_and_close(
            dialog, SMTP_BYE, refused ? REASON_SERVER_REFUSED : REASON_QUIT, actions);
    else if (refused)
        smtp_answer_bad(dialog, SMTP_SERVER_REFUSED, actions);
    else
        dialog_close_with(dialog, FAREWELL_SERVER_LOST, REASON_SERVER_FAREWELL);
}

/* line: it may be the beginning of one that was too long. */
static void refuse_line(
    struct dialog *dialog, struct slice line, enum smtp_reply reply, struct actions *actions)
{
    struct slice rest = line;
    struct slice verb = SLICE("");

    (void)slice_word(&rest, &verb);
    (void)note_verb(dialog, verb);
    if (dialog->first && line.n > 0 &&
        !byte_is_letter(*line.p)) /* no mail client begins with that (C61) */
        dialog_close_with(dialog, FAREWELL_REFUSED, REASON_HTTP);
    else
        smtp_answer_bad(dialog, reply, actions);
}

static void client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    struct command command = {.line = slice_trim_end(line), .behind = behind};
    struct slice rest = command.line;

    if (!slice_word(&rest, &command.verb) || !byte_is_letter(*command.line.p)) {
        refuse_line(dialog, line, SMTP_NOT_UNDERSTOOD, actions);
        return;
    }
    command.arguments = slice_trim(rest);
    if (dialog->of.smtp.backend != SMTP_STANDS)
        serve_alone(dialog, &command, actions);
    else
        serve_command(dialog, &command, actions);
}

static void client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    refuse_line(dialog, line, too_long ? SMTP_LINE_TOO_LONG : SMTP_BAD_CHARACTER, actions);
}

static size_t line_limit(const struct dialog *dialog, struct slice in)
{
    return slice_starts_nocase(in, SLICE("AUTH ")) ? dialog->policy->sasl_line
                                                   : dialog->policy->line;
}

/* All octets of a BDAT have been taken. */
static void counted(struct dialog *dialog, struct actions *actions)
{
    const struct smtp *smtp = &dialog->of.smtp;

    if (smtp->fate == SMTP_ANSWERED)
        smtp_end_of_answered(dialog, actions);
    else if (smtp->barrier || smtp->queue_len == SMTP_QUEUE_MAX)
        dialog->mode = DIALOG_HELD;
}

/* ---- Start, TLS, boundaries ---- */

enum greeting smtp_greeting(struct slice in, size_t limit, size_t *used)
{
    struct smtp_reply_text reply;

    switch (smtp_reply_cut(in, limit, SMTP_GREETING_LINES, REPLY_LINE_MAX, &reply)) {
    case REPLY_MORE:
        return GREETING_MORE;
    case REPLY_MALFORMED:
        *used = in.n;
        return GREETING_WRONG;
    case REPLY_LARGE:
        *used = in.n;
        return smtp_reply_begins(in) ? GREETING_LARGE : GREETING_WRONG;
    case REPLY_WHOLE:
        break;
    }
    *used = reply.used;
    if (reply.code == 220)
        return GREETING_READY;
    /* Any 4yz and 5yz refuses the client [RFC 5321 4.2.1, RFC 7504]. */
    return reply.code >= 400 ? GREETING_REFUSED : GREETING_WRONG;
}

static void start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions)
{
    struct smtp_reply_text reply;

    if (smtp_reply_cut(text, text.n + 1, text.n + 1, text.n + 1, &reply) != REPLY_WHOLE) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    smtp_reply_relay(&reply, actions);
    dialog->of.smtp.hello_heard = dialog->legs.server_heard_hello;
    /* After 421 the dialog ends. After another refusal the client may say QUIT [RFC 5321 3.1]. */
    if (greeting == GREETING_REFUSED && reply.code == 421)
        dialog_close(dialog, actions, REASON_SERVER_REFUSED);
    if (greeting == GREETING_REFUSED)
        dialog->of.smtp.backend = SMTP_REFUSED;
}

static void tls_started(struct dialog *dialog)
{
    bool hello_heard = dialog->of.smtp.hello_heard || dialog->of.smtp.hello_in_clear;

    dialog->of.smtp = (struct smtp){.hello_needed = true, .hello_heard = hello_heard};
}

static bool is_settled(const struct dialog *dialog)
{
    return dialog->of.smtp.queue_len == 0;
}

/*
 * Returns whether an answer is owed. A chunk that was cut short gets none, because the backend
 * waits for the rest of it.
 */
static bool is_owed(const struct dialog *dialog)
{
    return dialog->of.smtp.queue_len > (dialog->cut_short ? 1U : 0U);
}

/* QUIT is a barrier, so it is the last command of the queue. */
static bool is_quitting(const struct dialog *dialog)
{
    const struct smtp *smtp = &dialog->of.smtp;
    unsigned last = (smtp->queue_head + smtp->queue_len + SMTP_QUEUE_MAX - 1) % SMTP_QUEUE_MAX;

    return smtp->queue_len > 0 && smtp->queue[last].command == SMTP_QUIT;
}

const struct dialog_rules smtp_rules = {
    .farewells = smtp_farewells,
    .start = start,
    .line_limit = line_limit,
    .line_waits = lmtp_line_waits,
    .client_line = client_line,
    .client_bad_line = client_bad_line,
    .respond = respond,
    .counted = counted,
    .message = smtp_message,
    .server = smtp_server,
    .tls_started = tls_started,
    .is_settled = is_settled,
    .is_owed = is_owed,
    .is_quitting = is_quitting,
    .server_ended = smtp_server_ended,
    .server_renewed = smtp_server_renewed,
    .waits_after_look_alike = smtp_waits_after_look_alike,
    .end_wait = smtp_end_wait,
    .may_be_over = smtp_may_be_over,
};

const struct protocol protocol_smtp = {
    .name = "smtp",
    .alpn = alpn_smtp,
    .relays_after_login = false,
    .greeting = smtp_greeting,
    .dialog = &smtp_rules,
    .opening = &opening_smtp,
};
