/*
 * What a session does in each of its phases. Every run_* returns true when the phase has changed or
 * there is more to do at once.
 */
#include "session_parts.h"

#include <stdlib.h>

static const struct config_timeouts *timeouts(const struct session *session)
{
    return &session->service->config->timeouts;
}

void session_count_handshake(struct session *session, bool begins)
{
    if (session->counted_handshake == begins)
        return;
    session->counted_handshake = begins;
    if (begins)
        (void)atomic_fetch_add(&session->engine->totals->handshakes, 1);
    else
        (void)atomic_fetch_sub(&session->engine->totals->handshakes, 1);
}

/* Out of the buffer for lines, which TLS does not take. */
static bool take_prefix(struct session *session, struct buffer **prefix)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    struct slice rest = buffer_held(client->in);
    bool good = true;

    if (rest.n > 0) {
        *prefix = buffer_take(&session->engine->replies);
        good = *prefix && buffer_append(*prefix, rest);
        client->bytes -= rest.n; /* they count when TLS has made plaintext of them */
    }
    buffer_give_cleansed(&session->engine->lines, &client->in);
    return good;
}

void session_begin_handshake(struct session *session)
{
    struct buffer *prefix = NULL;

    if (!take_prefix(session, &prefix)) {
        buffer_give(&session->engine->replies, &prefix);
        session_cut(session, REASON_NO_MEMORY);
        return;
    }
    session_count_handshake(session, true);
    session_enter(session, SESSION_HANDSHAKE, CLASS_HANDSHAKE, timeouts(session)->handshake,
        REASON_TIMEOUT_HANDSHAKE);
    if (stream_start_tls_server(&session->leg[LEG_CLIENT], session->service->tls, &prefix) != IO_OK)
        session_cut(session, REASON_NO_MEMORY);
}

void session_begin_dial(struct session *session)
{
    const struct upstream_client client = {.source = &session->client,
        .destination = &session->local,
        .leg = &session->leg[LEG_CLIENT],
        .front_tls = session->front_tls,
        .id = slice_from(session->id)};

    session_enter(session, SESSION_DIAL, CLASS_CONNECT, 0, REASON_NONE);
    upstream_start(&session->upstream, session->engine, session->service, &client,
        &session->leg[LEG_SERVER], &session->pipe[LEG_SERVER].in, session_on_event, session);
}

static void begin_renewal(struct session *session)
{
    session->renew = false;
    session->renewed = true;
    stream_shutdown(&session->leg[LEG_SERVER], false);
    stream_close(&session->leg[LEG_SERVER], false);
    pipe_deinit(&session->pipe[LEG_SERVER], &session->engine->replies, session->engine);
    session->pipe[LEG_SERVER] = (struct pipe){.bytes = session->pipe[LEG_SERVER].bytes};
    session->pipe[LEG_CLIENT].failed = false;
    /* What the old connection did not take was said in clear, and to it. */
    buffer_give_cleansed(&session->engine->replies, &session->pipe[LEG_CLIENT].out);
    session_enter(session, SESSION_DIAL, CLASS_CONNECT, 0, REASON_NONE);
    upstream_restart(&session->upstream);
}

void session_begin_relay(struct session *session)
{
    struct engine *engine = session->engine;

    dialog_deinit(session->dialog);
    free(session->dialog);
    session->dialog = NULL;
    session_clear_deadlines(session);
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
    session_enter(
        session, SESSION_RELAY, CLASS_IDLE, session->service->idle_ms, REASON_TIMEOUT_IDLE);
}

static enum reason handshake_reason(const struct session *session)
{
    switch (session->leg[LEG_CLIENT].failure) {
    case STREAM_NOT_TLS:
        return session->dialog ? REASON_HANDSHAKE_FAILED : REASON_PLAINTEXT_ON_TLS_PORT;
    case STREAM_ALPN:
        return REASON_ALPN;
    case STREAM_SNI:
        return REASON_SNI;
    case STREAM_KEY_UPDATES:
        return REASON_KEY_UPDATES;
    case STREAM_RESET:
        return REASON_CLIENT_RESET;
    case STREAM_TRUNCATED:
        return REASON_CLIENT_CLOSED;
    case STREAM_FINE:
    case STREAM_HANDSHAKE:
    case STREAM_TLS_PROTOCOL:
        return REASON_HANDSHAKE_FAILED;
    }
    return REASON_HANDSHAKE_FAILED;
}

