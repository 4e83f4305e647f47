/* The relay: bytes both ways, and what it means if one side ends. */
#include "session_parts.h"

/* A route that is a guess may be left again, and then a server is looked for anew. */
static void leave_prelude(struct session *session)
{
    if (!session->is_guess)
        session_end_prelude(session);
}

void session_begin_relay(struct session *session)
{
    struct engine *engine = session->engine;
    bool is_passed = !session->service->protocol;

    session_end_dialog(session);
    stream_set_secret(&session->leg[LEG_CLIENT], false);
    /* What came with or after the login, or decided the route, is relayed first, unread. */
    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        struct pipe *pipe = &session->pipe[side];
        struct slice rest = buffer_held(pipe->in);

        pipe_note_tail(pipe, rest);
        if (rest.n > 0 && pipe_reserve(pipe, engine, rest.n))
            pipe_send(pipe, &session->leg[1 - side], rest);
        else if (rest.n > 0)
            pipe->fault = PIPE_NO_MEMORY;
        pipe->is_opaque = true;
        stream_leave_library(&session->leg[side]);
        pipe->resets = side == LEG_SERVER || is_passed;
        pipe->may_splice = true;
        pipe->keeps_tail = !is_passed && session->service->protocol->last_words;
        buffer_give_cleansed(side == LEG_CLIENT ? &engine->lines : &engine->replies, &pipe->in);
    }
    session->active_ms = uv_now(engine->loop);
    leave_prelude(session);
}

/*
 * The deadline is not set for each byte. So when it expires, the time of the last byte decides
 * whether the relay was idle, or the deadline is set anew.
 */
unsigned session_expire_relay(struct session *session)
{
    uint64_t idle_at = session->active_ms + session->service->idle_ms;
    uint64_t now = uv_now(session->engine->loop);

    if (idle_at <= now)
        return session_give_up(session, REASON_TIMEOUT_IDLE);
    session_set_deadline(session, CLASS_IDLE, idle_at - now, REASON_TIMEOUT_IDLE);
    return SESSION_WAIT;
}

/* Like session_expire_relay, for the time `half_closed`, which began when one side ended. */
unsigned session_expire_half_closed(struct session *session)
{
    uint64_t over_at = session->active_ms + session->service->config->timeouts.half_closed;
    uint64_t now = uv_now(session->engine->loop);

    if (over_at > now) {
        session_set_deadline(session, CLASS_HALF_CLOSED, over_at - now, REASON_TIMEOUT_LINGER);
        return SESSION_WAIT;
    }
    /* The server's words are complete, but may not have reached the client yet. */
    if (session->pipe[LEG_SERVER].told != PIPE_UNTOLD)
        return SESSION_LINGER;
    return session_give_up(session, REASON_TIMEOUT_LINGER);
}

/*
 * Returns why the session ends with the end of that side. A clean end behind QUIT or LOGOUT and its
 * answer is the client's, whichever side closes first, and so is that of a client that does not
 * wait for the answer.
 */
static enum reason reason_of_end(const struct session *session, int side)
{
    const struct pipe *client = &session->pipe[LEG_CLIENT];
    const struct pipe *server = &session->pipe[LEG_SERVER];
    enum reason reason = session_end_reason(session, side);
    enum last_words words = LAST_WORDS_NONE;

    if (session->service->protocol && session->service->protocol->last_words)
        words = session->service->protocol->last_words(
            slice_of(client->tail, client->tail_len), slice_of(server->tail, server->tail_len));
    switch (words) {
    case LAST_WORDS_NONE:
        return reason;
    case LAST_WORDS_QUIT:
        return session_client_may_leave(reason) ? REASON_QUIT : reason;
    case LAST_WORDS_ANSWERED:
        return reason == REASON_STALLED ? reason : REASON_QUIT;
    case LAST_WORDS_SERVER:
        return side == LEG_SERVER ? REASON_SERVER_FAREWELL : reason;
    }
    return reason;
}

/* Sets the reason of the session: why the first of its two directions ended. */
static void note_reason(struct session *session)
{
    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        const struct pipe *pipe = &session->pipe[side];

        if ((!pipe->ended && pipe->fault != PIPE_SINK_GONE) || session->reason != REASON_NONE)
            continue;
        session->reason = reason_of_end(session, pipe->ended ? side : 1 - side);
        session_tell_refused_end(session);
    }
}

