/* The one line that a session leaves in the log (C116). base/log escapes foreign bytes. */
#include "session_parts.h"

#include "mailmux/clock.h"
#include "mailmux/config_protocols.h"
#include "mailmux/login_advice.h"

static void log_server(struct log_line *line, const struct session *session)
{
    const struct upstream *upstream = &session->upstream;
    char address[ADDRESS_TEXT_MAX];

    if (!upstream->engine)
        return;
    log_text(line, "backend", slice_from(upstream->route->backend->name));
    if (upstream->has_choice || session->server_name) {
        log_text(line, "server",
            slice_from(upstream->has_choice ? upstream->choice.name : session->server_name));
        log_text(line, "address", slice_from(address_text(&upstream->choice.address, address)));
    }
    if (session->server_tls) {
        log_text(line, "server_tls", slice_from(session->server_tls));
        log_text(line, "server_resumed", session->server_resumed ? SLICE("yes") : SLICE("no"));
    }
    log_number(line, "tries", upstream->tries);
    if (upstream->untried)
        log_text(line, "untried", slice_from(upstream->untried));
    if (upstream->queued)
        log_number(line, "queued_ms", upstream->queued_ms);
}

/*
 * Returns whether the backend refuses logins because its connection is in clear. Before the
 * client's own TLS nothing is decided: the client cannot log in yet anyway.
 */
static bool refuses_logins(const struct session *session)
{
    const struct dialog *dialog = session->dialog;

    if (dialog->legs.server_tls || (session->service->tls && !dialog->tls))
        return false;
    return dialog->logins == DIALOG_LOGINS_REFUSED ||
           (dialog->logins == DIALOG_LOGINS_MISSING &&
               config_protocol_row(session->service->listener->protocol)->logins ==
                   PROTOCOL_LOGINS_BY_ANY);
}

void session_tell_logins(const struct session *session)
{
    enum config_protocol protocol = session->service->listener->protocol;
    struct log_line line;

    if (!refuses_logins(session) || !pool_note_logins_refused(session->service->route.pool))
        return;
    log_open(&line, LOG_WARNING, "logins-refused");
    log_text(&line, "id", slice_from(session->id));
    log_text(&line, "backend", slice_from(session->service->route.backend->name));
    if (session->upstream.has_choice)
        log_text(&line, "server", slice_from(session->upstream.choice.name));
    log_text(&line, "why", slice_from(login_advice_why(protocol)));
    log_text(&line, "remedy", slice_from(login_advice_remedy(protocol)));
    log_write(&line);
}

void session_describe_client(const struct session *session, struct log_line *line)
{
    char client[ADDRESS_TEXT_MAX];
    char via[ADDRESS_TEXT_MAX];

    log_text(line, "id", slice_from(session->id));
    log_text(line, "listener", slice_from(session->door->listener->name));
    if (session->target)
        log_text(line, "route", slice_from(session->target->text));
    log_text(line, "client", slice_from(address_text(&session->client, client)));
    if (session->via)
        log_text(line, "via", slice_from(address_text(session->via, via)));
    log_text(
        line, "protocol", slice_from(config_protocol_name(session->service->listener->protocol)));
}

void session_describe_parties(const struct session *session, struct log_line *line)
{
    session_describe_client(session, line);
    session_log_tls(session, line);
    if (session_user(session).n > 0)
        log_text(line, "user", session_user(session));
    log_server(line, session);
}

/* What the session waited for before it began: its own TLS, and the stages of the last try. */
static void log_durations(struct log_line *line, const struct session *session)
{
    const uint32_t *spent_ms = session->upstream.spent_ms;

    if (session->tls.up)
        log_number(line, "tls_ms", session->tls.lasted_ms);
    if (session->upstream.tries == 0)
        return;
    log_number(line, "connect_ms", spent_ms[APPROACH_CONNECTING]);
    if (session->server_tls)
        log_number(line, "server_tls_ms", spent_ms[APPROACH_HANDSHAKE]);
    if (session->service->protocol)
        log_number(line, "greeting_ms", spent_ms[APPROACH_OPENING]);
}

static void log_logins(struct log_line *line, const struct session *session)
{
    const char *login = session->logged_in ? "ok" : session->failures > 0 ? "failed" : "none";

    if (!session->service->protocol)
        return;
    log_text(line, "login", slice_from(login));
    log_number(line, "failures", session->failures);
}

/* The lines of refusals are bounded, so the session's line says how many there were. */
static void log_refusals(struct log_line *line, const struct session *session)
{
    if (session->refusals == 0)
        return;
    log_number(line, "refused", session->refusals);
    if (session->refusals > SESSION_REFUSED_LINES)
        log_number(line, "refused_unlogged", session->refusals - SESSION_REFUSED_LINES);
}

void session_describe(const struct session *session, struct log_line *line)
{
    log_open(line, LOG_INFO, "session");
    session_describe_parties(session, line);
    log_logins(line, session);
    log_refusals(line, session);
    log_number(line, "bytes_in", session->pipe[LEG_CLIENT].bytes);
    log_number(line, "bytes_out", session->pipe[LEG_SERVER].sent);
    log_number(line, "duration_ms", clock_monotonic_ms() - session->started_ms);
    log_durations(line, session);
    log_text(line, "phase", slice_from(session->last_phase));
    log_text(line, "reason", slice_from(reason_text(session->reason)));
    log_text(line, "ended_by", slice_from(party_text(reason_party(session->reason))));
    if (session->leg[LEG_CLIENT].detail &&
        (!session->tls.up || session->reason == REASON_CLIENT_TLS_ERROR))
        log_text(line, "detail", slice_from(session->leg[LEG_CLIENT].detail));
    session_log_tls_failure(session, line);
}