static bool run_handshake(struct session *session)
{
    enum io status = stream_handshake(&session->leg[LEG_CLIENT]);

    if (status == IO_AGAIN)
        return false;
    session_note_tls(session);
    if (status != IO_OK) {
        session_cut(session, handshake_reason(session));
        return true;
    }
    session_count_handshake(session, false);
    if (!session->dialog) {
        session_begin_dial(session);
        return true;
    }
    dialog_tls_started(session->dialog);
    if (session->renew || upstream_has_told_less(&session->upstream)) {
        begin_renewal(session);
        return true;
    }
    session_enter(session, SESSION_DIALOG, CLASS_CONNECT, 0, REASON_NONE);
    session_set_dialog_deadlines(session);
    return true;
}

/* A fresh backend connection behind a dialog that goes on: its greeting is swallowed. */
static void take_renewed(struct session *session, enum upstream_result result)
{
    if (result != UPSTREAM_READY || session->upstream.greeting != GREETING_READY) {
        session_say_farewell(session, FAREWELL_NO_BACKEND, session->upstream.reason);
        return;
    }
    buffer_consume(session->pipe[LEG_SERVER].in, session->upstream.greeting_len);
    session_enter(session, SESSION_DIALOG, CLASS_CONNECT, 0, REASON_NONE);
    session_set_dialog_deadlines(session);
}

void session_end_delay(struct session *session)
{
    session_start_dialog(session, session->upstream.greeting, session->upstream.greeting_len);
}

/*
 * A client that speaks before the greeting does not wait for answers either: often a spam robot.
 * Only where the operator wants it; else its bytes wait in the kernel (C11).
 */
static bool is_early_talker(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    if (!session_minds_early_talk(session))
        return false;
    (void)pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines);
    if (buffer_held(client->in).n > 0)
        return true;
    buffer_give_if_empty(&session->engine->lines, &client->in);
    return false;
}

static bool run_delay(struct session *session)
{
    if (!is_early_talker(session))
        return false;
    session_say_farewell(session, FAREWELL_EARLY_TALKER, REASON_EARLY_TALKER);
    return true;
}

/*
 * A client that ends its direction while it waits for a place has left, most likely, and others
 * want its turn. Should it still be there, it hears that it is to come again.
 */
static bool leave_queue_if_gone(struct session *session)
{
    bool is_gone = (session->leg[LEG_CLIENT].wire->ready & (unsigned)WIRE_FIN) != 0 ||
                   session->pipe[LEG_CLIENT].ended;

    if (!is_gone || session->upstream.phase != UPSTREAM_QUEUED)
        return false;
    session_say_farewell(session, FAREWELL_NO_BACKEND, REASON_CLIENT_CLOSED);
    return true;
}

static bool run_dial(struct session *session)
{
    enum upstream_result result;

    if (is_early_talker(session)) {
        session_say_farewell(session, FAREWELL_EARLY_TALKER, REASON_EARLY_TALKER);
        return true;
    }
    result = upstream_step(&session->upstream);
    if (result == UPSTREAM_BUSY)
        return leave_queue_if_gone(session);
    session->pipe[LEG_SERVER].bytes += buffer_held(session->pipe[LEG_SERVER].in).n;
    session_note_server_tls(session);
    if (session->renewed)
        take_renewed(session, result);
    else if (result == UPSTREAM_FAILED)
        session_say_farewell(session, FAREWELL_NO_BACKEND, session->upstream.reason);
    else if (session->service->greeting_delay_ms > 0)
        session_enter(session, SESSION_DELAY, CLASS_GREETING_DELAY,
            session->service->greeting_delay_ms, REASON_NONE);
    else
        session_end_delay(session);
    if (session->wants_drain)
        session_drain(session);
    return true;
}

