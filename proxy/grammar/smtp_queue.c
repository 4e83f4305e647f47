/*
 * The queue of commands that wait for their replies [RFC 2920], and the texts of our own replies.
 * No text contains bytes of the client. %h stands for our host name.
 */
#include "smtp_parts.h"

#include "mailmux/check.h"

/*
 * After so many octets a call begins no more replies of our own. The last one that it has begun,
 * and a farewell, both with our name, still fit into DIALOG_EXTRA.
 */
enum { OWN_REPLIES_MAX = DIALOG_EXTRA - 1024 };

static const char *const replies[] = {
    [SMTP_NO_PARAMETERS] = "501 5.5.4 Syntax error (no parameters allowed)",
    [SMTP_TLS_ACTIVE] = "503 5.5.1 TLS already active",
    [SMTP_NO_STARTTLS] = "502 5.5.1 STARTTLS is not available here",
    [SMTP_TLS_FIRST] = "530 5.7.0 Must issue a STARTTLS command first",
    [SMTP_HELLO_FIRST] = "503 5.5.1 EHLO or HELO first",
    [SMTP_LHLO_FIRST] = "503 5.5.1 LHLO first",
    [SMTP_ONLY_LHLO] = "500 5.5.1 This is LMTP; use LHLO",
    [SMTP_AFTER_LOGIN] = "503 5.5.1 STARTTLS is not permitted after a login",
    [SMTP_NO_MECHANISM] = "504 5.5.4 Mechanism not available here",
    [SMTP_NOT_PERMITTED] = "550 5.7.0 Command not permitted",
    [SMTP_NOT_IMPLEMENTED] = "502 5.5.1 Command not implemented",
    [SMTP_LINE_TOO_LONG] = "500 5.5.2 Line too long",
    [SMTP_BAD_CHARACTER] = "500 5.5.2 Bad character in command",
    [SMTP_NOT_UNDERSTOOD] = "500 5.5.2 Command not understood",
    [SMTP_TLS_UNAVAILABLE] = "454 4.7.0 TLS not available due to temporary reason",
    [SMTP_INJECTION] = "503 5.5.1 Nothing may follow STARTTLS",
    [SMTP_BDAT_SYNTAX] = "501 5.5.4 Syntax: BDAT size [LAST]",
    [SMTP_NO_CHUNKING] = "503 5.5.1 CHUNKING is not available here",
    [SMTP_NO_RECIPIENTS] = "503 5.5.1 No valid recipients",
    [SMTP_CHUNK_FAILED] = "503 5.5.1 An earlier chunk has failed; use RSET",
    [SMTP_SERVER_REFUSED] = "503 5.5.1 No service here; QUIT is all",
    [SMTP_SMUGGLING] = "550 5.6.0 Line ends other than CRLF around a dot are not accepted",
    [SMTP_NO_RELAY] = "554 5.7.1 %h does not relay for that domain",
    [SMTP_NO_ROUTE] = "554 5.7.1 %h does not take routes in addresses",
    [SMTP_BAD_PATH] = "501 5.1.3 Bad recipient address syntax",
    [SMTP_GO_AHEAD] = "220 2.0.0 Ready to start TLS",
    [SMTP_BYE] = "221 2.0.0 Bye",
};

