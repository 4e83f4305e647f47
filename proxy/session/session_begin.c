/*
 * Up to the client's TLS. If a load balancer stands in front of the listener, its first bytes are a
 * PROXY header with the client's address. Then comes what the listener does: TLS, or the way to a
 * backend.
 *
 * The header is read, never peeked at: a part of a header that stayed in the kernel would make the
 * poll report for ever. Bytes after the header are the client's. They become the first bytes of
 * TLS, or the first input of the dialog.
 */
#include "session_parts.h"

#include "front_tls.h"
#include "mailmux/cidr.h"
#include "mailmux/client_hello.h"
#include "mailmux/proxy_header.h"
#include <stdlib.h>

/* ---- The start of TLS ---- */

/* Moves what was read into a buffer that TLS takes. Returns false without memory. */
static bool take_prefix(struct session *session, struct buffer **prefix)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    struct slice rest = buffer_held(client->in);
    bool good = true;

    if (rest.n > 0) {
        *prefix = buffer_take(&session->engine->replies);
        good = *prefix && buffer_append(*prefix, rest);
        session->tls_from -= rest.n;
        client->bytes -= rest.n; /* they count again as plaintext */
    }
    buffer_give_cleansed(&session->engine->lines, &client->in);
    return good;
}

/*
 * Starts TLS with the client. What was read of its bytes, with STARTTLS or after its PROXY header,
 * becomes the start of its TLS.
 */
static unsigned start_tls(struct session *session)
{
    struct buffer *prefix = NULL;

    session->tls_from = stream_received(&session->leg[LEG_CLIENT]);
    session->tls.begins_well = session_hears_tls(session);
    session->tls.began_ms = uv_now(session->engine->loop);
    if (take_prefix(session, &prefix) &&
        stream_start_tls_server(&session->leg[LEG_CLIENT], session->service->tls, &prefix) == IO_OK)
        return SESSION_HANDSHAKE;
    buffer_give(&session->engine->replies, &prefix);
    return session_give_up(session, REASON_NO_MEMORY);
}

/* ---- What the listener does first ---- */

bool session_hears_tls(const struct session *session)
{
    struct slice bytes = buffer_held(session->pipe[LEG_CLIENT].in);

    return bytes.n > 0 && (unsigned char)bytes.p[0] == CLIENT_HELLO_FIRST;
}

static bool begins_with_tls(const struct session *session)
{
    if (!session->service->protocol)
        return false; /* the connection is passed on, and its TLS with it */
    switch (session->service->listener->tls) {
    case LISTENER_TLS_IMPLICIT:
        return true;
    case LISTENER_TLS_AUTO:
        return session_hears_tls(session);
    case LISTENER_TLS_STARTTLS:
    case LISTENER_TLS_NONE:
        break;
    }
    return false;
}

unsigned session_begin_service(struct session *session)
{
    const struct service *service = session->service;

    if (!begins_with_tls(session))
        return SESSION_DIAL;
    if (atomic_load(&session->sessions->totals->handshakes) >= service->config->limits.handshakes)
        return session_give_up(session, REASON_TOO_MANY_HANDSHAKES);
    return start_tls(session);
}

/* Only where the client's first bytes decide are they waited for (C148). */
static unsigned begin(struct session *session)
{
    return session->service->sniffs ? SESSION_SNIFF : session_begin_service(session);
}

unsigned session_run_accepted(struct session *session)
{
    const struct config_cidrs *trusted = &session->service->listener->accept_proxy_from;

    if (cidr_list_matches(trusted->cidr, trusted->count, &session->client))
        return SESSION_PROXY_HEADER;
    return begin(session);
}

/* ---- The PROXY header ---- */

/* The log names the sender of the header. Without memory it says less. */
static void keep_via(struct session *session)
{
    session->via = malloc(sizeof(*session->via));
    if (session->via)
        *session->via = session->client;
}

/*
 * Applies a PROXY header. If it has no addresses (as for a health check), those of the connection
 * count.
 */
static unsigned take_header(struct session *session, const struct proxy_header *header, size_t used)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    if (header->has_addresses) {
        keep_via(session);
        session->client = header->source;
        session->prelude->local = header->destination;
        address_unmap(&session->client);
        address_unmap(&session->prelude->local);
    }
    session->front_tls = front_tls_copy(header);
    buffer_consume(client->in, used);
    client->bytes -= used;
    buffer_give_if_empty(&session->engine->lines, &client->in);
    return begin(session);
}

