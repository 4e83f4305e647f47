/*
 * The steps of a session, logged at level debug. The lines have no text of client or server. The
 * callers ask log_is_on first.
 */
#include "session_parts.h"

void session_trace_phase(const struct session *session, const char *to)
{
    struct log_line line;

    log_open(&line, LOG_DEBUG, "phase");
    log_text(&line, "id", slice_from(session->id));
    log_text(&line, "from", slice_from(session->phase_name));
    log_text(&line, "to", slice_from(to));
    if (session->reason != REASON_NONE)
        log_text(&line, "reason", slice_from(reason_text(session->reason)));
    log_write(&line);
}

static const char *action_name(const struct actions *actions)
{
    switch (actions->next) {
    case DIALOG_NOTHING:
        break;
    case DIALOG_START_TLS:
        return actions->renew_server ? "start-tls-and-renew" : "start-tls";
    case DIALOG_RENEW_SERVER:
        return "renew";
    case DIALOG_RELAY:
        return "relay";
    case DIALOG_CLOSE:
        return "close";
    }
    return "leave-server";
}

void session_trace_actions(const struct session *session, const struct actions *actions)
{
    struct log_line line;

    if (actions->next == DIALOG_NOTHING && !actions->leave_server)
        return;
    log_open(&line, LOG_DEBUG, "dialog");
    log_text(&line, "id", slice_from(session->id));
    log_text(&line, "action", slice_from(action_name(actions)));
    if (actions->next == DIALOG_CLOSE)
        log_text(&line, "reason", slice_from(reason_text(actions->reason)));
    log_write(&line);
}