/* What the log calls these replies. The others are no refusals, or are noted where they begin. */
static const enum dialog_refusal refusals[] = {
    [SMTP_NO_PARAMETERS] = REFUSAL_BAD_ARGUMENTS,
    [SMTP_TLS_ACTIVE] = REFUSAL_OUT_OF_PLACE,
    [SMTP_NO_STARTTLS] = REFUSAL_NOT_OFFERED,
    [SMTP_TLS_FIRST] = REFUSAL_TLS_REQUIRED,
    [SMTP_HELLO_FIRST] = REFUSAL_OUT_OF_PLACE,
    [SMTP_LHLO_FIRST] = REFUSAL_OUT_OF_PLACE,
    [SMTP_ONLY_LHLO] = REFUSAL_BAD_COMMAND,
    [SMTP_AFTER_LOGIN] = REFUSAL_OUT_OF_PLACE,
    [SMTP_NO_MECHANISM] = REFUSAL_MECHANISM,
    [SMTP_NOT_PERMITTED] = REFUSAL_NOT_PERMITTED,
    [SMTP_NOT_IMPLEMENTED] = REFUSAL_NOT_OFFERED,
    [SMTP_LINE_TOO_LONG] = REFUSAL_LINE_TOO_LONG,
    [SMTP_BAD_CHARACTER] = REFUSAL_BAD_CHARACTER,
    [SMTP_NOT_UNDERSTOOD] = REFUSAL_BAD_COMMAND,
    [SMTP_TLS_UNAVAILABLE] = REFUSAL_TOO_MANY_HANDSHAKES,
    [SMTP_INJECTION] = REFUSAL_INJECTION,
    [SMTP_BDAT_SYNTAX] = REFUSAL_BDAT,
    [SMTP_NO_CHUNKING] = REFUSAL_BDAT,
    [SMTP_NO_RELAY] = REFUSAL_NOT_RELAYED,
    [SMTP_NO_ROUTE] = REFUSAL_SOURCE_ROUTE,
    [SMTP_BAD_PATH] = REFUSAL_BAD_RECIPIENT,
    [SMTP_BYE] = REFUSAL_NONE,
};

const char *const smtp_farewells[] = {
    [FAREWELL_NO_BACKEND] = "421 4.4.1 %h No backend available",
    [FAREWELL_SERVER_LOST] = "421 4.4.2 %h Connection to the backend lost",
    [FAREWELL_TIMEOUT] = "421 4.4.2 %h Timeout",
    [FAREWELL_SHUTDOWN] = "421 4.3.2 %h Shutting down",
    [FAREWELL_TOO_MANY_SESSIONS] = "421 4.7.0 %h Too many connections",
    [FAREWELL_TOO_MANY_ERRORS] = "421 4.7.0 %h Too many errors",
    [FAREWELL_LINE_TOO_LONG] = "421 4.7.0 %h Line far too long",
    [FAREWELL_PROTOCOL] = "421 4.4.2 %h The backend broke the protocol",
    [FAREWELL_EARLY_TALKER] = "554 5.5.1 %h Wait for the greeting",
    [FAREWELL_REFUSED] = "421 4.7.0 %h Refused",
};

static void say(const struct dialog *dialog, enum smtp_reply reply, struct actions *actions)
{
    dialog_reply_named(dialog, replies[reply], actions);
}

/*
 * Holds the client after a barrier, or if the queue is full. In plaintext that may still become TLS
 * there is one command at a time, so that no reply is outstanding when TLS begins.
 */
static void hold_if_needed(struct dialog *dialog, bool barrier)
{
    struct smtp *smtp = &dialog->of.smtp;

    smtp->barrier = smtp->barrier || barrier || dialog_offers_tls(dialog);
    if (dialog->mode == DIALOG_LINES && (smtp->barrier || smtp->queue_len == SMTP_QUEUE_MAX))
        dialog->mode = DIALOG_HELD;
}

/*
 * Adds a command to the queue. If there is no room it is a fault, and nothing of the call goes out:
 * the command would get the reply to the next one.
 */
static void push(struct dialog *dialog, enum smtp_command command, enum smtp_reply reply,
    struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;
    unsigned at = (smtp->queue_head + smtp->queue_len) % SMTP_QUEUE_MAX;

    if (!check_holds(smtp->queue_len < SMTP_QUEUE_MAX)) {
        actions->fault = true;
        return;
    }
    smtp->queue[at] = (struct smtp_pending){(uint8_t)command, (uint8_t)reply};
    smtp->queue_len++;
}

