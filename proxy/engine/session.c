#include "session_parts.h"

#include "mailmux/clock.h"
#include <stdlib.h>
#include <string.h>

static const struct config_timeouts *timeouts(const struct session *session)
{
    return &session->service->config->timeouts;
}

/* ---- Phases ---- */

static void count_handshake(struct session *session, bool begins)
{
    if (session->counted_handshake == begins)
        return;
    session->counted_handshake = begins;
    if (begins)
        (void)atomic_fetch_add(&session->engine->totals->handshakes, 1);
    else
        (void)atomic_fetch_sub(&session->engine->totals->handshakes, 1);
}

/* prefix: the start of the client's TLS, read with its STARTTLS; taken. */
static void begin_handshake(struct session *session, struct buffer **prefix)
{
    count_handshake(session, true);
    session_enter(session, SESSION_HANDSHAKE, CLASS_HANDSHAKE, timeouts(session)->handshake,
        REASON_TIMEOUT_HANDSHAKE);
    if (stream_start_tls_server(&session->leg[LEG_CLIENT], session->service->tls, prefix) != IO_OK)
        session_cut(session, REASON_NO_MEMORY);
}

static void on_event(void *owner, struct wire *wire, unsigned events);

static void begin_dial(struct session *session)
{
    session_enter(session, SESSION_DIAL, CLASS_CONNECT, 0, REASON_NONE);
    upstream_start(&session->upstream, session->engine, session->service, &session->leg[LEG_SERVER],
        &session->pipe[LEG_SERVER].in, on_event, session);
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

/* Each of these returns true when the phase has changed or there is more to do at once. */

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
    count_handshake(session, false);
    if (!session->dialog) {
        begin_dial(session);
        return true;
    }
    dialog_tls_started(session->dialog);
    if (session->renew) {
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
        session_say_farewell(session, FAREWELL_NO_BACKEND, REASON_NO_BACKEND);
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

    if (!session->service->early_talker_refuse || session->renewed)
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

static bool run_dial(struct session *session)
{
    enum upstream_result result;

    if (is_early_talker(session)) {
        session_say_farewell(session, FAREWELL_EARLY_TALKER, REASON_EARLY_TALKER);
        return true;
    }
    result = upstream_step(&session->upstream);
    if (result == UPSTREAM_BUSY)
        return false;
    session->pipe[LEG_SERVER].bytes += buffer_held(session->pipe[LEG_SERVER].in).n;
    if (session->renewed)
        take_renewed(session, result);
    else if (result == UPSTREAM_FAILED)
        session_say_farewell(session, FAREWELL_NO_BACKEND, REASON_NO_BACKEND);
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
    struct slice rest = buffer_held(client->in);
    struct buffer *prefix = NULL;

    (void)pipe_flush(client, &session->leg[LEG_SERVER], session->engine);
    (void)pipe_flush(server, &session->leg[LEG_CLIENT], session->engine);
    if (server->failed) {
        session_cut(session, session_end_reason(session, LEG_CLIENT));
        return true;
    }
    if (pipe_has_output(server, &session->leg[LEG_CLIENT]))
        return false;
    if (rest.n > 0) {
        prefix = buffer_take(&session->engine->replies);
        if (!prefix || !buffer_append(prefix, rest)) {
            buffer_give(&session->engine->replies, &prefix);
            session_cut(session, REASON_NO_MEMORY);
            return true;
        }
    }
    buffer_give_cleansed(&session->engine->lines, &client->in);
    begin_handshake(session, &prefix);
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

        over = over && (pipes[side].shut || pipes[side].failed);
        if (ended && session->reason == REASON_NONE) {
            session->reason = session_end_reason(session, pipes[side].ended ? side : 1 - side);
            session_enter(session, SESSION_RELAY, CLASS_HALF_CLOSED, timeouts(session)->drain,
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
    case IO_OK:
        return true;
    case IO_AGAIN:
        return false;
    case IO_EOF:
    case IO_ERR:
        session_cut(session, session->reason);
        return true;
    }
    return true;
}

static bool run_phase(struct session *session)
{
    switch (session->phase) {
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

void session_step(struct session *session)
{
    if (session->stepping || session->phase == SESSION_DEAD)
        return;
    session->stepping = true;
    while (run_phase(session))
        continue;
    session->stepping = false;
    if (session->phase != SESSION_DEAD)
        session_watch(session);
}

/* ---- Life ---- */

static void on_event(void *owner, struct wire *wire, unsigned events)
{
    struct session *session = owner;

    if ((events & (unsigned)WIRE_HANGUP) && wire == session->leg[LEG_CLIENT].wire)
        session_cut(session, REASON_CLIENT_RESET);
    session_step(session);
}

struct session *session_start(struct engine *engine, const struct service *service,
    struct wire *wire, const struct address *client, void *snapshot)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session) {
        wire->ops->close(wire, true);
        return NULL;
    }
    session->engine = engine;
    session->service = service;
    session->client = *client;
    session->snapshot = snapshot;
    session->started_ms = clock_monotonic_ms();
    list_append(&engine->sessions, &session->node);
    list_init(&session->again);
    engine->session_count++;
    (void)atomic_fetch_add(&engine->totals->alive, 1);
    session_init_deadlines(session);
    wire->on_event = on_event;
    wire->owner = session;
    stream_open(&session->leg[LEG_CLIENT], &engine->streams, wire);
    if (service->listener->tls != LISTENER_TLS_IMPLICIT)
        begin_dial(session);
    else if (atomic_load(&engine->totals->handshakes) >= service->config->limits.handshakes)
        session_cut(session, REASON_TOO_MANY_HANDSHAKES);
    else
        begin_handshake(session, NULL);
    session_step(session);
    return session;
}

enum reason session_end_reason(const struct session *session, int leg)
{
    bool client = leg == LEG_CLIENT;

    switch (session->leg[leg].failure) {
    case STREAM_FINE:
        return client ? REASON_CLIENT_CLOSED : REASON_SERVER_CLOSED;
    case STREAM_RESET:
        return client ? REASON_CLIENT_RESET : REASON_SERVER_RESET;
    case STREAM_TRUNCATED:
        return client ? REASON_CLIENT_TRUNCATED : REASON_SERVER_TRUNCATED;
    case STREAM_KEY_UPDATES:
        return REASON_KEY_UPDATES;
    case STREAM_HANDSHAKE:
    case STREAM_NOT_TLS:
    case STREAM_TLS_PROTOCOL:
    case STREAM_ALPN:
    case STREAM_SNI:
        return client ? REASON_CLIENT_TLS_ERROR : REASON_SERVER_TLS_ERROR;
    }
    return REASON_NONE;
}

void session_say_farewell(
    struct session *session, enum dialog_farewell farewell, enum reason reason)
{
    struct pipe *pipe = &session->pipe[LEG_SERVER];

    if (session->dialog && session->dialog->mode == DIALOG_OVER)
        return; /* its last word was said */
    if (pipe_reserve(pipe, session->engine, DIALOG_EXTRA / 2))
        session->service->protocol->farewell(
            farewell, session->service->dialog_policy.hostname, pipe->out);
    session_close(session, reason);
}

void session_drain(struct session *session)
{
    session->wants_drain = true;
    if (session->phase == SESSION_DIAL || session->phase == SESSION_DELAY ||
        (session->phase == SESSION_DIALOG && dialog_at_boundary(session->dialog))) {
        session_say_farewell(session, FAREWELL_SHUTDOWN, REASON_SHUTDOWN);
        session_step(session);
    }
}

/* The backend leg ends; a message that is not complete must not look as if it were (A32). */
static void close_server(struct session *session)
{
    struct stream *server = &session->leg[LEG_SERVER];
    bool incomplete = session->dialog && dialog_is_inside(session->dialog);

    if (!server->ops)
        return;
    if (!stream_has_held(server))
        stream_shutdown(server, incomplete || session->pipe[LEG_CLIENT].truncated);
    stream_close(server, false);
}

void session_close(struct session *session, enum reason reason)
{
    if (session->phase >= SESSION_FAREWELL)
        return;
    session->reason = reason;
    upstream_stop(&session->upstream);
    session_clear_deadlines(session);
    (void)pipe_flush(&session->pipe[LEG_CLIENT], &session->leg[LEG_SERVER], session->engine);
    close_server(session);
    if (session->pipe[LEG_CLIENT].ended && session->leg[LEG_CLIENT].failure == STREAM_RESET) {
        session_cut(session, reason);
        return;
    }
    session_enter(
        session, SESSION_FAREWELL, CLASS_LINGER, timeouts(session)->drain, session->reason);
}

void session_cut(struct session *session, enum reason reason)
{
    struct engine *engine = session->engine;
    struct stream *client = &session->leg[LEG_CLIENT];

    if (session->phase == SESSION_DEAD)
        return;
    session->phase = SESSION_DEAD;
    session->reason = reason;
    session_clear_deadlines(session);
    upstream_stop(&session->upstream);
    count_handshake(session, false);
    session_log(session);
    close_server(session);
    if (client->ops) {
        if (client->handshaken && !client->finished && !stream_has_held(client))
            stream_shutdown(client, session->pipe[LEG_SERVER].truncated);
        stream_close(client, false);
    }
    upstream_release(&session->upstream);
    pipe_deinit(&session->pipe[LEG_CLIENT], &engine->lines, engine);
    pipe_deinit(&session->pipe[LEG_SERVER], &engine->replies, engine);
    list_remove(&session->again);
    list_remove(&session->node);
    list_append(&engine->dead, &session->node);
    engine->session_count--;
    (void)atomic_fetch_sub(&engine->totals->alive, 1);
    (void)atomic_fetch_add(&engine->totals->served, 1);
    (void)atomic_fetch_add(&engine->totals->attacks[reason_attack(reason)], 1);
}

void session_free(struct session *session)
{
    if (session->dialog)
        dialog_deinit(session->dialog);
    free(session->dialog);
    free(session);
}
