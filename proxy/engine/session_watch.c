/* What a session waits for: readiness of its two wires, and deadlines. */
#include "session_parts.h"

static uint64_t now_ms(const struct session *session)
{
    return uv_now(session->engine->loop);
}

static const struct config_timeouts *timeouts(const struct session *session)
{
    return &session->service->config->timeouts;
}

/* ---- Deadlines ---- */

/* A relay is idle only when nothing moved since the deadline was set; else it is set anew. */
static bool is_still_active(struct session *session)
{
    uint64_t idle_at = session->active_ms + session->service->idle_ms;

    if (session->phase != SESSION_RELAY || session->phase_reason != REASON_TIMEOUT_IDLE ||
        idle_at <= now_ms(session))
        return false;
    deadline_set(&session->engine->deadlines, &session->phase_deadline, CLASS_IDLE, idle_at);
    return true;
}

static void expire(struct session *session, enum reason reason)
{
    switch (session->phase) {
    case SESSION_DIALOG:
        session_expire_dialog(session, reason);
        break;
    case SESSION_FAREWELL:
    case SESSION_LINGER:
        session_cut(session, session->reason);
        break;
    case SESSION_DELAY:
        session_end_delay(session);
        break;
    case SESSION_PROXY_HEADER:
    case SESSION_HANDSHAKE:
    case SESSION_DIAL:
    case SESSION_UPGRADE:
    case SESSION_RELAY:
        session_cut(session, session->reason != REASON_NONE ? session->reason : reason);
        break;
    case SESSION_DEAD:
        break;
    }
    session_step(session);
}

static void on_phase_deadline(struct deadline *deadline)
{
    struct session *session = LIST_ENTRY(deadline, struct session, phase_deadline);

    if (!is_still_active(session))
        expire(session, session->phase_reason);
}

static void on_line_deadline(struct deadline *deadline)
{
    expire(LIST_ENTRY(deadline, struct session, line_deadline), REASON_TIMEOUT_LINE);
}

static void on_login_deadline(struct deadline *deadline)
{
    expire(LIST_ENTRY(deadline, struct session, login_deadline), REASON_TIMEOUT_LOGIN);
}

void session_init_deadlines(struct session *session)
{
    deadline_init(&session->phase_deadline, on_phase_deadline);
    deadline_init(&session->line_deadline, on_line_deadline);
    deadline_init(&session->login_deadline, on_login_deadline);
}

void session_clear_deadlines(struct session *session)
{
    struct deadline_queue *queue = &session->engine->deadlines;

    deadline_clear(queue, &session->phase_deadline);
    deadline_clear(queue, &session->line_deadline);
    deadline_clear(queue, &session->login_deadline);
}

static void set_phase_deadline(
    struct session *session, enum engine_class class_index, uint64_t ms, enum reason expiry)
{
    session->phase_reason = expiry;
    deadline_set(
        &session->engine->deadlines, &session->phase_deadline, class_index, now_ms(session) + ms);
}

void session_enter(struct session *session, enum session_phase phase, enum engine_class class_index,
    uint64_t ms, enum reason expiry)
{
    session->phase = phase;
    if (ms == 0)
        deadline_clear(&session->engine->deadlines, &session->phase_deadline);
    else
        set_phase_deadline(session, class_index, ms, expiry);
}

/* drain = 0 is about the process; an end of one session must not last for ever. */
uint64_t session_end_ms(const struct session *session)
{
    uint64_t drain_ms = timeouts(session)->drain;

    return drain_ms > 0 ? drain_ms : SESSION_LINGER_MS;
}

/* A line must be complete `line` after its first byte, however slowly its bytes drip (A25). */
static void set_line_deadline(struct session *session)
{
    struct deadline_queue *queue = &session->engine->deadlines;
    bool partial =
        session->dialog->mode == DIALOG_LINES && buffer_held(session->pipe[LEG_CLIENT].in).n > 0;

    if (session->dialog->mode == DIALOG_DISCARD)
        return; /* the line goes on */
    if (!partial)
        deadline_clear(queue, &session->line_deadline);
    else if (!deadline_is_set(&session->line_deadline))
        deadline_set(
            queue, &session->line_deadline, CLASS_LINE, now_ms(session) + timeouts(session)->line);
}

/* A client that sends on is given the time for data; one that waits shall not wait long (C138). */
static uint64_t look_alike_ms(const struct session *session)
{
    uint64_t data_ms = timeouts(session)->data;

    return data_ms < SESSION_LOOK_ALIKE_MS ? data_ms : SESSION_LOOK_ALIKE_MS;
}

