/* IMAP [RFC 9051, 3501] as a protocol: its greeting, its limits, its farewells. */
#include "imap_parts.h"

#include "last_words.h"
#include "mailmux/alpn.h"
#include "mailmux/protocols.h"
#include "opening_parts.h"

static enum greeting classify(const struct imap_status *status)
{
    if (status->word == IMAP_OK)
        return GREETING_READY;
    if (status->word == IMAP_PREAUTH)
        return GREETING_PREAUTH;
    return GREETING_REFUSED; /* BYE; NO and BAD are not greetings, and are taken for BYE */
}

static enum greeting greeting(struct slice in, size_t limit, size_t *used)
{
    enum greeting found;
    struct imap_status status;
    struct slice line;
    enum reply_cut cut = line_cut_reply(in, limit, &line, used);

    if (cut == REPLY_MORE)
        return GREETING_MORE;
    if (cut == REPLY_LARGE) {
        *used = in.n;
        line = in;
    }
    if (!slice_starts(line, SLICE("* ")) || !imap_status_parse(line, &status))
        return GREETING_WRONG;
    if (cut == REPLY_LARGE)
        return GREETING_LARGE;
    /*
     * dialog_reply makes a refusal clean. Any other greeting that is not clean might be read in two
     * ways.
     */
    found = classify(&status);
    return found == GREETING_REFUSED || line_is_clean(line) ? found : GREETING_WRONG;
}

/*
 * PREAUTH says that a client is logged in that has proved nothing. It passes only if TLS protects
 * both legs and the backend's certificate was verified.
 */
static void start_authenticated(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions)
{
    if (!dialog->legs.client_tls || !dialog->legs.server_tls_verified) {
        dialog_close_with(dialog, FAREWELL_REFUSED, REASON_PREAUTH);
        return;
    }
    imap_status_relay(dialog, status, true, actions);
    dialog_begin_login(dialog);
    dialog_try_login(dialog, "PREAUTH");
    dialog_accept_login(dialog, actions);
    actions->next = DIALOG_RELAY;
}

static void start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions)
{
    struct imap_status status;
    struct slice line;

    if (!line_next(&text, &line) || !imap_status_parse(line, &status)) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    } else if (greeting == GREETING_PREAUTH) {
        start_authenticated(dialog, &status, actions);
    } else if (greeting == GREETING_REFUSED) {
        imap_status_refuse(dialog, &status, actions);
        dialog_close(dialog, actions, REASON_SERVER_REFUSED);
    } else {
        imap_status_relay(dialog, &status, false, actions);
    }
}

static size_t line_limit(const struct dialog *dialog, struct slice in)
{
    enum imap_phase phase = dialog->of.imap.phase;

    if (phase == IMAP_READY && imap_is_command(in, SLICE("AUTHENTICATE")))
        return dialog->policy->sasl_line;
    if ((phase == IMAP_READY && imap_is_command(in, SLICE("ID"))) || imap_drops_id(dialog))
        return IMAP_ID_MAX;
    return dialog->policy->line;
}

static bool is_settled(const struct dialog *dialog)
{
    return dialog->of.imap.phase == IMAP_READY;
}

static bool is_owed(const struct dialog *dialog)
{
    return dialog->of.imap.phase == IMAP_LITERAL || dialog->of.imap.phase == IMAP_ANSWER;
}

static bool is_quitting(const struct dialog *dialog)
{
    return dialog->of.imap.phase == IMAP_ANSWER && dialog->of.imap.command == IMAP_LOGOUT;
}

static const char *const farewells[] = {
    [FAREWELL_NO_BACKEND] = "* BYE [UNAVAILABLE] No backend available",
    [FAREWELL_SERVER_LOST] = "* BYE [UNAVAILABLE] Connection to the backend lost",
    [FAREWELL_TIMEOUT] = "* BYE Disconnected for inactivity.",
    [FAREWELL_SHUTDOWN] = "* BYE Server shutting down.",
    [FAREWELL_TOO_MANY_SESSIONS] = "* BYE Too many connections",
    [FAREWELL_TOO_MANY_ERRORS] = "* BYE Too many bad commands",
    [FAREWELL_LINE_TOO_LONG] = "* BYE Line too long",
    [FAREWELL_PROTOCOL] = "* BYE [UNAVAILABLE] The backend broke the protocol",
    [FAREWELL_EARLY_TALKER] = "* BYE Wait for the greeting",
    [FAREWELL_REFUSED] = "* BYE Refused",
};

static const struct dialog_rules rules = {
    .farewells = farewells,
    .start = start,
    .line_limit = line_limit,
    .client_line = imap_client_line,
    .client_bad_line = imap_client_bad_line,
    .respond = imap_respond,
    .passes = imap_name_passes,
    .server = imap_server,
    .is_settled = is_settled,
    .is_owed = is_owed,
    .is_quitting = is_quitting,
    .server_ended = imap_server_ended,
};

const struct protocol protocol_imap = {
    .name = "imap",
    .alpn = alpn_imap,
    .relays_after_login = true,
    .greeting = greeting,
    .last_words = last_words_imap,
    .dialog = &rules,
    .opening = &opening_imap,
};
