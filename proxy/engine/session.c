/* The life of a session: its start, its step, its only ends. */
#include "session_parts.h"

#include "mailmux/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void session_step(struct session *session)
{
    if (session->stepping || session->phase == SESSION_DEAD)
        return;
    session->stepping = true;
    while (session_run_phase(session))
        continue;
    session->stepping = false;
    if (session->phase != SESSION_DEAD)
        session_watch(session);
}

void session_on_event(void *owner, struct wire *wire, unsigned events)
{
    struct session *session = owner;

    if ((events & (unsigned)WIRE_HANGUP) && wire == session->leg[LEG_CLIENT].wire) {
        /* Nobody reads it any more, so nobody else notes that this end was no clean one. */
        session->pipe[LEG_CLIENT].truncated = true;
        session_cut(
            session, session->reason == REASON_NONE ? REASON_CLIENT_RESET : session->reason);
    }
    session_step(session);
}

static void name_session(struct session *session)
{
    struct engine_totals *totals = session->engine->totals;

    (void)snprintf(session->id, sizeof(session->id), "%" PRIx64 "-%" PRIx64, totals->seed,
        (uint64_t)atomic_fetch_add(&totals->begun, 1));
}

struct session *session_start(struct engine *engine, const struct service *service,
    struct wire *wire, const struct address *client, const struct address *local, void *snapshot)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session) {
        wire->ops->close(wire, true);
        return NULL;
    }
    session->engine = engine;
    session->service = service;
    session->client = *client;
    session->local = *local;
    name_session(session);
    session->snapshot = snapshot;
    session->started_ms = clock_monotonic_ms();
    list_append(&engine->sessions, &session->node);
    list_init(&session->again);
    engine->session_count++;
    (void)atomic_fetch_add(&engine->totals->alive, 1);
    session_init_deadlines(session);
    wire->on_event = session_on_event;
    wire->owner = session;
    stream_open(&session->leg[LEG_CLIENT], &engine->streams, wire);
    session_begin(session);
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
    if (session->phase == SESSION_PROXY_HEADER)
        session_cut(session, REASON_SHUTDOWN); /* nothing was said yet */
    else if (session->phase == SESSION_DIAL || session->phase == SESSION_DELAY ||
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

/* However long the client takes to go; the log keeps its name. */
void session_leave_server(struct session *session)
{
    struct upstream *upstream = &session->upstream;

    close_server(session);
    if (upstream->has_choice)
        session->server_name = strdup(upstream->choice.name);
    upstream_release(upstream);
    /* What it did not take is nobody's, and no reason not to read the client. */
    buffer_give_cleansed(&session->engine->replies, &session->pipe[LEG_CLIENT].out);
    session->pipe[LEG_CLIENT].failed = false;
}

void session_close(struct session *session, enum reason reason)
{
    if (session->phase >= SESSION_FAREWELL)
        return;
    session->reason = reason;
    upstream_stop(&session->upstream);
    session_clear_deadlines(session);
    (void)pipe_flush(&session->pipe[LEG_CLIENT], &session->leg[LEG_SERVER], session->engine);
    session_leave_server(session);
    if (session->pipe[LEG_CLIENT].ended && session->leg[LEG_CLIENT].failure == STREAM_RESET) {
        session_cut(session, reason);
        return;
    }
    session_enter(
        session, SESSION_FAREWELL, CLASS_LINGER, session_end_ms(session), session->reason);
}

/* Before the line is written: whoever has read it may look at the counters. */
static void count(const struct session *session)
{
    struct engine_totals *totals = session->engine->totals;

    (void)atomic_fetch_sub(&totals->alive, 1);
    (void)atomic_fetch_add(&totals->served, 1);
    (void)atomic_fetch_add(&totals->attacks[reason_attack(session->reason)], 1);
}

void session_cut(struct session *session, enum reason reason)
{
    struct engine *engine = session->engine;
    struct stream *client = &session->leg[LEG_CLIENT];
    struct log_line line;

    if (session->phase == SESSION_DEAD)
        return;
    session->phase = SESSION_DEAD;
    session->reason = reason;
    session_clear_deadlines(session);
    upstream_stop(&session->upstream);
    session_count_handshake(session, false);
    count(session);
    session_describe(session, &line); /* while the server's name is known */
    close_server(session);
    upstream_release(&session->upstream);
    log_write(&line); /* whoever has read it finds the place at the server free */
    if (client->ops) {
        if (client->handshaken && !client->finished && !stream_has_held(client))
            stream_shutdown(client, session->pipe[LEG_SERVER].truncated);
        stream_close(client, false);
    }
    pipe_deinit(&session->pipe[LEG_CLIENT], &engine->lines, engine);
    pipe_deinit(&session->pipe[LEG_SERVER], &engine->replies, engine);
    list_remove(&session->again);
    list_remove(&session->node);
    list_append(&engine->dead, &session->node);
    engine->session_count--;
}

void session_free(struct session *session)
{
    if (session->dialog)
        dialog_deinit(session->dialog);
    free(session->dialog);
    free(session->server_name);
    free(session->front_tls);
    free(session);
}
