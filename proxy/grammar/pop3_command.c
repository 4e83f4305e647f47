/*
 * The client's commands of POP3 until its login: which one is forwarded, refused, or answered here
 * [RFC 1939 4, 7]. One command at a time: the next one is read only after the reply to this one. An
 * unknown command is refused, because it is not known where its reply would end.
 */
#include "pop3_parts.h"

#include "mailmux/sasl.h"

/*
 * Refuses a command that needs TLS. To send one too early is an honest mistake, so it is not
 * counted as a bad command. The words are the same for any user and any password [RFC 8314 4.1].
 */
static void want_tls(struct actions *actions)
{
    dialog_note_refusal(REFUSAL_TLS_REQUIRED, actions);
    dialog_reply(actions, SLICE("-ERR [AUTH] TLS required"));
}

static void forward(
    struct dialog *dialog, struct slice line, enum pop3_command command, struct actions *actions)
{
    dialog_forward(actions, line);
    dialog->of.pop3.command = command;
    dialog->mode = DIALOG_HELD;
}

/* ---- Commands ---- */

/* LANG without an argument lists the languages [RFC 6856 3]. */
static void lang(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    forward(dialog, command->line, command->arguments.n > 0 ? POP3_SHORT : POP3_LANG, actions);
}

/*
 * Begins an attempt to log in. A later PASS belongs to the last USER only if no other attempt has
 * begun in between.
 */
static void begin_login(struct dialog *dialog)
{
    dialog_begin_login(dialog);
    dialog->of.pop3.user_named = false;
}

/*
 * If USER has more than one argument, they may be the name and the password. Then no name is kept
 * for the log.
 */
static void user(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice name;

    begin_login(dialog);
    if (slice_word(&rest, &name) && slice_trim(rest).n == 0)
        dialog_set_user(dialog, name);
    dialog->of.pop3.user_named = true;
    dialog->of.pop3.user_given = true;
    forward(dialog, command->line, POP3_USER, actions);
    dialog_try_login(dialog, "USER");
}

static void pass(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (!dialog->of.pop3.user_named)
        dialog_begin_login(dialog);
    dialog->of.pop3.user_named = false;
    forward(dialog, command->line, POP3_LOGIN, actions);
    dialog_try_login(dialog, "USER");
}

/* If APOP has one argument only, it may be the digest. Then no name is kept for the log. */
static void apop(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice name;

    begin_login(dialog);
    if (slice_word(&rest, &name) && slice_trim(rest).n > 0)
        dialog_set_user(dialog, name);
    forward(dialog, command->line, POP3_LOGIN, actions);
    dialog_try_login(dialog, "APOP");
}

static void begin_exchange(struct dialog *dialog, const struct command *command,
    struct slice mechanism, struct slice response, struct actions *actions)
{
    dialog->of.pop3.dirty = true;
    dialog_begin_exchange(dialog, mechanism, response);
    forward(dialog, command->line, POP3_AUTH, actions);
}

/* AUTH [mechanism [initial response]]. Without arguments it lists the mechanisms [RFC 5034 4]. */
static void auth(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice mechanism;
    struct slice response = SLICE("");

    if (!slice_word(&rest, &mechanism)) {
        forward(dialog, command->line, POP3_MECHANISMS, actions);
        return;
    }
    begin_login(dialog);
    (void)slice_word(&rest, &response);
    if (sasl_is_withheld(mechanism))
        dialog_refuse(
            dialog, REFUSAL_MECHANISM, SLICE("-ERR Unsupported authentication mechanism"), actions);
    else if (!sasl_is_mechanism(mechanism) || !sasl_is_base64(response) || slice_trim(rest).n > 0)
        dialog_refuse(dialog, REFUSAL_BAD_ARGUMENTS, SLICE("-ERR Invalid arguments"), actions);
    else
        begin_exchange(dialog, command, mechanism, response, actions);
}