void session_set_dialog_deadlines(struct session *session)
{
    const struct dialog *dialog = session->dialog;
    struct deadline_queue *queue = &session->engine->deadlines;

    set_line_deadline(session);
    if (dialog->protocol->relays_after_login && !deadline_is_set(&session->login_deadline))
        deadline_set(queue, &session->login_deadline, CLASS_LOGIN,
            now_ms(session) + timeouts(session)->login);
    if (!dialog->started) {
        if (session->phase_reason != REASON_TIMEOUT_FIRST_COMMAND)
            set_phase_deadline(session, CLASS_FIRST_COMMAND, timeouts(session)->first_command,
                REASON_TIMEOUT_FIRST_COMMAND);
    } else if (dialog_waits_after_look_alike(dialog)) {
        set_phase_deadline(session, CLASS_LOOK_ALIKE, look_alike_ms(session), REASON_TIMEOUT_DATA);
    } else if (dialog->mode == DIALOG_MESSAGE || dialog->mode == DIALOG_COUNTED) {
        set_phase_deadline(session, CLASS_DATA, timeouts(session)->data, REASON_TIMEOUT_DATA);
    } else if (!dialog_at_boundary(dialog)) {
        /* A message's last reply may take its time [RFC 5321 4.5.3.2.6]. */
        set_phase_deadline(session, CLASS_DATA, timeouts(session)->data, REASON_TIMEOUT_REPLY);
    } else {
        set_phase_deadline(
            session, CLASS_COMMAND, timeouts(session)->smtp_command, REASON_TIMEOUT_COMMAND);
    }
}

/* ---- Readiness ---- */

static unsigned writable_if(bool wanted)
{
    return wanted ? (unsigned)WIRE_WRITABLE : 0;
}

static unsigned dialog_client_events(const struct session *session)
{
    const struct pipe *pipe = &session->pipe[LEG_CLIENT];

    if (pipe->ended)
        return 0;
    if (!dialog_wants_client(session->dialog) || pipe_has_output(pipe, &session->leg[LEG_SERVER]))
        return WIRE_HANGUP;
    return WIRE_READABLE;
}

/* A side whose bytes nobody takes, now or any more, is not read: it would be reported for ever. */
static bool takes_bytes(const struct session *session, int side)
{
    const struct pipe *pipe = &session->pipe[side];

    return !pipe->ended && !pipe->failed && pipe_has_room(pipe) &&
           !pipe_has_output(pipe, &session->leg[1 - side]);
}

bool session_minds_early_talk(const struct session *session)
{
    return session->service->early_talker_refuse && !session->renewed;
}

static unsigned client_events(const struct session *session)
{
    const struct stream *leg = &session->leg[LEG_CLIENT];
    unsigned output = writable_if(pipe_has_output(&session->pipe[LEG_SERVER], leg));

    switch (session->phase) {
    case SESSION_PROXY_HEADER:
    case SESSION_HANDSHAKE:
        return WIRE_READABLE | output;
    case SESSION_DIAL:
    case SESSION_DELAY:
        return session_minds_early_talk(session) ? WIRE_READABLE : WIRE_HANGUP;
    case SESSION_DIALOG:
        return dialog_client_events(session) | output;
    case SESSION_UPGRADE:
    case SESSION_FAREWELL:
        return WIRE_HANGUP | output;
    case SESSION_RELAY:
        if (session->pipe[LEG_CLIENT].ended)
            return output;
        return output | (unsigned)(takes_bytes(session, LEG_CLIENT) ? WIRE_READABLE : WIRE_HANGUP);
    case SESSION_LINGER:
        return WIRE_READABLE | output;
    case SESSION_DEAD:
        return 0;
    }
    return 0;
}

static unsigned server_events(const struct session *session)
{
    return (takes_bytes(session, LEG_SERVER) ? (unsigned)WIRE_READABLE : 0) |
           writable_if(pipe_has_output(&session->pipe[LEG_CLIENT], &session->leg[LEG_SERVER]));
}

void session_watch(struct session *session)
{
    if (session->leg[LEG_CLIENT].ops)
        wire_watch(session->leg[LEG_CLIENT].wire, client_events(session));
    if (!session->leg[LEG_SERVER].ops)
        return;
    switch (session->phase) {
    case SESSION_DIALOG:
    case SESSION_RELAY:
        wire_watch(session->leg[LEG_SERVER].wire, server_events(session));
        break;
    case SESSION_HANDSHAKE: /* what the backend says now waits in the kernel */
    case SESSION_DELAY:
    case SESSION_UPGRADE:
        wire_watch(session->leg[LEG_SERVER].wire, 0);
        break;
    case SESSION_PROXY_HEADER: /* there is none yet */
    case SESSION_DIAL:         /* the upstream's own business */
    case SESSION_FAREWELL:
    case SESSION_LINGER:
    case SESSION_DEAD:
        break;
    }
}
