/* POP3 [RFC 1939, 2449] as a protocol: its greeting, its limits, its farewells. */
#include "pop3_parts.h"

#include "last_words.h"
#include "mailmux/alpn.h"
#include "mailmux/protocols.h"
#include "opening_parts.h"

static bool is_status(struct slice line)
{
    enum pop3_status status = pop3_status_parse(line);

    return status == POP3_OK || status == POP3_ERR;
}

static enum greeting greeting(struct slice in, size_t limit, size_t *used)
{
    struct slice line;

    enum reply_cut cut = line_cut_reply(in, limit, &line, used);

    if (cut == REPLY_MORE)
        return GREETING_MORE;
    if (cut == REPLY_LARGE) {
        *used = in.n;
        return is_status(in) ? GREETING_LARGE : GREETING_WRONG;
    }
    switch (pop3_status_parse(line)) {
    case POP3_OK:
        return line_is_clean(line) ? GREETING_READY : GREETING_WRONG;
    case POP3_ERR: /* a refusal need not be clean: dialog_reply makes it clean */
        return GREETING_REFUSED;
    case POP3_CHALLENGE:
    case POP3_WRONG:
        return GREETING_WRONG;
    }
    return GREETING_WRONG;
}

/*
 * Returns how many octets at the start of the text are hidden from the client, or 0. Two things are
 * hidden: the word by which the backend offers XCLIENT to us (C44); and, if TLS must come first,
 * the challenge of APOP, because the digest made from it would travel in clear (C9). All other text
 * passes as it is, and so does a challenge that is not hidden: a client makes its digest from the
 * challenge with its brackets [RFC 1939 7].
 */
static size_t hidden_length(const struct dialog *dialog, struct slice text)
{
    const struct slice xclient = SLICE("[XCLIENT]");

    if (slice_starts_nocase(text, xclient))
        return xclient.n;
    if (dialog_hides_login(dialog) && slice_starts(text, SLICE("<")) &&
        slice_find(text, '>') < text.n)
        return slice_find(text, '>') + 1;
    return 0;
}

static void relay_greeting(const struct dialog *dialog, struct slice line, struct actions *actions)
{
    size_t at = 0;

    while (at < line.n) {
        size_t hidden = hidden_length(dialog, slice_after(line, at));

        if (hidden == 0) {
            at++;
            continue;
        }
        dialog_say(actions, slice_trim_end(slice_of(line.p, at)));
        line = slice_after(line, at + hidden);
        at = 0;
    }
    dialog_reply(actions, line);
}

static void start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions)
{
    struct slice line = text;

    (void)line_next(&text, &line);
    if (greeting == GREETING_READY) {
        relay_greeting(dialog, line, actions);
    } else {
        dialog_reply(actions, line);
        dialog_close(dialog, actions, REASON_SERVER_REFUSED);
    }
}

static size_t line_limit(const struct dialog *dialog, struct slice in)
{
    return pop3_is_auth(in) ? dialog->policy->sasl_line : dialog->policy->line;
}

static bool is_settled(const struct dialog *dialog)
{
    return dialog->of.pop3.command == POP3_NONE;
}

static bool is_owed(const struct dialog *dialog)
{
    return dialog->of.pop3.command != POP3_NONE;
}

static bool is_quitting(const struct dialog *dialog)
{
    return dialog->of.pop3.command == POP3_QUIT;
}

static const char *const farewells[] = {
    [FAREWELL_NO_BACKEND] = "-ERR [SYS/TEMP] No backend available",
    [FAREWELL_SERVER_LOST] = "-ERR [SYS/TEMP] Connection to the backend lost",
    [FAREWELL_TIMEOUT] = "-ERR Disconnected for inactivity.",
    [FAREWELL_SHUTDOWN] = "-ERR [SYS/TEMP] Server shutting down.",
    [FAREWELL_TOO_MANY_SESSIONS] = "-ERR [SYS/TEMP] Too many connections",
    [FAREWELL_TOO_MANY_ERRORS] = "-ERR Too many bad commands",
    [FAREWELL_LINE_TOO_LONG] = "-ERR Line too long",
    [FAREWELL_PROTOCOL] = "-ERR [SYS/TEMP] The backend broke the protocol",
    [FAREWELL_EARLY_TALKER] = "-ERR Wait for the greeting",
    [FAREWELL_REFUSED] = "-ERR Refused",
};

static const struct dialog_rules rules = {
    .farewells = farewells,
    .start = start,
    .line_limit = line_limit,
    .client_line = pop3_client_line,
    .client_bad_line = pop3_client_bad_line,
    .respond = pop3_respond,
    .server = pop3_server,
    .is_settled = is_settled,
    .is_owed = is_owed,
    .is_quitting = is_quitting,
    .server_ended = pop3_server_ended,
};

const struct protocol protocol_pop3 = {
    .name = "pop3",
    .alpn = alpn_pop3,
    .relays_after_login = true,
    .greeting = greeting,
    .last_words = last_words_pop3,
    .dialog = &rules,
    .opening = &opening_pop3,
};