static void stls(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (dialog->tls) {
        dialog_refuse(dialog, REFUSAL_OUT_OF_PLACE,
            SLICE("-ERR Command not permitted when TLS active"), actions);
    } else if (!dialog->policy->offers_tls) {
        dialog_refuse(
            dialog, REFUSAL_NOT_OFFERED, SLICE("-ERR STLS is not available here"), actions);
    } else if (command->arguments.n > 0) {
        dialog_refuse(dialog, REFUSAL_BAD_ARGUMENTS, SLICE("-ERR STLS takes no argument"), actions);
    } else if (!dialog_may_start_tls(command->behind)) {
        dialog_note_refusal(REFUSAL_INJECTION, actions);
        dialog_reply(actions, SLICE("-ERR Nothing may follow STLS"));
        dialog_close(dialog, actions, REASON_INJECTION);
    } else if (dialog->of.pop3.user_given) {
        dialog_refuse(
            dialog, REFUSAL_OUT_OF_PLACE, SLICE("-ERR STLS is not permitted after USER"), actions);
    } else if (dialog->tls_unavailable) {
        dialog_note_refusal(REFUSAL_TOO_MANY_HANDSHAKES, actions);
        dialog_reply(actions, SLICE("-ERR [SYS/TEMP] TLS is not available now"));
    } else {
        dialog_reply(actions, SLICE("+OK Begin TLS negotiation"));
        dialog_go_to_tls(dialog, dialog->of.pop3.dirty, actions);
    }
}

/* What must be so before a command is served. */
enum need { NEED_NOTHING, NEED_TLS_FOR_ALL, NEED_TLS_FOR_LOGIN };

struct row {
    const char *verb;
    command_handler *handler; /* NULL: the line is forwarded, and `sent` is its kind */
    enum pop3_command sent;
    enum need need;
    bool dirty; /* after it, the backend has something to forget when TLS starts (C33) */
};

static const struct row rows[] = {
    {"CAPA", NULL, POP3_CAPA, NEED_NOTHING, false},
    {"NOOP", NULL, POP3_SHORT, NEED_NOTHING, false},
    {"QUIT", NULL, POP3_QUIT, NEED_NOTHING, false},
    {"STLS", stls, POP3_NONE, NEED_NOTHING, false},
    {"UTF8", NULL, POP3_SHORT, NEED_TLS_FOR_ALL, true},
    {"LANG", lang, POP3_NONE, NEED_TLS_FOR_ALL, true},
    {"USER", user, POP3_NONE, NEED_TLS_FOR_LOGIN, true},
    {"PASS", pass, POP3_NONE, NEED_TLS_FOR_LOGIN, true},
    {"APOP", apop, POP3_NONE, NEED_TLS_FOR_LOGIN, true},
    {"AUTH", auth, POP3_NONE, NEED_TLS_FOR_LOGIN, false},
};

static bool is_withheld(const struct dialog *dialog, enum need need)
{
    switch (need) {
    case NEED_NOTHING:
        return false;
    case NEED_TLS_FOR_ALL:
        return dialog_needs_tls(dialog);
    case NEED_TLS_FOR_LOGIN:
        return dialog_hides_login(dialog);
    }
    return true;
}

/*
 * Returns the command's row, or NULL. Keeps the name of a known command for the log. Any other word
 * may be a password.
 */
static const struct row *note_verb(struct dialog *dialog, struct slice verb)
{
    const struct row *row = dialog_row(verb, rows, sizeof(rows) / sizeof(*rows), sizeof(*rows));

    dialog->verb = row ? row->verb : NULL;
    return row;
}

static void serve(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    const struct row *row = note_verb(dialog, command->verb);

    if (!row) {
        dialog_refuse(dialog, REFUSAL_BAD_COMMAND, SLICE("-ERR Unknown command"), actions);
        return;
    }
    if (is_withheld(dialog, row->need)) {
        want_tls(actions);
        return;
    }
    dialog->of.pop3.dirty = dialog->of.pop3.dirty || row->dirty;
    if (row->handler)
        row->handler(dialog, command, actions);
    else
        forward(dialog, command->line, row->sent, actions);
}

/* ---- Lines ---- */

void pop3_respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions)
{
    forward(dialog, line, POP3_AUTH, actions);
    if (is_bad)
        dialog_count_bad(dialog, actions);
}

void pop3_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    struct command command = {.line = line, .behind = behind};
    struct slice rest = line;

    if (!slice_word(&rest, &command.verb) || command.verb.p != line.p) {
        dialog_refuse(dialog, REFUSAL_BAD_COMMAND, SLICE("-ERR Unknown command"), actions);
    } else {
        command.arguments = slice_trim(rest);
        serve(dialog, &command, actions);
    }
}

void pop3_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    struct slice verb = SLICE("");

    (void)slice_word(&line, &verb);
    (void)note_verb(dialog, verb);
    dialog_refuse(dialog, too_long ? REFUSAL_LINE_TOO_LONG : REFUSAL_BAD_CHARACTER,
        too_long ? SLICE("-ERR Line too long") : SLICE("-ERR Invalid character in the line"),
        actions);
}

bool pop3_is_auth(struct slice line)
{
    struct slice verb;

    return slice_word(&line, &verb) && slice_equal_nocase(verb, SLICE("AUTH"));
}