/*
 * Returns whether the client has ended and gets nothing any more. All that it sent has been read.
 */
static bool is_client_gone(const struct session *session)
{
    const struct pipe *client = &session->pipe[LEG_CLIENT];

    return client->ended && (session->leg[LEG_CLIENT].failure == STREAM_RESET ||
                                session->pipe[LEG_SERVER].fault == PIPE_SINK_GONE);
}

/* Returns whether everything of the server has been sent to the client, and its end, too. */
static bool is_server_done(const struct session *session)
{
    return session->pipe[LEG_SERVER].told != PIPE_UNTOLD &&
           !stream_has_held(&session->leg[LEG_CLIENT]);
}

/* Returns whether the client's direction is over, or the server takes nothing any more. */
static bool is_client_done(const struct session *session)
{
    const struct pipe *client = &session->pipe[LEG_CLIENT];
    const struct stream *server = &session->leg[LEG_SERVER];

    return client->fault == PIPE_SINK_GONE || server->failure != STREAM_FINE ||
           (client->told != PIPE_UNTOLD && !stream_has_held(server));
}

/*
 * Returns what comes next after the directions have moved. The first end of a direction begins
 * SESSION_HALF_CLOSED. When both directions are over, SESSION_LINGER lets the client take the rest.
 */
static unsigned take_ends(struct session *session)
{
    const struct pipe *pipes = session->pipe;

    if (pipes[LEG_CLIENT].fault == PIPE_NO_MEMORY || pipes[LEG_SERVER].fault == PIPE_NO_MEMORY)
        return session_give_up(session, REASON_NO_MEMORY);
    note_reason(session);
    if (is_client_gone(session))
        return session_lose_client(session);
    if (session->reason == REASON_NONE)
        return SESSION_WAIT;
    if (session->phase == SESSION_RELAY)
        return SESSION_HALF_CLOSED;
    return is_server_done(session) && is_client_done(session) ? SESSION_LINGER : SESSION_WAIT;
}

/*
 * Returns whether the client of a route that was chosen by silence speaks, and the server does not.
 * Once the server has spoken, or one of them has ended, the choice stays.
 */
static bool is_client_first(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];

    (void)pipe_pump(server, &session->leg[LEG_SERVER], &session->leg[LEG_CLIENT], session->engine);
    session->is_guess = server->bytes == 0 && !server->ended && !session->pipe[LEG_CLIENT].ended;
    return session_speaks_after_all(session);
}

/*
 * The server's direction comes first. A write to a server that has gone finds its reset, and that
 * must not come before the server's last words were read.
 */
unsigned session_run_relay(struct session *session)
{
    struct pipe *pipes = session->pipe;
    uint64_t before = pipes[LEG_CLIENT].bytes + pipes[LEG_SERVER].bytes;
    bool more = false;
    unsigned next;

    if (session->is_guess && is_client_first(session))
        return session_route_anew(session);
    leave_prelude(session);
    for (int side = LEG_SERVER; side >= LEG_CLIENT; side--) {
        more = pipe_pump(
                   &pipes[side], &session->leg[side], &session->leg[1 - side], session->engine) ||
               more;
    }
    if (pipes[LEG_CLIENT].bytes + pipes[LEG_SERVER].bytes != before)
        session->active_ms = uv_now(session->engine->loop);
    next = take_ends(session);
    return next == SESSION_WAIT && more ? (unsigned)SESSION_AGAIN : next;
}

bool session_takes_bytes(const struct session *session, int side)
{
    const struct pipe *pipe = &session->pipe[side];

    return !pipe->ended && pipe_has_room(pipe) && !pipe_has_output(pipe, &session->leg[1 - side]);
}

unsigned session_output_for(const struct session *session, int leg)
{
    return pipe_has_output(&session->pipe[1 - leg], &session->leg[leg]) ? (unsigned)WIRE_WRITABLE
                                                                        : 0;
}

/* A client that is not read is watched for hang-up only: else its bytes are reported for ever. */
unsigned session_relay_client_events(const struct session *session)
{
    return session_output_for(session, LEG_CLIENT) |
           (unsigned)(session_takes_bytes(session, LEG_CLIENT) ? WIRE_READABLE : WIRE_HANGUP);
}
