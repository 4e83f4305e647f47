/* ManageSieve [RFC 5804] as a protocol: its greeting, its limits, its farewells. */
#include "managesieve_parts.h"

#include "last_words.h"
#include "mailmux/protocols.h"
#include "opening_parts.h"
#include <string.h>

/*
 * Judges one part of a greeting: MORE means that it is a capability, and others follow. A greeting
 * that is not clean might be read in two ways; a refusal is made clean.
 */
static enum greeting judge(const struct managesieve_part *part)
{
    struct managesieve_capability capability;

    if (part->word == MANAGESIEVE_NO || part->word == MANAGESIEVE_BYE)
        return GREETING_REFUSED;
    if (!part->is_clean)
        return GREETING_WRONG;
    if (part->word == MANAGESIEVE_OK)
        return GREETING_READY;
    return managesieve_capability_parse(part, &capability) ? GREETING_MORE : GREETING_WRONG;
}

/* A greeting that is too long is still known by its first octet. */
static enum greeting judge_long(struct slice in)
{
    struct slice quote = SLICE("\"");

    return slice_starts(in, quote) ? GREETING_LARGE : GREETING_WRONG;
}

/* The greeting is the list of capabilities, up to its OK [RFC 5804 1.7]. */
static enum greeting greeting(struct slice in, size_t limit, size_t *used)
{
    enum greeting found = GREETING_MORE;
    struct managesieve_part part;
    size_t at = 0;

    while (found == GREETING_MORE) {
        switch (managesieve_part_cut(slice_after(in, at), REPLY_LINE_MAX, limit - at, &part)) {
        case REPLY_MORE:
            return GREETING_MORE;
        case REPLY_MALFORMED:
            *used = in.n;
            return GREETING_WRONG;
        case REPLY_LARGE:
            *used = in.n;
            return judge_long(in);
        case REPLY_WHOLE:
            break;
        }
        at += part.all.n;
        found = judge(&part);
    }
    *used = at;
    return found;
}

/* Relays the greeting; of a refusal, its last part alone. */
static void start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions)
{
    bool refused = greeting != GREETING_READY;
    struct managesieve_part part = {.word = MANAGESIEVE_NO_WORD};

    while (managesieve_part_cut(text, REPLY_LINE_MAX, text.n + 1, &part) == REPLY_WHOLE &&
           part.word == MANAGESIEVE_NO_WORD) {
        text = slice_after(text, part.all.n);
        if (!refused)
            (void)managesieve_capability_relay(dialog, &part, actions);
    }
    if (part.word == MANAGESIEVE_NO_WORD)
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    else if (!refused)
        managesieve_capability_end(dialog, &part, actions);
    else
        managesieve_part_relay(&part, actions);
    if (refused && actions->next == DIALOG_NOTHING)
        dialog_close(dialog, actions, REASON_SERVER_REFUSED);
}

static size_t line_limit(const struct dialog *dialog, struct slice in)
{
    return managesieve_is_authenticate(in) ? dialog->policy->sasl_line : dialog->policy->line;
}

/* The backend is asked for the capabilities before the client is read again [RFC 5804 2.2]. */
static void tls_started(struct dialog *dialog)
{
    dialog->of.managesieve = (struct managesieve){.must_tell = true};
    dialog->mode = DIALOG_HELD;
}

static bool is_settled(const struct dialog *dialog)
{
    return dialog->of.managesieve.command == MANAGESIEVE_NONE && !dialog->of.managesieve.must_tell;
}

static bool is_owed(const struct dialog *dialog)
{
    return dialog->of.managesieve.command != MANAGESIEVE_NONE;
}

static bool is_quitting(const struct dialog *dialog)
{
    return dialog->of.managesieve.command == MANAGESIEVE_LOGOUT;
}

static const char *const farewells[] = {
    [FAREWELL_NO_BACKEND] = "BYE (TRYLATER) \"No backend available\"",
    [FAREWELL_SERVER_LOST] = "BYE (TRYLATER) \"Connection to the backend lost\"",
    [FAREWELL_TIMEOUT] = "BYE \"Disconnected for inactivity\"",
    [FAREWELL_SHUTDOWN] = "BYE (TRYLATER) \"Server shutting down\"",
    [FAREWELL_TOO_MANY_SESSIONS] = "BYE (TRYLATER) \"Too many connections\"",
    [FAREWELL_TOO_MANY_ERRORS] = "BYE \"Too many bad commands\"",
    [FAREWELL_LINE_TOO_LONG] = "BYE \"Line or literal too long\"",
    [FAREWELL_PROTOCOL] = "BYE (TRYLATER) \"The backend broke the protocol\"",
    [FAREWELL_EARLY_TALKER] = "BYE \"Wait for the greeting\"",
    [FAREWELL_REFUSED] = "BYE \"Refused\"",
};

static const struct dialog_rules rules = {
    .farewells = farewells,
    .start = start,
    .line_limit = line_limit,
    .literals = managesieve_literals,
    .client_line = managesieve_client_line,
    .client_bad_line = managesieve_client_bad_line,
    .response = managesieve_string_alone,
    .respond = managesieve_respond,
    .server = managesieve_server,
    .tls_started = tls_started,
    .is_settled = is_settled,
    .is_owed = is_owed,
    .is_quitting = is_quitting,
    .server_ended = managesieve_server_ended,
};

static const char *const alpn[] = {"managesieve", NULL};

const struct protocol protocol_managesieve = {
    .name = "managesieve",
    .alpn = alpn,
    .relays_after_login = true,
    .greeting = greeting,
    .last_words = last_words_managesieve,
    .dialog = &rules,
    .opening = &opening_managesieve,
};
