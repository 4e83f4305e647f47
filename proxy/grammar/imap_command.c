/*
 * The client's commands of IMAP until its login: which one is forwarded, refused, or answered here
 * [RFC 9051 6]. One command at a time: the next one is read only after the tagged reply to this
 * one.
 */
#include "imap_parts.h"

#include "mailmux/check.h"
#include "mailmux/sasl.h"
#include <string.h>

static void drop(struct dialog *dialog, const struct command *command, enum imap_answer answer,
    struct actions *actions)
{
    imap_drop(dialog, command->line, answer, actions);
}

static bool has_literal(struct slice line)
{
    uint64_t octets;

    return literal_find(line, &octets) != LITERAL_NONE;
}

/* ---- Commands ---- */

/*
 * CAPABILITY and NOOP leave nothing behind at the backend that would have to be undone for TLS
 * (C33), if they have no arguments. With arguments, a server that does not know LITERAL+ would run
 * a literal as commands (A3, A4).
 */
static void ask(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (command->arguments.n > 0)
        drop(dialog, command, IMAP_BAD_ARGUMENTS, actions);
    else
        imap_forward(dialog, command->line, actions);
}

static void logout(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (command->arguments.n > 0) {
        drop(dialog, command, IMAP_BAD_ARGUMENTS, actions);
        return;
    }
    dialog->of.imap.command = IMAP_LOGOUT;
    imap_forward(dialog, command->line, actions);
}

static void starttls(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (dialog->tls) {
        drop(dialog, command, IMAP_TLS_ACTIVE, actions);
    } else if (!dialog->policy->offers_tls) {
        drop(dialog, command, IMAP_NO_STARTTLS, actions);
    } else if (command->arguments.n > 0) {
        drop(dialog, command, IMAP_STARTTLS_ARGUMENT, actions);
    } else if (!dialog_may_start_tls(command->behind)) {
        imap_say(dialog, IMAP_INJECTION, actions);
        dialog_close(dialog, actions, REASON_INJECTION);
    } else if (dialog->tls_unavailable) {
        imap_say(dialog, IMAP_TLS_UNAVAILABLE, actions);
    } else {
        imap_say(dialog, IMAP_GO_AHEAD, actions);
        dialog_go_to_tls(dialog, dialog->of.imap.dirty, actions);
    }
}

static void forward_public_id(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    size_t head = (size_t)(command->arguments.p - command->line.p);

    dialog_forward_part(actions, slice_of(command->line.p, head));
    if (!check_holds(imap_id_write(command->arguments, actions->to_server)))
        actions->fault = true;
    imap_forward(dialog, SLICE(""), actions);
}

/*
 * In plaintext an ID may come from any sender, so it is answered here. Later it is forwarded
 * without the fields by which a proxy tells of its client.
 */
static void id(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (!dialog->tls && (dialog->policy->offers_tls || dialog_hides_login(dialog))) {
        drop(dialog, command, IMAP_ID_HERE, actions);
        return;
    }
    if (has_literal(command->line)) {
        drop(dialog, command, IMAP_ID_NIL, actions);
        return;
    }
    switch (imap_id_check(command->arguments)) {
    case IMAP_LIST_BAD:
        drop(dialog, command, IMAP_BAD_ARGUMENTS, actions);
        break;
    case IMAP_LIST_CLEAN:
        imap_forward(dialog, command->line, actions);
        break;
    case IMAP_LIST_PRIVATE:
        forward_public_id(dialog, command, actions);
        break;
    }
}

static void login(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    dialog_begin_login(dialog);
    if (dialog_hides_login(dialog)) {
        drop(dialog, command, IMAP_TLS_FIRST, actions);
        return;
    }
    imap_name_begin(dialog, command->arguments);
    dialog->of.imap.dirty = true;
    dialog->of.imap.command = IMAP_LOGIN;
    imap_forward(dialog, command->line, actions);
    if (dialog->of.imap.phase == IMAP_LITERAL || dialog->of.imap.phase == IMAP_ANSWER)
        dialog_try_login(dialog, "LOGIN");
}

/* Takes apart AUTHENTICATE mechanism [initial response]. Both are words, never literals. */
static bool parse_exchange(
    const struct command *command, struct slice *mechanism, struct slice *response)
{
    struct slice rest = command->arguments;

    *response = SLICE("");
    if (!slice_word(&rest, mechanism) || !sasl_is_mechanism(*mechanism))
        return false;
    (void)slice_word(&rest, response);
    return sasl_is_base64(*response) && slice_trim(rest).n == 0;
}

static void authenticate(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;
    struct slice mechanism;
    struct slice response;

    dialog_begin_login(dialog);
    if (dialog_hides_login(dialog)) {
        drop(dialog, command, IMAP_TLS_FIRST, actions);
        return;
    }
    if (!parse_exchange(command, &mechanism, &response)) {
        drop(dialog, command, IMAP_BAD_ARGUMENTS, actions);
        return;
    }
    if (sasl_is_withheld(mechanism)) {
        drop(dialog, command, IMAP_BAD_MECHANISM, actions);
        return;
    }
    dialog_begin_exchange(dialog, mechanism, response);
    imap->dirty = true;
    imap->command = IMAP_AUTHENTICATE;
    imap_forward(dialog, command->line, actions);
}

/*
 * These commands belong after a login. They would lead to bytes or to a state that the dialog
 * cannot follow.
 */
static void misplaced(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    drop(dialog, command, IMAP_BAD_STATE, actions);
}

