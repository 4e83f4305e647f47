/*
 * Before the client's first byte: where a load balancer stands in front of the listener it says
 * first, in a PROXY header, who the client is. Only then comes what the listener does: TLS, or the
 * way to a backend.
 *
 * The header is consumed as it comes, never peeked at: a part of one that stayed in the kernel
 * would keep the poll busy for nothing. What was read behind it is the client's own and is handed
 * on: to TLS as its first bytes, to the dialog as its input.
 */
#include "session_parts.h"

#include "front_tls.h"
#include "mailmux/cidr.h"
#include "mailmux/proxy_header.h"

static void begin_service(struct session *session)
{
    const struct service *service = session->service;

    if (service->listener->tls != LISTENER_TLS_IMPLICIT)
        session_begin_dial(session);
    else if (atomic_load(&session->engine->totals->handshakes) >=
             service->config->limits.handshakes)
        session_cut(session, REASON_TOO_MANY_HANDSHAKES);
    else
        session_begin_handshake(session);
}

void session_begin(struct session *session)
{
    const struct config_cidrs *trusted = &session->service->listener->accept_proxy_from;

    if (cidr_list_matches(trusted->cidr, trusted->count, &session->client))
        session_enter(session, SESSION_PROXY_HEADER, CLASS_PROXY_HEADER,
            session->service->config->timeouts.proxy_header, REASON_TIMEOUT_PROXY_HEADER);
    else
        begin_service(session);
}

/* Without addresses (a health check, say) the connection speaks for itself. */
static void take_header(struct session *session, const struct proxy_header *header, size_t used)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    if (header->has_addresses) {
        session->via = session->client;
        session->client = header->source;
        session->local = header->destination;
        address_unmap(&session->client);
        address_unmap(&session->local);
    }
    session->front_tls = front_tls_copy(header);
    buffer_consume(client->in, used);
    client->bytes -= used;
    buffer_give_if_empty(&session->engine->lines, &client->in);
    begin_service(session);
}

/* A connection that says nothing at all is how many health checks look. */
static enum reason reason_of_end(const struct session *session)
{
    bool silent = session->pipe[LEG_CLIENT].bytes == 0;

    return silent ? session_end_reason(session, LEG_CLIENT) : REASON_PROXY_HEADER;
}

/* Nothing is said to a peer that breaks off or sends anything else: no banner, no error (C97). */
bool session_run_proxy_header(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    struct proxy_header header;
    size_t used;

    if (!pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines)) {
        buffer_give_if_empty(&session->engine->lines, &client->in);
        return false;
    }
    if (client->ended || client->failed) {
        session_cut(session, client->failed ? REASON_NO_MEMORY : reason_of_end(session));
        return true;
    }
    switch (proxy_header_parse(buffer_held(client->in), &header, &used)) {
    case PROXY_HEADER_MORE:
        break;
    case PROXY_HEADER_COMPLETE:
        take_header(session, &header, used);
        break;
    case PROXY_HEADER_MALFORMED:
    case PROXY_HEADER_NONE:
        session_cut(session, REASON_PROXY_HEADER);
        break;
    }
    return true;
}
