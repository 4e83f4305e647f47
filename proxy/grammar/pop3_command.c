/*
 * The client's half of POP3 until its login: which command is forwarded, refused, or answered here
 * [RFC 1939 4, 7]. In lock-step. A command that is not known is refused, since it cannot be told
 * where its reply would end.
 */
#include "pop3_parts.h"

#include "mailmux/sasl.h"

struct command {
    struct slice line;
    struct slice arguments;
    struct slice behind; /* what the same input holds after the line */
};

typedef void command_handler(
    struct dialog *dialog, const struct command *command, struct actions *actions);

static void refuse(struct dialog *dialog, struct slice reply, struct actions *actions)
{
    dialog_reply(actions, reply);
    dialog_count_bad(dialog, actions);
}

/* An honest mistake: the words are the same for any user and any password [RFC 8314 4.1]. */
static void want_tls(struct actions *actions)
{
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

/* CAPA and NOOP leave nothing behind at the backend that TLS would have to undo (C33). */
static void capa(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    forward(dialog, command->line, POP3_CAPA, actions);
}

static void noop(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    forward(dialog, command->line, POP3_SHORT, actions);
}

static void utf8(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    dialog->of.pop3.dirty = true;
    forward(dialog, command->line, POP3_SHORT, actions);
}

/* Alone it lists the languages [RFC 6856 3]. */
static void lang(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    dialog->of.pop3.dirty = true;
    forward(dialog, command->line, command->arguments.n > 0 ? POP3_SHORT : POP3_LANG, actions);
}

static void quit(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    forward(dialog, command->line, POP3_QUIT, actions);
}

/* PASS belongs to the USER before it, and to no other login that was tried in between. */
static void begin_login(struct dialog *dialog)
{
    dialog_begin_login(dialog);
    dialog->of.pop3.user_named = false;
}

/* More than one word may be the name and the password. */
static void user(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice name;

    begin_login(dialog);
    if (slice_word(&rest, &name) && slice_trim(rest).n == 0)
        dialog_set_user(dialog, name);
    dialog->of.pop3.user_named = true;
    dialog->of.pop3.user_given = true;
    dialog->of.pop3.dirty = true;
    forward(dialog, command->line, POP3_USER, actions);
}

static void forward_login(
    struct dialog *dialog, const struct command *command, struct actions *actions)
{
    dialog->of.pop3.dirty = true;
    forward(dialog, command->line, POP3_LOGIN, actions);
}

static void pass(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (!dialog->of.pop3.user_named)
        dialog_begin_login(dialog);
    dialog->of.pop3.user_named = false;
    forward_login(dialog, command, actions);
}

/* One word alone may be the digest. */
static void apop(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    struct slice rest = command->arguments;
    struct slice name;

    begin_login(dialog);
    if (slice_word(&rest, &name) && slice_trim(rest).n > 0)
        dialog_set_user(dialog, name);
    forward_login(dialog, command, actions);
}

static void begin_exchange(struct dialog *dialog, const struct command *command,
    struct slice mechanism, struct slice response, struct actions *actions)
{
    struct pop3 *pop3 = &dialog->of.pop3;

    pop3->dirty = true;
    pop3->cancelled = false;
    dialog_begin_exchange(dialog, mechanism, response);
    forward(dialog, command->line, POP3_AUTH, actions);
}

/* AUTH [mechanism [initial response]]; alone it lists the mechanisms [RFC 5034 4]. */
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
        refuse(dialog, SLICE("-ERR Unsupported authentication mechanism"), actions);
    else if (!sasl_is_mechanism(mechanism) || !sasl_is_base64(response) || slice_trim(rest).n > 0)
        refuse(dialog, SLICE("-ERR Invalid arguments"), actions);
    else
        begin_exchange(dialog, command, mechanism, response, actions);
}