static const struct row {
    const char *verb;
    command_handler *handler;
} rows[] = {
    {"CAPABILITY", ask},
    {"NOOP", ask},
    {"LOGOUT", logout},
    {"STARTTLS", starttls},
    {"ID", id},
    {"LOGIN", login},
    {"AUTHENTICATE", authenticate},
    {"COMPRESS", misplaced},
    {"UNAUTHENTICATE", misplaced},
};

/*
 * Commands that a client may send before TLS by mistake. They get another answer than a word that
 * is not a command at all (C35).
 */
static const char *const known[] = {"APPEND", "CHECK", "CLOSE", "COPY", "CREATE", "DELETE",
    "ENABLE", "EXAMINE", "EXPUNGE", "FETCH", "IDLE", "LIST", "LSUB", "MOVE", "NAMESPACE", "RENAME",
    "SEARCH", "SELECT", "STATUS", "STORE", "SUBSCRIBE", "UID", "UNSELECT", "UNSUBSCRIBE", NULL};

static void serve_other(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    bool tls_wanted = dialog_needs_tls(dialog);

    if (tls_wanted && slice_is_one_of(command->verb, known))
        drop(dialog, command, IMAP_TLS_FIRST, actions);
    else if (tls_wanted || dialog_offers_tls(dialog))
        drop(dialog, command, IMAP_UNKNOWN, actions);
    else
        imap_forward(dialog, command->line, actions);
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

static void serve(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    const struct row *row = note_verb(dialog, command->verb);

    if (row)
        row->handler(dialog, command, actions);
    else
        serve_other(dialog, command, actions);
}

/* ---- Lines ---- */

static size_t line_octets(struct slice line)
{
    return line.n + 2;
}

/*
 * Goes on after a literal. All lines of a command together are limited as one command line.
 * Otherwise a server would get any number of parentheses or literals to put together before a login
 * (C152).
 */
static void go_on(struct dialog *dialog, struct slice line, struct actions *actions)
{
    dialog->of.imap.octets += line_octets(line);
    if (dialog->of.imap.octets > dialog->policy->line) {
        dialog_close_with(dialog, FAREWELL_LINE_TOO_LONG, REASON_LINE_TOO_LONG);
        return;
    }
    imap_name_end(dialog, line);
    imap_forward(dialog, line, actions);
}

static bool take_tag(struct imap *imap, struct slice line, struct slice *rest)
{
    struct slice tag;

    imap->tag_len = 0;
    if (!imap_tag_cut(line, &tag, rest))
        return false;
    memcpy(imap->tag, tag.p, tag.n);
    imap->tag_len = tag.n;
    return true;
}

static void begin(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;
    struct command command = {.line = line, .behind = behind};
    struct slice rest;

    imap->command = IMAP_OTHER;
    imap->names_user = false;
    imap->octets = line_octets(line);
    if (!take_tag(imap, line, &rest)) {
        imap_drop(dialog, line, IMAP_BAD_TAG, actions);
    } else if (!slice_word(&rest, &command.verb)) {
        imap_drop(dialog, line, IMAP_NO_COMMAND, actions);
    } else if (!imap_is_atom(command.verb)) {
        imap_drop(dialog, line, IMAP_UNKNOWN, actions);
    } else {
        command.arguments = slice_trim(rest);
        serve(dialog, &command, actions);
    }
}

void imap_respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions)
{
    imap_forward(dialog, line, actions);
    if (is_bad)
        dialog_count_bad(dialog, actions);
}

void imap_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    switch (dialog->of.imap.phase) {
    case IMAP_READY:
        begin(dialog, line, behind, actions);
        break;
    case IMAP_PART:
        go_on(dialog, line, actions);
        break;
    case IMAP_DROPPING:
        dialog->of.imap.octets += line_octets(line);
        imap_drop_on(dialog, line, actions);
        break;
    case IMAP_LITERAL:
    case IMAP_ANSWER:
        break; /* the client is held */
    }
}

/* Refuses a line, which is not forwarded because it is not known what it could hide (attack A9). */
static void refuse_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    if (!too_long)
        imap_drop(dialog, line, IMAP_BAD_LINE, actions);
    else if (dialog->discarded_last == '}') /* the octets of its literal may follow */
        imap_close_literal(dialog, actions);
    else
        imap_say(dialog, IMAP_LONG_LINE, actions);
}

void imap_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    struct slice rest;
    struct slice verb;

    switch (dialog->of.imap.phase) {
    case IMAP_READY:
        if (take_tag(&dialog->of.imap, line, &rest) && slice_word(&rest, &verb))
            (void)note_verb(dialog, verb);
        refuse_line(dialog, line, too_long, actions);
        break;
    case IMAP_DROPPING:
        refuse_line(dialog, line, too_long, actions);
        break;
    case IMAP_PART: /* the backend has the beginning of the command */
        dialog_close_with(dialog, too_long ? FAREWELL_LINE_TOO_LONG : FAREWELL_REFUSED,
            too_long ? REASON_LINE_TOO_LONG : REASON_BAD_COMMANDS);
        break;
    case IMAP_LITERAL:
    case IMAP_ANSWER:
        break; /* the client is held */
    }
}

bool imap_is_command(struct slice line, struct slice name)
{
    struct slice tag;
    struct slice rest;
    struct slice verb;

    return imap_tag_cut(line, &tag, &rest) && slice_word(&rest, &verb) &&
           slice_equal_nocase(verb, name);
}
