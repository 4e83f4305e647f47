/*
 * The line for SIGUSR1: what a session does now. Like the line at its end it has names, numbers and
 * reasons, and no text of client or server.
 */
#include "session_parts.h"

#include "mailmux/clock.h"

/* ---- The way to the server ---- */

static bool is_on_its_way(const struct session *session)
{
    return session->phase == SESSION_DIAL || session->phase == SESSION_RENEW ||
           session->parting == PARTING_ARRIVING;
}

static const char *parting_name(enum parting parting)
{
    switch (parting) {
    case PARTING_NONE:
        break;
    case PARTING_ARRIVING:
        return "arriving";
    case PARTING_ASKED:
        return "asked";
    case PARTING_ENDED:
        return "ended";
    }
    return "none";
}

/* ---- What it waits for ---- */

static const char *events_text(unsigned events)
{
    static const char *const names[] = {"nothing", "read", "write", "read+write", "hangup",
        "read+hangup", "write+hangup", "read+write+hangup"};

    _Static_assert(WIRE_READABLE == 1 && WIRE_WRITABLE == 2 && WIRE_HANGUP == 4, "bits in order");
    return names[events & 7u];
}

static const struct deadline *earlier(const struct deadline *one, const struct deadline *other)
{
    if (!deadline_is_set(other))
        return one;
    return one && one->expires_ms <= other->expires_ms ? one : other;
}

static const struct deadline *next_deadline(const struct session *session)
{
    const struct session_prelude *prelude = session->prelude;
    const struct deadline *next = earlier(NULL, &session->phase_deadline);

    next = earlier(next, &session->parting_deadline);
    next = earlier(next, &session->stall[LEG_CLIENT].deadline);
    next = earlier(next, &session->stall[LEG_SERVER].deadline);
    if (!prelude)
        return next;
    next = earlier(next, &prelude->line_deadline);
    next = earlier(next, &prelude->login_deadline);
    next = earlier(next, &prelude->search.try_deadline);
    return earlier(next, &prelude->search.deadline);
}

static void describe_deadline(const struct session *session, struct log_line *line)
{
    const struct deadline *next = next_deadline(session);
    uint64_t now = uv_now(session->engine->loop);

    if (!next)
        return;
    log_text(line, "deadline", slice_from(engine_class_name(next)));
    log_number(line, "deadline_ms", next->expires_ms > now ? next->expires_ms - now : 0);
}

static void describe_leg(const struct session *session, struct log_line *line, int leg)
{
    static const char *const watch[] = {"client_watch", "server_watch"};
    static const char *const unacked[] = {"client_unacked", "server_unacked"};
    const struct stream *stream = &session->leg[leg];

    if (!stream_is_open(stream))
        return;
    log_text(line, watch[leg], slice_from(events_text(stream_watched(stream))));
    log_number(line, unacked[leg], stream_unacknowledged(stream));
}

/* ---- What it holds ---- */

static size_t waiting_for(const struct session *session, int leg)
{
    size_t octets = pipe_waiting(&session->pipe[1 - leg]) + stream_held(&session->leg[leg]);

    return leg == LEG_SERVER && session->prelude
               ? octets + buffer_held(session->prelude->search.approach.output).n
               : octets;
}

static void describe_buffers(const struct session *session, struct log_line *line)
{
    log_number(line, "from_client", buffer_held(session->pipe[LEG_CLIENT].in).n);
    log_number(line, "to_server", waiting_for(session, LEG_SERVER));
    log_number(line, "from_server", buffer_held(session->pipe[LEG_SERVER].in).n);
    log_number(line, "to_client", waiting_for(session, LEG_CLIENT));
    log_number(line, "bytes_in", session->pipe[LEG_CLIENT].bytes);
    log_number(line, "bytes_out", session->pipe[LEG_SERVER].sent);
}

/* ---- The whole ---- */

static void describe_phase(const struct session *session, struct log_line *line)
{
    log_text(line, "phase", slice_from(session->phase_name));
    log_number(line, "phase_ms", uv_now(session->engine->loop) - session->phase_since_ms);
    log_number(line, "duration_ms", clock_monotonic_ms() - session->started_ms);
    if (is_on_its_way(session))
        log_text(line, "way", slice_from(upstream_way(&session->upstream)));
    if (session->parting != PARTING_NONE)
        log_text(line, "goodbye", slice_from(parting_name(session->parting)));
    if (session->reason != REASON_NONE)
        log_text(line, "reason", slice_from(reason_text(session->reason)));
}

void session_describe_state(const struct session *session, struct log_line *line)
{
    log_open(line, LOG_INFO, "state-session");
    log_number(line, "generation", log_generation());
    session_describe_parties(session, line);
    log_number(line, "worker", session->sessions->worker);
    describe_phase(session, line);
    describe_deadline(session, line);
    for (int leg = LEG_CLIENT; leg <= LEG_SERVER; leg++)
        describe_leg(session, line, leg);
    describe_buffers(session, line);
}
