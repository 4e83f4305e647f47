/*
 * The backend's responses before a login is accepted [RFC 5804 1.2]. Each part of a response is
 * taken whole, with its literals. It is edited if it tells capabilities, and relayed with CRLF.
 */
#include "managesieve_parts.h"

#include "mailmux/sasl.h"

/*
 * Returns whether the backend may say OK or ask for more: it has all that it asked for, and the
 * exchange was not cancelled.
 */
static bool may_go_on(const struct dialog *dialog)
{
    return !dialog->in_exchange && !dialog->is_cancelled;
}

static void take_challenge(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    struct slice text;

    if (!may_go_on(dialog) || !managesieve_string_alone(part->all, &text) ||
        !sasl_is_base64(text)) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    dialog_await_response(dialog);
    managesieve_part_relay(part, actions);
}

static void take_data(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    enum managesieve_command command = dialog->of.managesieve.command;

    if (command == MANAGESIEVE_AUTHENTICATE)
        take_challenge(dialog, part, actions);
    else if (command != MANAGESIEVE_CAPABILITY ||
             !managesieve_capability_relay(dialog, part, actions))
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
}

/* A BYE answers any command, and may come without one. */
static void take_farewell(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    bool quits = dialog->of.managesieve.command == MANAGESIEVE_LOGOUT;

    dialog_refuse_login(dialog, SLICE("BYE"), part->text, actions);
    managesieve_part_relay(part, actions);
    dialog->of.managesieve.command = MANAGESIEVE_NONE;
    dialog_close(dialog, actions, quits ? REASON_QUIT : REASON_SERVER_FAREWELL);
}

static void take_end(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    enum managesieve_command command = dialog->of.managesieve.command;
    bool ok = part->word == MANAGESIEVE_OK;

    if (command == MANAGESIEVE_NONE || (ok && !may_go_on(dialog))) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    if (!ok)
        dialog_refuse_login(dialog, SLICE("NO"), part->text, actions);
    if (command == MANAGESIEVE_CAPABILITY)
        managesieve_capability_end(dialog, part, actions);
    else
        managesieve_part_relay(part, actions);
    dialog->of.managesieve.command = MANAGESIEVE_NONE;
    dialog->in_exchange = false;
    dialog->mode = DIALOG_LINES;
    if (command == MANAGESIEVE_LOGOUT) {
        dialog_close(dialog, actions, REASON_QUIT);
    } else if (command == MANAGESIEVE_AUTHENTICATE && ok) {
        dialog_accept_login(dialog, actions);
        actions->next = DIALOG_RELAY;
    }
}

static void take_part(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    struct managesieve *managesieve = &dialog->of.managesieve;

    actions->used = part->all.n;
    managesieve->reply_octets += part->all.n;
    managesieve->reply_lines++;
    if (managesieve->reply_octets > dialog->policy->reply ||
        managesieve->reply_lines > dialog->policy->reply_lines) {
        dialog_break_off(dialog, actions, REASON_REPLY_TOO_LARGE);
        return;
    }
    if (part->line.n == 0)
        return; /* an empty line means nothing */
    switch (part->word) {
    case MANAGESIEVE_BYE:
        take_farewell(dialog, part, actions);
        break;
    case MANAGESIEVE_OK:
    case MANAGESIEVE_NO:
        take_end(dialog, part, actions);
        break;
    case MANAGESIEVE_NO_WORD:
        take_data(dialog, part, actions);
        break;
    }
}

/* The longest line is a challenge, or the last one with its OK [RFC 5804 2.1]. */
static size_t line_limit(const struct dialog *dialog)
{
    bool in_exchange = dialog->of.managesieve.command == MANAGESIEVE_AUTHENTICATE;

    return in_exchange && dialog->policy->sasl_line > REPLY_LINE_MAX ? dialog->policy->sasl_line
                                                                     : REPLY_LINE_MAX;
}

/*
 * The capabilities that the client waits for after TLS are asked for here, as soon as there is a
 * backend that has nothing of the plaintext.
 */
enum reply_cut managesieve_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    struct managesieve_part part;
    enum reply_cut cut;

    if (dialog->of.managesieve.must_tell && dialog->mode != DIALOG_OVER) {
        managesieve_ask(dialog, actions);
        return REPLY_WHOLE;
    }
    if (in.n == 0 || dialog->mode == DIALOG_OVER)
        return REPLY_MORE;
    cut = managesieve_part_cut(in, line_limit(dialog), dialog->policy->reply, &part);
    if (cut == REPLY_WHOLE)
        take_part(dialog, &part, actions);
    return cut;
}

/* Some backends end without an answer to LOGOUT. Then mailmux gives the client the answer (C132).
 */
bool managesieve_server_ended(struct dialog *dialog, struct actions *actions)
{
    if (dialog->of.managesieve.command != MANAGESIEVE_LOGOUT)
        return false;
    dialog_reply(actions, SLICE("OK \"Logout completed\""));
    dialog->of.managesieve.command = MANAGESIEVE_NONE;
    dialog_close(dialog, actions, REASON_QUIT);
    return true;
}