static void stls(struct dialog *dialog, const struct command *command, struct actions *actions)
{
    if (dialog->tls) {
        refuse(dialog, SLICE("-ERR Command not permitted when TLS active"), actions);
    } else if (!dialog->policy->offers_tls) {
        refuse(dialog, SLICE("-ERR STLS is not available here"), actions);
    } else if (command->arguments.n > 0) {
        refuse(dialog, SLICE("-ERR STLS takes no argument"), actions);
    } else if (!dialog_may_start_tls(command->behind)) {
        dialog_reply(actions, SLICE("-ERR Nothing may follow STLS"));
        dialog_close(dialog, actions, REASON_INJECTION);
    } else if (dialog->of.pop3.user_given) {
        refuse(dialog, SLICE("-ERR STLS is not permitted after USER"), actions);
    } else if (dialog->tls_unavailable) {
        dialog_reply(actions, SLICE("-ERR [SYS/TEMP] TLS is not available now"));
    } else {
        dialog_reply(actions, SLICE("+OK Begin TLS negotiation"));
        dialog->mode = DIALOG_HELD;
        actions->next = DIALOG_START_TLS;
        actions->renew_server = dialog->of.pop3.dirty;
    }
}

/* What a command needs, beside a session that is not logged in. */
enum need { NEED_NOTHING, NEED_TLS_FOR_ALL, NEED_TLS_FOR_LOGIN };

static const struct {
    const char *verb;
    command_handler *handler;
    enum need need;
} commands[] = {
    {"CAPA", capa, NEED_NOTHING},
    {"NOOP", noop, NEED_NOTHING},
    {"QUIT", quit, NEED_NOTHING},
    {"STLS", stls, NEED_NOTHING},
    {"UTF8", utf8, NEED_TLS_FOR_ALL},
    {"LANG", lang, NEED_TLS_FOR_ALL},
    {"USER", user, NEED_TLS_FOR_LOGIN},
    {"PASS", pass, NEED_TLS_FOR_LOGIN},
    {"APOP", apop, NEED_TLS_FOR_LOGIN},
    {"AUTH", auth, NEED_TLS_FOR_LOGIN},
};

static bool is_withheld(const struct dialog *dialog, enum need need)
{
    switch (need) {
    case NEED_NOTHING:
        return false;
    case NEED_TLS_FOR_ALL:
        return !dialog->tls && dialog->policy->require_tls == REQUIRE_TLS_YES;
    case NEED_TLS_FOR_LOGIN:
        return dialog_hides_login(dialog);
    }
    return true;
}

static void serve(struct dialog *dialog, const struct command *command, struct slice verb,
    struct actions *actions)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (!slice_equal_nocase(verb, slice_from(commands[i].verb)))
            continue;
        if (is_withheld(dialog, commands[i].need))
            want_tls(actions);
        else
            commands[i].handler(dialog, command, actions);
        return;
    }
    refuse(dialog, SLICE("-ERR Unknown command"), actions);
}

/* ---- Lines ---- */

static void respond(struct dialog *dialog, struct slice line, struct actions *actions)
{
    dialog->of.pop3.in_auth = false; /* until the backend asks again */
    forward(dialog, line, POP3_AUTH, actions);
}

/* The backend then refuses the exchange: the client gets its reply [RFC 5034 4]. */
static void cancel(struct dialog *dialog, struct actions *actions)
{
    dialog->of.pop3.cancelled = true;
    respond(dialog, SLICE("*"), actions);
}

static void take_response(struct dialog *dialog, struct slice line, struct actions *actions)
{
    if (slice_equal(line, SLICE("*"))) {
        cancel(dialog, actions);
    } else if (!sasl_is_base64(line)) {
        cancel(dialog, actions);
        dialog_count_bad(dialog, actions);
    } else {
        dialog_take_response(dialog, line);
        respond(dialog, line, actions);
    }
}

void pop3_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    struct command command = {.line = line, .behind = behind};
    struct slice rest = line;
    struct slice verb;

    if (dialog->of.pop3.in_auth) {
        take_response(dialog, line, actions);
    } else if (!slice_word(&rest, &verb) || verb.p != line.p) {
        refuse(dialog, SLICE("-ERR Unknown command"), actions);
    } else {
        dialog->of.pop3.cancelled = false;
        command.arguments = slice_trim(rest);
        serve(dialog, &command, verb, actions);
    }
}

void pop3_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    (void)line;
    if (dialog->of.pop3.in_auth) {
        cancel(dialog, actions);
        dialog_count_bad(dialog, actions);
    } else if (too_long) {
        refuse(dialog, SLICE("-ERR Line too long"), actions);
    } else {
        refuse(dialog, SLICE("-ERR Invalid character in the line"), actions);
    }
}

bool pop3_is_auth(struct slice line)
{
    struct slice verb;

    return slice_word(&line, &verb) && slice_equal_nocase(verb, SLICE("AUTH"));
}
