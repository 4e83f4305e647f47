/* The relay: bytes both ways, and what it means when one side ends. */
#include "session_parts.h"

#include <stdlib.h>

void session_begin_relay(struct session *session)
{
    struct engine *engine = session->engine;

    dialog_deinit(session->dialog);
    free(session->dialog);
    session->dialog = NULL;
    deadline_clear(&engine->deadlines, &session->line_deadline);
    deadline_clear(&engine->deadlines, &session->login_deadline);
    /* What came with or behind the login is the first content of the relay, unparsed. */
    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        struct pipe *pipe = &session->pipe[side];
        struct slice rest = buffer_held(pipe->in);

        if (rest.n > 0 && pipe_reserve(pipe, engine, rest.n))
            pipe_send(pipe, &session->leg[1 - side], rest);
        else
            pipe->failed = pipe->failed || rest.n > 0;
        buffer_give_cleansed(side == LEG_CLIENT ? &engine->lines : &engine->replies, &pipe->in);
    }
    session->active_ms = uv_now(engine->loop);
}

/* It is idle only when nothing moved since the deadline was set; else the deadline is set anew. */
unsigned session_expire_relay(struct session *session)
{
    uint64_t idle_at = session->active_ms + session->service->idle_ms;
    uint64_t now = uv_now(session->engine->loop);

    if (idle_at <= now)
        return session_give_up(session, REASON_TIMEOUT_IDLE);
    session_set_deadline(session, CLASS_IDLE, idle_at - now, REASON_TIMEOUT_IDLE);
    return SESSION_WAIT;
}

static bool has_ended(const struct pipe *pipe)
{
    return pipe->ended || pipe->failed;
}

/* The end may be held itself: then it follows when there is room. */
static bool is_over(const struct session *session, int side)
{
    const struct pipe *pipe = &session->pipe[side];

    return pipe->failed || (pipe->shut && !stream_has_held(&session->leg[1 - side]));
}

/* Why the first of the two directions ended: that is why the session did. */
static void note_reason(struct session *session)
{
    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        const struct pipe *pipe = &session->pipe[side];

        if (has_ended(pipe) && session->reason == REASON_NONE)
            session->reason = session_end_reason(session, pipe->ended ? side : 1 - side);
    }
}

unsigned session_run_relay(struct session *session)
{
    struct pipe *pipes = session->pipe;
    uint64_t before = pipes[LEG_CLIENT].bytes + pipes[LEG_SERVER].bytes;
    bool more = false;

    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        more = pipe_pump(
                   &pipes[side], &session->leg[side], &session->leg[1 - side], session->engine) ||
               more;
    }
    if (pipes[LEG_CLIENT].bytes + pipes[LEG_SERVER].bytes != before)
        session->active_ms = uv_now(session->engine->loop);
    note_reason(session);
    if (is_over(session, LEG_CLIENT) && is_over(session, LEG_SERVER))
        return SESSION_DEAD;
    if (session->reason != REASON_NONE && session->phase == SESSION_RELAY)
        return SESSION_HALF_CLOSED;
    return more ? SESSION_AGAIN : SESSION_WAIT;
}

bool session_takes_bytes(const struct session *session, int side)
{
    const struct pipe *pipe = &session->pipe[side];

    return !has_ended(pipe) && pipe_has_room(pipe) &&
           !pipe_has_output(pipe, &session->leg[1 - side]);
}

unsigned session_relay_client_events(const struct session *session)
{
    unsigned output = pipe_has_output(&session->pipe[LEG_SERVER], &session->leg[LEG_CLIENT])
                          ? (unsigned)WIRE_WRITABLE
                          : 0;

    if (session->pipe[LEG_CLIENT].ended)
        return output;
    return output |
           (unsigned)(session_takes_bytes(session, LEG_CLIENT) ? WIRE_READABLE : WIRE_HANGUP);
}
