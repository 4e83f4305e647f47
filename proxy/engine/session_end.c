/* How a session ends: with a farewell, in order, or cut; and what it owes to its server. */
#include "session_parts.h"

#include <stdlib.h>
#include <string.h>

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

/* drain = 0 is about the process; an end of one session must not last for ever. */
uint64_t session_end_ms(const struct session *session)
{
    uint64_t drain_ms = session->service->config->timeouts.drain;

    return drain_ms > 0 ? drain_ms : SESSION_LINGER_MS;
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

unsigned session_give_up(struct session *session, enum reason reason)
{
    if (session->reason == REASON_NONE)
        session->reason = reason;
    return SESSION_DEAD;
}

unsigned session_close(struct session *session, enum reason reason)
{
    session->reason = reason;
    upstream_stop(&session->upstream);
    session_clear_deadlines(session);
    (void)pipe_flush(&session->pipe[LEG_CLIENT], &session->leg[LEG_SERVER], session->engine);
    session_leave_server(session);
    if (session->pipe[LEG_CLIENT].ended && session->leg[LEG_CLIENT].failure == STREAM_RESET)
        return SESSION_DEAD;
    return SESSION_FAREWELL;
}

unsigned session_say_farewell(
    struct session *session, enum dialog_farewell farewell, enum reason reason)
{
    struct pipe *pipe = &session->pipe[LEG_SERVER];

    if (pipe_reserve(pipe, session->engine, DIALOG_EXTRA / 2))
        session->service->protocol->farewell(
            farewell, session->service->dialog_policy.hostname, pipe->out);
    return session_close(session, reason);
}

unsigned session_run_farewell(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];
    struct stream *client = &session->leg[LEG_CLIENT];

    (void)pipe_flush(server, client, session->engine);
    if (server->failed)
        return SESSION_DEAD;
    return pipe_has_output(server, client) ? SESSION_WAIT : SESSION_LINGER;
}

void session_begin_linger(struct session *session)
{
    stream_shutdown(&session->leg[LEG_CLIENT], false);
}

/* Closing with unread bytes would send RST, which may overtake the last words. */
unsigned session_run_linger(struct session *session)
{
    struct stream *client = &session->leg[LEG_CLIENT];
    size_t got;

    if (stream_has_held(client) && stream_flush(client) == IO_ERR)
        return SESSION_DEAD;
    switch (stream_read(client, session->engine->scratch, sizeof(session->engine->scratch), &got)) {
    case IO_OK: /* others have their turn: a client may never stop */
        return SESSION_AGAIN;
    case IO_AGAIN:
        return SESSION_WAIT;
    case IO_EOF:
    case IO_ERR:
        break;
    }
    return SESSION_DEAD;
}

/* Before the line is written: whoever has read it may look at the counters. */
static void count(const struct session *session)
{
    struct engine_totals *totals = session->engine->totals;

    (void)atomic_fetch_sub(&totals->alive, 1);
    (void)atomic_fetch_add(&totals->served, 1);
    (void)atomic_fetch_add(&totals->attacks[reason_attack(session->reason)], 1);
}

void session_begin_death(struct session *session)
{
    struct engine *engine = session->engine;
    struct stream *client = &session->leg[LEG_CLIENT];
    struct log_line line;

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