/*
 * Returns why a peer that has not said its PROXY header ended. A connection without a byte is how
 * many health checks look, and no fault.
 */
static enum reason reason_of_end(const struct session *session)
{
    bool silent = session->pipe[LEG_CLIENT].bytes == 0;

    return silent ? session_end_reason(session, LEG_CLIENT) : REASON_PROXY_HEADER;
}

/* A peer that breaks off or sends anything else gets no answer: no banner, no error (C97). */
unsigned session_run_proxy_header(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    struct proxy_header header;
    size_t used;

    while (pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines)) {
        if (client->fault == PIPE_NO_MEMORY)
            return session_give_up(session, REASON_NO_MEMORY);
        if (client->ended)
            return session_give_up(session, reason_of_end(session));
        switch (proxy_header_parse(buffer_held(client->in), &header, &used)) {
        case PROXY_HEADER_MORE:
            break;
        case PROXY_HEADER_COMPLETE:
            return take_header(session, &header, used);
        case PROXY_HEADER_MALFORMED:
        case PROXY_HEADER_NONE:
            return session_give_up(session, REASON_PROXY_HEADER);
        }
    }
    buffer_give_if_empty(&session->engine->lines, &client->in);
    return SESSION_WAIT;
}

/* ---- TLS ---- */

/*
 * Sends the answer to STARTTLS, then starts TLS. What was read after STARTTLS is the start of TLS
 * (C18).
 */
unsigned session_run_upgrade(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    struct pipe *server = &session->pipe[LEG_SERVER];

    (void)pipe_flush(client, &session->leg[LEG_SERVER], session->engine);
    (void)pipe_flush(server, &session->leg[LEG_CLIENT], session->engine);
    if (server->fault == PIPE_SINK_GONE)
        return session_lose_client(session);
    return pipe_has_output(server, &session->leg[LEG_CLIENT]) ? (unsigned)SESSION_WAIT
                                                              : start_tls(session);
}

static enum reason handshake_reason(const struct session *session)
{
    switch (session->leg[LEG_CLIENT].failure) {
    case STREAM_NOT_TLS:
        /* With no dialog yet this is a port with implicit TLS. */
        return session->dialog || session->tls.begins_well ? REASON_HANDSHAKE_FAILED
                                                           : REASON_PLAINTEXT_ON_TLS_PORT;
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

/*
 * A client whose ClientHello is not here as a whole has nothing to lose, and could not read a
 * farewell. Nor need it ever send the rest.
 */
unsigned session_drain_handshake(struct session *session)
{
    return stream_awaits_hello(&session->leg[LEG_CLIENT])
               ? session_give_up(session, REASON_SHUTDOWN)
               : (unsigned)SESSION_WAIT;
}

/* If an alert was sent, the client gets time to read it. */
static unsigned end_handshake(struct session *session)
{
    enum stream_failure failure = session->leg[LEG_CLIENT].failure;
    enum reason reason = handshake_reason(session);

    if ((failure == STREAM_NOT_TLS && !session->tls.begins_well) || failure == STREAM_RESET ||
        failure == STREAM_TRUNCATED)
        return session_give_up(session, reason);
    return session_close(session, reason);
}

/*
 * The handshake comes first with implicit TLS, and during a dialog after STARTTLS. Then the dialog
 * may need a fresh connection to the server before it goes on.
 */
unsigned session_run_handshake(struct session *session)
{
    enum io status = stream_handshake(&session->leg[LEG_CLIENT]);

    if (status == IO_AGAIN)
        return SESSION_WAIT;
    session_note_tls(session);
    if (status != IO_OK)
        return end_handshake(session);
    if (log_is_on(LOG_DEBUG))
        tls_info_trace(&session->leg[LEG_CLIENT], slice_from(session->id), "client");
    if (!session->dialog)
        return SESSION_DIAL;
    dialog_tls_started(session->dialog);
    if (session->renew || upstream_has_told_less(&session->upstream))
        return SESSION_RENEW;
    return SESSION_DIALOG;
}
