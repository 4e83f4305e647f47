/*
 * Driving the dialog: bytes of both sides in, text and passed bytes out, until nothing moves. The
 * two sides are one code: `side` is the leg that speaks.
 */
#include "session_parts.h"

#include "mailmux/cidr.h"
#include <stdlib.h>

/* Rounds before other sessions have their turn. */
enum { DIALOG_TURNS = 8 };

static struct buffer_pool *input_pool(struct session *session, int side)
{
    return side == LEG_CLIENT ? &session->engine->lines : &session->engine->replies;
}

static struct actions actions_for(struct session *session)
{
    return actions_of(session->pipe[LEG_SERVER].out, session->pipe[LEG_CLIENT].out);
}

/* Both outputs can take what one call may append, for so many octets of input. */
static bool reserve(struct session *session, size_t octets)
{
    return pipe_reserve(&session->pipe[LEG_CLIENT], session->engine, octets + DIALOG_EXTRA) &&
           pipe_reserve(&session->pipe[LEG_SERVER], session->engine, octets + DIALOG_EXTRA);
}

static void keep_user(struct session *session)
{
    session->user = session->dialog->user;
}

static void carry_out(struct session *session, const struct actions *actions)
{
    keep_user(session);
    session_tell_logins(session);
    if (actions->leave_server)
        session_leave_server(session);
    switch (actions->next) {
    case DIALOG_NOTHING:
        break;
    case DIALOG_START_TLS:
        session->renew = actions->renew_server;
        deadline_clear(&session->engine->deadlines, &session->line_deadline);
        session_enter(session, SESSION_UPGRADE, CLASS_HANDSHAKE,
            session->service->config->timeouts.handshake, REASON_TIMEOUT_HANDSHAKE);
        break;
    case DIALOG_RELAY:
        session_begin_relay(session);
        break;
    case DIALOG_CLOSE:
        session_close(session, actions->reason);
        break;
    }
}

/* Those who are known to be honest and to know no better (C138). */
static void exempt(struct session *session)
{
    const struct config_cidrs *networks = &session->service->listener->smuggling_exempt;

    if (cidr_list_matches(networks->cidr, networks->count, &session->client))
        session->dialog->smuggling = DIALOG_PASS_ALL;
}

void session_start_dialog(struct session *session, enum greeting greeting, size_t greeting_len)
{
    struct pipe *pipe = &session->pipe[LEG_SERVER];
    bool server_tls = session->leg[LEG_SERVER].handshaken;
    struct dialog_legs legs = {.client_tls = session->leg[LEG_CLIENT].handshaken,
        .server_tls = server_tls,
        .server_tls_verified = server_tls && session->service->server_verified};
    struct actions actions;

    session->dialog = malloc(sizeof(*session->dialog));
    if (!session->dialog || !reserve(session, greeting_len)) {
        session_cut(session, REASON_NO_MEMORY);
        return;
    }
    dialog_init(
        session->dialog, session->service->protocol, &session->service->dialog_policy, legs);
    exempt(session);
    session->phase = SESSION_DIALOG;
    session->phase_reason = REASON_NONE;
    actions = actions_for(session);
    dialog_start(
        session->dialog, greeting, slice_of(buffer_held(pipe->in).p, greeting_len), &actions);
    buffer_consume(pipe->in, greeting_len);
    carry_out(session, &actions);
    if (session->phase == SESSION_DIALOG)
        session_set_dialog_deadlines(session);
}

/* One call uses one reply at most, however many are there. */
static size_t longest_reply(const struct session *session, size_t octets)
{
    size_t limit = session->service->dialog_policy.reply;

    return octets < limit ? octets : limit;
}

/* Feeds what one side has said. Returns true when something was done with it. */
static bool feed(struct session *session, int side)
{
    struct pipe *pipe = &session->pipe[side];
    enum dialog_side speaker = side == LEG_CLIENT ? DIALOG_CLIENT : DIALOG_SERVER;
    bool moved = false;

    while (session->phase == SESSION_DIALOG) {
        struct slice in = buffer_held(pipe->in);
        struct actions actions;

        if (!reserve(session, side == LEG_SERVER ? longest_reply(session, in.n) : in.n))
            break;
        actions = actions_for(session);
        if (!dialog_feed(session->dialog, speaker, in, &actions))
            break;
        moved = true;
        if (actions.pass)
            pipe_send(pipe, &session->leg[1 - side], slice_of(in.p, actions.used));
        if (actions.used > 0)
            buffer_consume(pipe->in, actions.used);
        carry_out(session, &actions);
    }
    return moved;
}

