/*
 * What a session tells of its client before its end: logins, and what mailmux refuses. Foreign
 * bytes are escaped by base/log. What a client sent appears in these lines only as a user's name, a
 * recipient or a sender.
 */
#include "session_parts.h"

/* Begins a line. The client's address stands before all that a client can choose. */
static void begin(struct log_line *line, const struct session *session, const char *event)
{
    log_open(line, LOG_INFO, event);
    session_describe_client(session, line);
    log_text(line, "tls", session->tls.up ? slice_from(session->tls.version) : SLICE("none"));
}

static void log_if_any(struct log_line *line, const char *key, struct slice value)
{
    if (value.n > 0)
        log_text(line, key, value);
}

static void log_server(struct log_line *line, const struct session *session)
{
    const struct upstream *upstream = &session->upstream;

    log_text(line, "backend", slice_from(session->service->route.backend->name));
    log_if_any(line, "server",
        slice_from(upstream->has_choice ? upstream->choice.name : session->server_name));
}

/* ---- Logins ---- */

static void log_attempt(struct log_line *line, const struct session *session)
{
    const struct dialog *dialog = session->dialog;

    log_if_any(line, "user", dialog_attempted_user(dialog));
    log_if_any(line, "mechanism", slice_from(dialog->method));
    log_server(line, session);
}

static void tell_login(struct session *session)
{
    struct log_line line;

    session->logged_in = true;
    begin(&line, session, "login");
    log_attempt(&line, session);
    log_write(&line);
}

static void tell_failure(struct session *session, enum login_end end)
{
    const struct dialog *dialog = session->dialog;
    struct log_line line;

    session->failures = dialog->failures;
    if (session->failures > SESSION_FAILURE_LINES)
        return;
    begin(&line, session, "login-failed");
    log_text(&line, "why", slice_from(login_end_text(end)));
    if (end != LOGIN_UNANSWERED)
        log_if_any(&line, "answer", slice_of(dialog->answer, dialog->answer_len));
    log_attempt(&line, session);
    log_number(&line, "failures", session->failures);
    log_write(&line);
}

void session_tell_unanswered(struct session *session)
{
    struct dialog *dialog = session->dialog;

    if (!dialog || !dialog->login_under_way)
        return;
    dialog->login_under_way = false;
    dialog->failures++;
    tell_failure(session, LOGIN_UNANSWERED);
}

/* ---- Refusals ---- */

/* Returns whether another line may be written: a client must not fill the log. */
static bool begin_refusal(
    struct session *session, struct log_line *line, const char *why, enum reason reason)
{
    session->last_refusal = reason;
    if (++session->refusals > SESSION_REFUSED_LINES)
        return false;
    begin(line, session, "refused");
    log_text(line, "reason", slice_from(why));
    if (session->dialog)
        log_if_any(line, "command", slice_from(session->dialog->verb));
    return true;
}

static void tell_refusal(struct session *session, const struct dialog_news *news)
{
    struct log_line line;

    if (!begin_refusal(session, &line, refusal_text(news->refusal), refusal_reason(news->refusal)))
        return;
    log_if_any(&line, "sender", news->sender);
    log_if_any(&line, "recipient", news->recipient);
    log_if_any(&line, "line_end", news->octets);
    log_if_any(&line, "user", session_user(session));
    log_write(&line);
}

/*
 * Returns whether a session that ends so was refused something by mailmux, by rule or by limit. TLS
 * where none is spoken, and the reverse, is no refusal: the line of the session says all of it.
 */
static bool is_refusal(enum reason reason)
{
    static const enum reason refusals[] = {REASON_INJECTION, REASON_SMUGGLING, REASON_HTTP,
        REASON_EARLY_TALKER, REASON_BAD_COMMANDS, REASON_LINE_TOO_LONG, REASON_LITERAL_TOO_LARGE,
        REASON_BDAT_REFUSED, REASON_KEY_UPDATES, REASON_PROXY_HEADER, REASON_PREAUTH,
        REASON_QUEUE_FULL, REASON_QUEUE_TIMEOUT, REASON_TOO_MANY_SESSIONS,
        REASON_TOO_MANY_HANDSHAKES};

    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        if (refusals[i] == reason)
            return true;
    }
    return false;
}

void session_tell_refused_end(struct session *session)
{
    struct log_line line;

    if (is_refusal(session->reason) && session->reason != session->last_refusal &&
        begin_refusal(session, &line, reason_text(session->reason), session->reason))
        log_write(&line);
}

void session_tell_news(struct session *session, const struct dialog_news *news)
{
    if (news->login == LOGIN_ACCEPTED)
        tell_login(session);
    else if (news->login != LOGIN_NONE)
        tell_failure(session, news->login);
    if (news->refusal != REFUSAL_NONE)
        tell_refusal(session, news);
}
