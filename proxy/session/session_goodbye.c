/*
 * The goodbye to the server when a session ends. It is said in the name of a client that has never
 * said a word, because servers complain of such clients ("lost connection after CONNECT", "no auth
 * attempts"). It begins while the client is still being served its last words, and goes on for a
 * bounded time when the client is gone. Until it is over the session keeps its place at the server.
 */
#include "session_parts.h"

/* ---- Is a goodbye due? ---- */

/*
 * Returns whether a goodbye was said already, or cannot be said: after a refused BDAT the server
 * may still wait for octets of the chunk. The client can count as wordless nevertheless, if it sent
 * its QUIT or BDAT together with a hello for which the connection was renewed.
 */
static bool has_said_goodbye(enum reason reason)
{
    return reason == REASON_QUIT || reason == REASON_BDAT_REFUSED ||
           reason_party(reason) == PARTY_SERVER;
}

static bool can_hear(const struct session *session)
{
    const struct stream *server = &session->leg[LEG_SERVER];

    return stream_is_open(server) && !server->unwritable && !server->finished &&
           server->failure == STREAM_FINE && !session->pipe[LEG_SERVER].ended &&
           session->pipe[LEG_CLIENT].fault == PIPE_FINE &&
           !pipe_has_output(&session->pipe[LEG_CLIENT], server);
}

/*
 * Returns whether the client has said nothing on this connection, like a balancer's probe or a
 * monitor. For any other client the server's log should say what it would say of one that came
 * directly.
 */
static bool is_wordless(const struct session *session)
{
    return session->pipe[LEG_CLIENT].bytes == session->words_from;
}

/*
 * Returns whether the server has sent anything else, or has ended. At a boundary that can only mean
 * that it ends the session itself. `behind`: octets of its input that are known already.
 */
static bool hear_more(struct session *session, size_t behind)
{
    struct pipe *server = &session->pipe[LEG_SERVER];

    while (pipe_fill(server, &session->leg[LEG_SERVER], &session->engine->replies))
        continue;
    return server->ended || buffer_held(server->in).n > behind;
}

static bool is_owed_goodbye(struct session *session)
{
    if (session->phase == SESSION_DELAY)
        return session->prelude->search.greeting == GREETING_READY &&
               !hear_more(session, session->prelude->search.greeting_len);
    return session->dialog && dialog_is_settled(session->dialog) && !hear_more(session, 0);
}

/* Returns whether a goodbye is due, and how it begins. */
static enum parting first_step(struct session *session)
{
    if (!session->service->protocol)
        return PARTING_NONE; /* there is no word that the server would understand */
    if (!can_hear(session) || has_said_goodbye(session->reason) || !is_wordless(session))
        return PARTING_NONE;
    /* A server that is being connected may have accepted already, and would complain. */
    if (session->phase == SESSION_DIAL || session->phase == SESSION_RENEW)
        return session->upstream.phase == UPSTREAM_TRYING ? PARTING_ARRIVING : PARTING_NONE;
    return is_owed_goodbye(session) ? PARTING_ASKED : PARTING_NONE;
}

/* ---- The goodbye ---- */

static void drop_input(struct session *session)
{
    buffer_give(&session->engine->replies, &session->pipe[LEG_SERVER].in);
}

static void say_goodbye(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_CLIENT];

    drop_input(session);
    if (pipe_reserve(pipe, session->engine, OPENING_TEXT_MAX)) {
        opening_quit(&session->prelude->search.approach.opening, pipe->out);
        session->parting = PARTING_ASKED;
    } else {
        session_leave_server(session);
    }
}

void session_part(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_CLIENT];
    enum parting first;

    (void)pipe_flush(pipe, &session->leg[LEG_SERVER], session->engine);
    first = first_step(session);
    if (first == PARTING_NONE) {
        session_leave_server(session);
        drop_input(session); /* nothing more will use it */
        return;
    }
    session->parting = first;
    deadline_set(&session->engine->deadlines, &session->parting_deadline, CLASS_LINGER,
        uv_now(session->engine->loop) + SESSION_GOODBYE_MS);
    if (first == PARTING_ARRIVING) {
        upstream_settle(&session->upstream);
    } else {
        say_goodbye(session);
    }
    session_run_parting(session);
}

