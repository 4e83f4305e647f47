/* How a session closes its two legs, so that each peer can tell a cut from an end. */
#include "session_parts.h"

#include <string.h>

/* ---- The client ---- */

/*
 * A client that is cut off in the middle of the server's words must not take them for the whole.
 * With TLS a missing close_notify says so, and RST is added if something is not delivered yet. In
 * clear only RST does; it also drops what waits in the kernel.
 */
void session_leave_client(struct session *session)
{
    struct stream *client = &session->leg[LEG_CLIENT];
    const struct pipe *server = &session->pipe[LEG_SERVER];
    bool is_cut;
    bool resets;

    if (!stream_is_open(client))
        return;
    is_cut = pipe_is_cut(server, client);
    resets = is_cut && (!stream_is_tls(client) || !stream_is_delivered(client));
    if (client->handshaken && !client->finished && !stream_has_held(client))
        stream_shutdown(client, is_cut || server->truncated);
    stream_close(client, resets);
}

/* ---- The server ---- */

/* A message that is not complete must not look complete (A32). */
static void close_server(struct session *session)
{
    struct stream *server = &session->leg[LEG_SERVER];
    const struct pipe *client = &session->pipe[LEG_CLIENT];
    bool is_inside = session->dialog && dialog_is_inside(session->dialog);
    bool is_cut = pipe_is_cut(client, server);
    bool is_torn = is_cut && client->resets;

    if (!stream_is_open(server))
        return;
    if (!stream_has_held(server) && !is_torn)
        stream_shutdown(server, is_inside || is_cut || client->truncated);
    stream_close(server, is_torn || pipe_has_output(client, server));
}

void session_leave_server(struct session *session)
{
    struct upstream *upstream = &session->upstream;

    session->parting = PARTING_NONE;
    upstream_stop(upstream);
    deadline_clear(&session->engine->deadlines, &session->parting_deadline);
    close_server(session);
    if (upstream->has_choice && !session->server_name)
        session->server_name = strdup(upstream->choice.name);
    upstream->choice.bytes_in = session->pipe[LEG_CLIENT].sent;
    upstream->choice.bytes_out = session->pipe[LEG_SERVER].bytes;
    upstream_release(upstream);
    /*
     * What the server has not taken is lost. That is no reason to stop reading the client, so the
     * fault is reset.
     */
    pipe_drop_output(&session->pipe[LEG_CLIENT], session->engine);
    session->pipe[LEG_CLIENT].fault = PIPE_FINE;
}
