/*
 * The client's commands of ManageSieve until its login: which one is forwarded, and which is
 * refused [RFC 5804 2]. One command at a time: the next one is read only after the reply to this
 * one. Only the commands that are valid before a login are forwarded, and in their canonical form,
 * so that a backend finds the same strings in them.
 */
#include "managesieve_parts.h"

#include "mailmux/sasl.h"

/* Refuses a command that needs TLS. It is an honest mistake, so it is not counted. */
static void want_tls(struct actions *actions)
{
    dialog_note_refusal(REFUSAL_TLS_REQUIRED, actions);
    dialog_reply(actions, SLICE("NO (ENCRYPT-NEEDED) \"TLS required\""));
}

static void refuse_arguments(struct dialog *dialog, struct actions *actions)
{
    dialog_refuse(dialog, REFUSAL_BAD_ARGUMENTS, SLICE("NO \"Invalid arguments\""), actions);
}

static void await(struct dialog *dialog, enum managesieve_command command)
{
    dialog->of.managesieve.command = command;
    dialog->of.managesieve.reply_octets = 0;
    dialog->of.managesieve.reply_lines = 0;
    dialog->mode = DIALOG_HELD;
}

static void forward(struct dialog *dialog, struct slice line, enum managesieve_command command,
    struct actions *actions)
{
    dialog_forward(actions, line);
    await(dialog, command);
}

void managesieve_ask(struct dialog *dialog, struct actions *actions)
{
    dialog->of.managesieve.must_tell = false;
    forward(dialog, SLICE("CAPABILITY"), MANAGESIEVE_CAPABILITY, actions);
}

/* ---- Commands ---- */

static void capability(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (command->arguments.n > 0)
        refuse_arguments(dialog, actions);
    else
        managesieve_ask(dialog, actions);
}

static void logout(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (command->arguments.n > 0)
        refuse_arguments(dialog, actions);
    else
        forward(dialog, SLICE("LOGOUT"), MANAGESIEVE_LOGOUT, actions);
}

/* Returns whether no octet of the text could be read as the end of a line. */
static bool is_one_line(struct slice text)
{
    return line_is_clean(text) && slice_find(text, '\n') == text.n;
}

/* NOOP [string]. The string comes back in the reply [RFC 5804 2.13]. */
static void noop(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct managesieve_string string;

    if (rest.n == 0) {
        forward(dialog, SLICE("NOOP"), MANAGESIEVE_NOOP, actions);
        return;
    }
    if (!managesieve_string_cut(&rest, &string) || slice_trim(rest).n > 0 ||
        !is_one_line(string.text) ||
        (!string.is_literal && string.text.n > MANAGESIEVE_QUOTED_MAX)) {
        refuse_arguments(dialog, actions);
        return;
    }
    dialog_forward_part(actions, SLICE("NOOP "));
    managesieve_forward_string(&string, actions);
    forward(dialog, SLICE(""), MANAGESIEVE_NOOP, actions);
}

/* Takes apart AUTHENTICATE mechanism [initial response]. *has_response: there is one. */
static bool parse_exchange(struct slice rest, struct managesieve_string *mechanism,
    struct managesieve_string *response, bool *has_response)
{
    if (!managesieve_string_cut(&rest, mechanism) || !sasl_is_mechanism(mechanism->text))
        return false;
    rest = slice_trim(rest);
    *response = (struct managesieve_string){.text = SLICE("")};
    *has_response = rest.n > 0;
    if (rest.n == 0)
        return true;
    return managesieve_string_cut(&rest, response) && sasl_is_base64(response->text) &&
           slice_trim(rest).n == 0;
}

static void authenticate(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct managesieve_string mechanism;
    struct managesieve_string response;
    bool has_response;

    dialog_begin_login(dialog);
    if (dialog_hides_login(dialog)) {
        want_tls(actions);
    } else if (!parse_exchange(command->arguments, &mechanism, &response, &has_response)) {
        refuse_arguments(dialog, actions);
    } else if (sasl_is_withheld(mechanism.text)) {
        dialog_refuse(dialog, REFUSAL_MECHANISM,
            SLICE("NO \"Unsupported authentication mechanism\""), actions);
    } else {
        dialog->of.managesieve.dirty = true;
        dialog_begin_exchange(dialog, mechanism.text, response.text);
        dialog_forward_part(actions, SLICE("AUTHENTICATE "));
        managesieve_forward_string(&mechanism, actions);
        if (has_response) {
            dialog_forward_part(actions, SLICE(" "));
            managesieve_forward_string(&response, actions);
        }
        forward(dialog, SLICE(""), MANAGESIEVE_AUTHENTICATE, actions);
    }
}

