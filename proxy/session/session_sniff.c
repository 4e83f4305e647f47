/*
 * The client's first bytes decide: whether TLS begins (`tls = auto`), or where the session goes
 * (`protocol = auto`). They are read and stay in the pipe. So they become the start of TLS, of the
 * dialog or of the passed connection, and nothing is lost or comes in another order.
 *
 * A client that says nothing waits for a greeting, perhaps: it gets one after `sniff`. One that has
 * begun to speak does not wait for it, and has the time of a handshake or of a line for the rest.
 * A connection that is passed on after `sniff` may be for a server that speaks first. If the client
 * speaks first after all, its words were late, and choose the route anew. So does TLS that comes
 * before the greeting of mail has gone out.
 */
#include "session_parts.h"

#include "mailmux/routing.h"
#include <stdio.h>
#include <stdlib.h>

static struct slice heard(const struct session *session)
{
    return buffer_held(session->pipe[LEG_CLIENT].in);
}

/* ---- The route ---- */

static enum routing_result choose(
    const struct session *session, bool is_over, struct routing_choice *choice)
{
    const struct config_listener *listener = session->service->listener;
    const struct routing_input input = {.bytes = heard(session),
        .is_over = is_over,
        .client = &session->client,
        .limit = (size_t)session->service->config->limits.client_hello};

    return routing_decide(listener->rules, listener->route_count, &input, choice);
}

/* The name that the client asks for is kept for the log, and for a server that gets the hello. */
static void keep_name(struct session *session, const struct routing_choice *choice)
{
    const struct client_hello *hello = &choice->client_hello;

    if (choice->hello == CLIENT_HELLO_COMPLETE)
        session_keep_sni(session, slice_of(hello->sni, hello->sni_n));
}

/* The settings of the target hold from now on: protocol, TLS, rules, backend, limits of time. */
static unsigned follow(struct session *session, const struct routing_choice *choice)
{
    const struct service *service = session->service;

    keep_name(session, choice);
    if (choice->rule == ROUTING_NONE)
        return session_give_up(session, REASON_NO_ROUTE);
    session->target = &service->targets[choice->rule];
    session->route_tally = tallies_of(&session->sessions->tallies, session->target->label);
    tally_add(session->route_tally, TALLY_BEGUN, 1);
    if (!session->target->service)
        return session_give_up(session, REASON_ROUTE_REFUSED);
    session->service = session->target->service;
    session->may_talk = heard(session).n > 0;
    return session_begin_service(session);
}

static bool tells_name(const struct service *service)
{
    return !service->protocol &&
           (service->route.backend->proxy_tlvs & (unsigned)PROXY_TLV_AUTHORITY) != 0;
}

/*
 * A route may be known before its target can begin. A target with tls = auto needs the first octet.
 * A PROXY header with the name that the client asks for needs the whole hello.
 */
static bool must_hear_more(const struct session *session, const struct routing_choice *choice)
{
    const struct service *next =
        choice->rule == ROUTING_NONE ? NULL : session->service->targets[choice->rule].service;

    return next && ((next->sniffs && heard(session).n == 0) ||
                       (choice->hello == CLIENT_HELLO_MORE && tells_name(next)));
}

/* Returns the next phase, or SESSION_WAIT if more must be heard first. */
static unsigned decide(struct session *session, bool is_over)
{
    size_t limit = (size_t)session->service->config->limits.client_hello;
    struct routing_choice choice;

    is_over = is_over || heard(session).n > limit; /* there is no room for more */
    if (session->service->listener->protocol != CONFIG_PROTOCOL_AUTO)
        return heard(session).n > 0 || is_over ? session_begin_service(session)
                                               : (unsigned)SESSION_WAIT;
    if (choose(session, is_over, &choice) == ROUTING_MORE ||
        (!is_over && must_hear_more(session, &choice)))
        return SESSION_WAIT;
    return follow(session, &choice);
}

/* ---- Reading ---- */

/* Reads as pipe_fill does. A hello may be longer than a line. */
static bool fill(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    size_t limit = (size_t)session->service->config->limits.client_hello;

    if (client->in && buffer_room(client->in) == 0 &&
        !buffer_enlarge(&session->engine->lines, client->in, limit + 1))
        client->fault = PIPE_NO_MEMORY;
    return client->fault == PIPE_NO_MEMORY ||
           pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines);
}

