/* The way to a backend: dialling, the delayed greeting, and renewals. */
#include "session_parts.h"

/* ---- The first time ---- */

/* Finds our address of the client's connection, if the server gets it and no header has it. */
static void find_local(struct session *session)
{
    if (session->service->route.backend->send_client_address != SEND_ADDRESS_NONE &&
        address_family(&session->prelude->local) == 0)
        (void)stream_local_address(&session->leg[LEG_CLIENT], &session->prelude->local);
}

void session_begin_dial(struct session *session)
{
    const struct upstream_client client = {.source = &session->client,
        .destination = &session->prelude->local,
        .leg = &session->leg[LEG_CLIENT],
        .front_tls = session->front_tls,
        .sni = session->tls.sni ? slice_from(session->tls.sni) : SLICE(""),
        .id = slice_from(session->id)};

    find_local(session);
    upstream_start(&session->upstream, &session->prelude->search, session->engine,
        &session->service->route, &client, &session->leg[LEG_SERVER], &session->pipe[LEG_SERVER].in,
        session->on_event, session);
}

bool session_refuses_early(const struct session *session)
{
    const struct service *service = session->service;

    return service->protocol && service->listener->early_talker == EARLY_TALKER_REFUSE &&
           !session->may_talk;
}

/*
 * Returns whether the client has spoken before the greeting. Such a client does not wait for
 * answers either; often it is a spam robot. This is looked at only if the operator wants it; else
 * the bytes wait in the kernel (C11).
 */
static bool catch_early_talker(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    if (!session_refuses_early(session))
        return false;
    (void)pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines);
    if (buffer_held(client->in).n > 0)
        return true;
    buffer_give_if_empty(&session->engine->lines, &client->in);
    return false;
}

static unsigned turn_early_talker_away(struct session *session)
{
    return session_say_farewell(session, FAREWELL_EARLY_TALKER, REASON_EARLY_TALKER);
}

/*
 * Returns whether the client has left, which its FIN alone does not say. A client that has sent
 * something before its FIN waits for the answers and is served (`printf 'QUIT\r\n' | nc -N`). A
 * client that has sent nothing has left. In the queue the caller takes the client for gone in both
 * cases, since others want its place.
 */
static bool notice_leaving(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    if (!stream_peer_finished(&session->leg[LEG_CLIENT]) && !client->ended)
        return false;
    while (pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines))
        continue;
    if (buffer_held(client->in).n > 0)
        return false;
    buffer_give_if_empty(&session->engine->lines, &client->in);
    return client->ended;
}

/*
 * Ends the session if the client has left, and returns what comes next. A client in the queue is
 * told to come again, in case it is still there.
 */
static unsigned leave_if_gone(struct session *session)
{
    bool is_queued = session->upstream.phase == UPSTREAM_QUEUED;
    bool is_gone = notice_leaving(session);

    if (is_queued && (is_gone || session->pipe[LEG_CLIENT].ended))
        return session_say_farewell(session, FAREWELL_NO_BACKEND, REASON_CLIENT_CLOSED);
    return is_gone ? session_close(session, session_end_reason(session, LEG_CLIENT))
                   : (unsigned)SESSION_WAIT;
}

/* Counts what the upstream has read, and keeps the server's TLS for the log. */
static void note_arrival(struct session *session)
{
    session->pipe[LEG_SERVER].bytes += buffer_held(session->pipe[LEG_SERVER].in).n;
    session_note_server_tls(session);
}

unsigned session_run_dial(struct session *session)
{
    if (session_speaks_after_all(session))
        return session_route_anew(session);
    if (catch_early_talker(session))
        return turn_early_talker_away(session);
    if (!upstream_step(&session->upstream))
        return leave_if_gone(session);
    note_arrival(session);
    if (session->upstream.phase == UPSTREAM_FAILED)
        return session_say_farewell(session, FAREWELL_NO_BACKEND, session->upstream.reason);
    if (!session->service->protocol)
        return SESSION_RELAY;
    return session->service->listener->greeting_delay > 0 ? SESSION_DELAY
                                                          : session_start_dialog(session);
}

unsigned session_run_delay(struct session *session)
{
    if (session_speaks_after_all(session))
        return session_route_anew(session);
    return catch_early_talker(session) ? turn_early_talker_away(session) : leave_if_gone(session);
}

/* ---- A renewal ---- */

void session_begin_renewal(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];

    session->renew = false;
    session->words_from = session->pipe[LEG_CLIENT].bytes;
    session_say_last_goodbye(session);
    stream_shutdown(&session->leg[LEG_SERVER], false);
    stream_close(&session->leg[LEG_SERVER], false);
    /*
     * What the old connection has said to the client stays in `out`: it may still be on its way.
     * Only its unread input goes.
     */
    buffer_give_cleansed(&session->engine->replies, &server->in);
    server->ended = server->truncated = false;
    session->pipe[LEG_CLIENT].fault = PIPE_FINE;
    /* What the old connection has not taken was meant for it alone. */
    pipe_drop_output(&session->pipe[LEG_CLIENT], session->engine);
    upstream_restart(&session->upstream);
}

/* Waits for the fresh connection. Meanwhile the client gets the rest of what was said before. */
unsigned session_run_renewal(struct session *session)
{
    (void)pipe_flush(&session->pipe[LEG_SERVER], &session->leg[LEG_CLIENT], session->engine);
    if (!upstream_step(&session->upstream))
        return leave_if_gone(session);
    note_arrival(session);
    return session_resume_dialog(session);
}