/* The go-ahead is flushed; what was read behind the STARTTLS is the start of its TLS (C18). */
static bool run_upgrade(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    struct pipe *server = &session->pipe[LEG_SERVER];

    (void)pipe_flush(client, &session->leg[LEG_SERVER], session->engine);
    (void)pipe_flush(server, &session->leg[LEG_CLIENT], session->engine);
    if (server->failed) {
        session_cut(session, session_end_reason(session, LEG_CLIENT));
        return true;
    }
    if (pipe_has_output(server, &session->leg[LEG_CLIENT]))
        return false;
    session_begin_handshake(session);
    return true;
}

static bool run_relay(struct session *session)
{
    struct pipe *pipes = session->pipe;
    uint64_t before = pipes[LEG_CLIENT].bytes + pipes[LEG_SERVER].bytes;
    bool more = false;
    bool over = true;

    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        more = pipe_pump(
                   &pipes[side], &session->leg[side], &session->leg[1 - side], session->engine) ||
               more;
    }
    if (pipes[LEG_CLIENT].bytes + pipes[LEG_SERVER].bytes != before)
        session->active_ms = uv_now(session->engine->loop);
    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++) {
        bool ended = pipes[side].ended || pipes[side].failed;

        /* The end may be held itself: then it follows when there is room. */
        over = over && (pipes[side].failed ||
                           (pipes[side].shut && !stream_has_held(&session->leg[1 - side])));
        if (ended && session->reason == REASON_NONE) {
            session->reason = session_end_reason(session, pipes[side].ended ? side : 1 - side);
            session_enter(session, SESSION_RELAY, CLASS_HALF_CLOSED, session_end_ms(session),
                REASON_TIMEOUT_LINGER);
        }
    }
    if (over)
        session_cut(session, session->reason);
    else if (more)
        engine_step_again(session->engine, session);
    return over;
}

static bool run_farewell(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];
    struct stream *client = &session->leg[LEG_CLIENT];

    (void)pipe_flush(server, client, session->engine);
    if (!server->failed && pipe_has_output(server, client))
        return false;
    if (server->failed) {
        session_cut(session, session->reason);
        return true;
    }
    stream_shutdown(client, false);
    session_enter(session, SESSION_LINGER, CLASS_LINGER, SESSION_LINGER_MS, session->reason);
    return true;
}

/* Closing with unread bytes would send RST, which may overtake the last words. */
static bool run_linger(struct session *session)
{
    struct stream *client = &session->leg[LEG_CLIENT];
    size_t got;

    if (stream_has_held(client) && stream_flush(client) == IO_ERR) {
        session_cut(session, session->reason);
        return true;
    }
    switch (stream_read(client, session->engine->scratch, sizeof(session->engine->scratch), &got)) {
    case IO_OK: /* others have their turn: a client may never stop */
        engine_step_again(session->engine, session);
        return false;
    case IO_AGAIN:
        return false;
    case IO_EOF:
    case IO_ERR:
        session_cut(session, session->reason);
        return true;
    }
    return true;
}

bool session_run_phase(struct session *session)
{
    switch (session->phase) {
    case SESSION_PROXY_HEADER:
        return session_run_proxy_header(session);
    case SESSION_HANDSHAKE:
        return run_handshake(session);
    case SESSION_DIAL:
        return run_dial(session);
    case SESSION_DELAY:
        return run_delay(session);
    case SESSION_DIALOG:
        if (session_run_dialog(session)) {
            engine_step_again(session->engine, session);
            return false;
        }
        return session->phase != SESSION_DIALOG;
    case SESSION_UPGRADE:
        return run_upgrade(session);
    case SESSION_RELAY:
        return run_relay(session);
    case SESSION_FAREWELL:
        return run_farewell(session);
    case SESSION_LINGER:
        return run_linger(session);
    case SESSION_DEAD:
        return false;
    }
    return false;
}