static void starttls(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (dialog->tls) {
        dialog_refuse(dialog, REFUSAL_OUT_OF_PLACE, SLICE("NO \"TLS is already active\""), actions);
    } else if (!dialog->policy->offers_tls) {
        dialog_refuse(
            dialog, REFUSAL_NOT_OFFERED, SLICE("NO \"STARTTLS is not available here\""), actions);
    } else if (command->arguments.n > 0) {
        dialog_refuse(
            dialog, REFUSAL_BAD_ARGUMENTS, SLICE("NO \"STARTTLS takes no argument\""), actions);
    } else if (!dialog_may_start_tls(command->behind)) {
        dialog_note_refusal(REFUSAL_INJECTION, actions);
        dialog_reply(actions, SLICE("NO \"Nothing may follow STARTTLS\""));
        dialog_close(dialog, actions, REASON_INJECTION);
    } else if (dialog->tls_unavailable) {
        dialog_note_refusal(REFUSAL_TOO_MANY_HANDSHAKES, actions);
        dialog_reply(actions, SLICE("NO (TRYLATER) \"TLS is not available now\""));
    } else {
        dialog_reply(actions, SLICE("OK \"Begin TLS negotiation now\""));
        dialog_go_to_tls(dialog, dialog->of.managesieve.dirty, actions);
    }
}

static const struct row {
    const char *verb;
    command_handler *handler;
} rows[] = {
    {"CAPABILITY", capability},
    {"NOOP", noop},
    {"LOGOUT", logout},
    {"STARTTLS", starttls},
    {"AUTHENTICATE", authenticate},
};

/* These belong after a login: before it a server refuses them [RFC 5804 2]. */
static const char *const known[] = {"UNAUTHENTICATE", "HAVESPACE", "PUTSCRIPT", "LISTSCRIPTS",
    "SETACTIVE", "GETSCRIPT", "DELETESCRIPT", "RENAMESCRIPT", "CHECKSCRIPT", NULL};

static void serve_other(struct dialog *dialog, struct actions *actions)
{
    if (!dialog->verb)
        dialog_refuse(dialog, REFUSAL_BAD_COMMAND, SLICE("NO \"Unknown command\""), actions);
    else if (dialog_needs_tls(dialog))
        want_tls(actions);
    else
        dialog_refuse(
            dialog, REFUSAL_OUT_OF_PLACE, SLICE("NO \"Not permitted before login\""), actions);
}

/*
 * Returns the command's row, or NULL. Keeps the name of a known command for the log. Any other word
 * may be a password.
 */
static const struct row *note_verb(struct dialog *dialog, struct slice verb)
{
    const struct row *row = dialog_row(verb, rows, sizeof(rows) / sizeof(*rows), sizeof(*rows));

    dialog->verb = row ? row->verb : slice_one_of(verb, known);
    return row;
}

/* ---- Lines ---- */

void managesieve_respond(
    struct dialog *dialog, struct slice text, bool is_bad, struct actions *actions)
{
    managesieve_forward_string(&(struct managesieve_string){.text = text}, actions);
    forward(dialog, SLICE(""), MANAGESIEVE_AUTHENTICATE, actions);
    if (is_bad)
        dialog_count_bad(dialog, actions);
}

void managesieve_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    struct command command = {.line = line, .behind = behind, .verb = SLICE("")};
    struct slice rest = line;
    const struct row *row = NULL;

    if (slice_word(&rest, &command.verb) && command.verb.p == line.p)
        row = note_verb(dialog, command.verb);
    command.arguments = slice_trim(rest);
    if (row)
        row->handler(dialog, &command, actions);
    else
        serve_other(dialog, actions);
}

void managesieve_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    struct slice verb = SLICE("");

    (void)slice_word(&line, &verb);
    (void)note_verb(dialog, verb);
    dialog_refuse(dialog, too_long ? REFUSAL_LINE_TOO_LONG : REFUSAL_BAD_CHARACTER,
        too_long ? SLICE("NO \"Line too long\"") : SLICE("NO \"Invalid character in the line\""),
        actions);
}