static bool may_read(const struct session *session, int side)
{
    if (!session->leg[side].ops || pipe_has_output(&session->pipe[side], &session->leg[1 - side]))
        return false;
    return side == LEG_SERVER || dialog_wants_client(session->dialog);
}

/* A line of a SASL exchange, or an ID of IMAP, may be longer than the buffers of clients. */
static bool make_room(struct session *session, int side)
{
    struct buffer *in = session->pipe[side].in;

    if (side == LEG_SERVER || !in || buffer_room(in) > 0)
        return true;
    return buffer_enlarge(
        &session->engine->lines, in, dialog_line_limit(session->dialog, buffer_held(in)));
}

/* One side: read, feed, and give the buffer back when all of it was used. */
static bool hear(struct session *session, int side)
{
    struct pipe *pipe = &session->pipe[side];
    bool moved = feed(session, side);

    if (session->phase == SESSION_DIALOG && !make_room(session, side)) {
        session_cut(session, REASON_NO_MEMORY);
        return true;
    }
    if (session->phase == SESSION_DIALOG && may_read(session, side) &&
        pipe_fill(pipe, &session->leg[side], input_pool(session, side))) {
        moved = true;
        (void)feed(session, side);
    }
    if (buffer_held(pipe->in).n == 0)
        buffer_give_cleansed(input_pool(session, side), &pipe->in);
    return moved;
}

static bool flush(struct session *session)
{
    bool moved = false;

    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++)
        moved = pipe_flush(&session->pipe[side], &session->leg[1 - side], session->engine) || moved;
    return moved;
}

/* The client has ended its direction: no reply is owed to it, or it has left in mid-sentence. */
static bool is_client_done(const struct session *session)
{
    const struct dialog *dialog = session->dialog;

    if (!session->pipe[LEG_CLIENT].ended || dialog->mode == DIALOG_HELD ||
        dialog->mode == DIALOG_ENDING)
        return false;
    return dialog->protocol->relays_after_login || dialog->mode != DIALOG_LINES ||
           dialog_at_boundary(dialog);
}

/* What is owed to a client that said QUIT, and to one whose message is thrown away, is ours. */
static void take_server_end(struct session *session)
{
    struct actions actions;

    if (!reserve(session, 0)) {
        session_close(session, session_end_reason(session, LEG_SERVER));
        return;
    }
    actions = actions_for(session);
    if (!dialog_server_ended(session->dialog, &actions)) {
        session_say_farewell(
            session, FAREWELL_SERVER_LOST, session_end_reason(session, LEG_SERVER));
        return;
    }
    actions.leave_server = actions.next == DIALOG_NOTHING;
    carry_out(session, &actions);
}

void session_expire_dialog(struct session *session, enum reason reason)
{
    struct actions actions;

    if (!reserve(session, 0)) {
        session_close(session, reason);
        return;
    }
    actions = actions_for(session);
    dialog_expire(session->dialog, reason, &actions);
    carry_out(session, &actions);
    if (session->phase == SESSION_DIALOG)
        session_set_dialog_deadlines(session);
}

/* A side has ended, and all that could be made of its words was made. */
static void take_ends(struct session *session)
{
    const struct pipe *client = &session->pipe[LEG_CLIENT];
    const struct pipe *server = &session->pipe[LEG_SERVER];

    if (session->leg[LEG_SERVER].ops && (server->ended || client->failed))
        take_server_end(session);
    else if (server->failed)
        session_cut(session, session_end_reason(session, LEG_CLIENT));
    else if (is_client_done(session))
        session_close(session, session_end_reason(session, LEG_CLIENT));
    else if (session->wants_drain && dialog_at_boundary(session->dialog))
        session_say_farewell(session, FAREWELL_SHUTDOWN, REASON_SHUTDOWN);
}

bool session_run_dialog(struct session *session)
{
    bool moved = true;
    bool ever = false;
    int turn;

    session->dialog->tls_unavailable =
        session->service->tls != NULL && atomic_load(&session->engine->totals->handshakes) >=
                                             session->service->config->limits.handshakes;
    for (turn = 0; moved && turn < DIALOG_TURNS && session->phase == SESSION_DIALOG; turn++) {
        moved = hear(session, LEG_SERVER);
        moved = session->phase == SESSION_DIALOG && (hear(session, LEG_CLIENT) || moved);
        moved = flush(session) || moved;
        ever = ever || moved;
    }
    if (session->phase != SESSION_DIALOG)
        return false;
    if (!moved)
        take_ends(session);
    if (ever && session->phase == SESSION_DIALOG)
        session_set_dialog_deadlines(session);
    return moved;
}