void smtp_expect(
    struct dialog *dialog, enum smtp_command command, bool barrier, struct actions *actions)
{
    push(dialog, command, SMTP_FROM_SERVER, actions);
    hold_if_needed(dialog, barrier);
}

void smtp_send(struct dialog *dialog, struct slice line, enum smtp_command command, bool barrier,
    struct actions *actions)
{
    dialog_forward(actions, line);
    smtp_expect(dialog, command, barrier, actions);
}

/* Notes what the reply refuses, when it is decided: it may go out later. */
static void note_refusal(
    const struct dialog *dialog, enum smtp_reply reply, struct actions *actions)
{
    const struct smtp *smtp = &dialog->of.smtp;

    dialog_note_refusal(refusals[reply], actions);
    actions->news.sender = slice_of(smtp->sender, smtp->sender_len);
}

void smtp_answer(struct dialog *dialog, enum smtp_reply reply, struct actions *actions)
{
    note_refusal(dialog, reply, actions);
    if (dialog->of.smtp.queue_len == 0) {
        say(dialog, reply, actions);
        return;
    }
    push(dialog, SMTP_OTHER, reply, actions);
    hold_if_needed(dialog, false);
}

static void say_bad(struct dialog *dialog, enum smtp_reply reply, struct actions *actions)
{
    say(dialog, reply, actions);
    dialog_count_bad(dialog, actions);
}

/*
 * A bad command counts when it is answered, because a message before it in the queue may still be
 * accepted, and then earlier bad commands are forgotten (C60). If this one may reach the limit, the
 * client is held until that is known.
 */
void smtp_answer_bad(struct dialog *dialog, enum smtp_reply reply, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;

    note_refusal(dialog, reply, actions);
    if (smtp->queue_len == 0) {
        say_bad(dialog, reply, actions);
        return;
    }
    push(dialog, SMTP_BAD, reply, actions);
    smtp->bad_waiting++;
    hold_if_needed(
        dialog, dialog->bad_commands + smtp->bad_waiting >= dialog->policy->bad_commands);
}

static void say_first(
    struct dialog *dialog, const struct smtp_pending *first, struct actions *actions)
{
    enum smtp_reply reply = (enum smtp_reply)first->reply;

    if (first->command == SMTP_BAD) {
        dialog->of.smtp.bad_waiting--;
        say_bad(dialog, reply, actions);
    } else {
        say(dialog, reply, actions);
    }
    smtp_settle(dialog);
}

void smtp_answer_and_close(
    struct dialog *dialog, enum smtp_reply reply, enum reason reason, struct actions *actions)
{
    smtp_answer(dialog, reply, actions);
    dialog_close_with(dialog, FAREWELL_UNSAID, reason);
}

const struct smtp_pending *smtp_owed(const struct dialog *dialog)
{
    const struct smtp *smtp = &dialog->of.smtp;

    return smtp->queue_len > 0 ? &smtp->queue[smtp->queue_head] : NULL;
}

void smtp_settle(struct dialog *dialog)
{
    struct smtp *smtp = &dialog->of.smtp;

    smtp->queue_head = (smtp->queue_head + 1) % SMTP_QUEUE_MAX;
    smtp->queue_len--;
    if (smtp->queue_len == 0)
        smtp->barrier = false;
    if (dialog->mode == DIALOG_HELD && !smtp->barrier)
        dialog->mode = DIALOG_LINES;
}

bool smtp_say_own(struct dialog *dialog, struct actions *actions)
{
    size_t before = buffer_held(actions->to_client).n;
    bool said = false;

    while (buffer_held(actions->to_client).n - before < OWN_REPLIES_MAX) {
        const struct smtp_pending *first = smtp_owed(dialog);

        if (!first || first->reply == SMTP_FROM_SERVER)
            break;
        say_first(dialog, first, actions);
        said = true;
    }
    return said;
}