/* With its first byte the client gets a new time. */
static void mind_time(struct session *session)
{
    const struct config_timeouts *timeouts = &session->service->config->timeouts;

    if (heard(session).n == 0 || session->phase_reason != REASON_NONE)
        return;
    if (session_hears_tls(session))
        session_set_deadline(
            session, CLASS_HANDSHAKE, timeouts->handshake, REASON_TIMEOUT_HANDSHAKE);
    else
        session_set_deadline(session, CLASS_LINE, timeouts->line, REASON_TIMEOUT_LINE);
}

/* A client that ends its direction behind its first bytes still waits for the answer. */
static unsigned take_end(struct session *session)
{
    bool has_left = session->pipe[LEG_CLIENT].truncated || heard(session).n == 0;

    return has_left ? session_give_up(session, session_end_reason(session, LEG_CLIENT))
                    : decide(session, true);
}

unsigned session_run_sniff(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];
    unsigned next = decide(session, false); /* something may stand behind a PROXY header */

    while (next == SESSION_WAIT && fill(session)) {
        if (client->fault == PIPE_NO_MEMORY)
            return session_give_up(session, REASON_NO_MEMORY);
        next = client->ended ? take_end(session) : decide(session, false);
    }
    if (next == SESSION_WAIT)
        mind_time(session);
    buffer_give_if_empty(&session->engine->lines, &client->in);
    return next;
}

/* ---- When the time is over ---- */

/*
 * Returns whether the rules send a client that says nothing to where it may hear the first word: a
 * listener in clear, or a server that is not known.
 */
static bool may_hear_first(const struct session *session)
{
    const struct service *service = session->service;
    struct routing_choice choice;

    if (service->listener->protocol != CONFIG_PROTOCOL_AUTO)
        return true;
    if (choose(session, true, &choice) == ROUTING_MORE || choice.rule == ROUTING_NONE)
        return false;
    service = service->targets[choice.rule].service;
    return service && (!service->protocol || service->listener->tls != LISTENER_TLS_IMPLICIT);
}

/*
 * What has come meanwhile is read first, since the process may have stood still. A client that can
 * only be waited for has the time of a handshake for its first byte: a segment that is lost on its
 * way comes again after a second, and its route must not depend on that.
 */
unsigned session_expire_sniff(struct session *session)
{
    enum reason expired = session->phase_reason;
    unsigned next = session_run_sniff(session);

    if (next != SESSION_WAIT || (expired == REASON_NONE && session->phase_reason != REASON_NONE))
        return next;
    if (expired == REASON_TIMEOUT_HANDSHAKE)
        return session_give_up(session, expired);
    if (expired == REASON_TIMEOUT_LINE)
        return decide(session, true);
    if (may_hear_first(session)) {
        next = decide(session, true);
        session->is_guess = true;
        return next;
    }
    session_set_deadline(session, CLASS_HANDSHAKE, session->service->config->timeouts.handshake,
        REASON_TIMEOUT_HANDSHAKE);
    return SESSION_WAIT;
}

/* ---- Thinking again ---- */

/* What a client of mail says in clear is for the dialog, and changes nothing. */
bool session_speaks_after_all(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    if (!session->is_guess)
        return false;
    (void)pipe_fill(client, &session->leg[LEG_CLIENT], &session->engine->lines);
    buffer_give_if_empty(&session->engine->lines, &client->in);
    if (heard(session).n == 0)
        return false;
    session->is_guess = !session->service->protocol || session_hears_tls(session);
    return session->is_guess;
}

/* Nothing is left of the way to the server: the next one begins as if it were the first. */
unsigned session_route_anew(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];

    session->is_guess = false;
    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++)
        session->pipe[side].is_opaque = session->pipe[side].resets =
            session->pipe[side].may_splice = session->pipe[side].keeps_tail = false;
    session_leave_server(session);
    buffer_give_cleansed(&session->engine->replies, &server->in);
    server->ended = server->truncated = false;
    server->bytes = 0;
    free(session->server_name);
    session->server_name = NULL;
    session->upstream = (struct upstream){0};
    tally_take_back(session->route_tally, TALLY_BEGUN);
    session->route_tally = NULL;
    session->target = NULL;
    session->service = session->door;
    return SESSION_SNIFF;
}