void session_say_last_goodbye(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_CLIENT];

    if (!can_hear(session) || hear_more(session, 0) ||
        !pipe_reserve(pipe, session->engine, OPENING_TEXT_MAX))
        return;
    opening_quit(&session->prelude->search.approach.opening, pipe->out);
    (void)pipe_flush(pipe, &session->leg[LEG_SERVER], session->engine);
}

/* Goes on connecting. Returns false if it waits. */
static bool arrive(struct session *session)
{
    if (!upstream_step(&session->upstream))
        return false;
    if (session->upstream.phase == UPSTREAM_READY)
        say_goodbye(session);
    else
        session_leave_server(session);
    return true;
}

/*
 * Feeds the answer. Returns false if more must be read. After the answer our direction ends, and
 * the server's end is awaited.
 */
static bool hear_answer(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_CLIENT];
    struct buffer *in = session->pipe[LEG_SERVER].in;
    struct opening_turn turn;

    if (!pipe_reserve(pipe, session->engine, OPENING_TEXT_MAX))
        return false;
    turn = opening_feed(&session->prelude->search.approach.opening, buffer_held(in), pipe->out);
    if (turn.next == OPENING_MORE)
        return false;
    if (turn.used > 0)
        buffer_consume(in, turn.used);
    if (turn.next == OPENING_GO_ON)
        return true;
    stream_shutdown(&session->leg[LEG_SERVER], false);
    session->parting = PARTING_ENDED;
    return true;
}

/*
 * Reads once. Returns false if it waits. Leaves the server at its end, or if it says more than
 * fits.
 */
static bool read_more(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];

    if (!pipe_fill(server, &session->leg[LEG_SERVER], &session->engine->replies) &&
        pipe_has_room(server))
        return false;
    if (server->ended || server->fault == PIPE_NO_MEMORY || !pipe_has_room(server))
        session_leave_server(session);
    return true;
}

/* Takes one step. Returns false if it waits for the server. */
static bool step(struct session *session)
{
    switch (session->parting) {
    case PARTING_NONE:
        return false;
    case PARTING_ARRIVING:
        return arrive(session);
    case PARTING_ASKED:
        return hear_answer(session) || read_more(session);
    case PARTING_ENDED:
        drop_input(session);
        return read_more(session);
    }
    return false;
}

void session_run_parting(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    bool moved = true;

    while (moved && session->parting != PARTING_NONE) {
        (void)pipe_flush(client, &session->leg[LEG_SERVER], session->engine);
        moved = !pipe_has_output(client, &session->leg[LEG_SERVER]) && step(session);
    }
    if (session->parting != PARTING_ARRIVING) /* else the upstream uses it */
        buffer_give_if_empty(&session->engine->replies, &session->pipe[LEG_SERVER].in);
    buffer_give_if_empty(&session->engine->replies, &client->out);
}

unsigned session_parting_events(const struct session *session)
{
    if (session->parting == PARTING_ARRIVING) /* the upstream watches it */
        return stream_watched(&session->leg[LEG_SERVER]);
    if (pipe_has_output(&session->pipe[LEG_CLIENT], &session->leg[LEG_SERVER]))
        return WIRE_WRITABLE;
    return WIRE_READABLE;
}

/* ---- When the client is gone ---- */

/* Only the buffers of the client go: the goodbye uses the server's. */
void session_begin_goodbye(struct session *session)
{
    struct engine *engine = session->engine;

    session_leave_client(session);
    buffer_give_cleansed(&engine->lines, &session->pipe[LEG_CLIENT].in);
    buffer_give_cleansed(&engine->replies, &session->pipe[LEG_SERVER].out);
}

unsigned session_run_goodbye(struct session *session)
{
    session_run_parting(session);
    return session->parting == PARTING_NONE ? (unsigned)SESSION_DEAD : (unsigned)SESSION_WAIT;
}
