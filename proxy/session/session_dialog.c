/*
 * Drives the dialog: bytes of both sides in, text and passed bytes out, until nothing moves. The
 * code is the same for both sides: `side` is the leg that speaks.
 */
#include "session_parts.h"

#include "mailmux/cidr.h"
#include <stdlib.h>

/* rounds of one session before others have their turn */
enum { DIALOG_TURNS = 8 };

/* What is read at once of a message: with what a call adds (DIALOG_EXTRA) an output has room. */
enum { MESSAGE_PIECE = 48 * 1024 };

static const struct config_timeouts *timeouts(const struct session *session)
{
    return &session->service->config->timeouts;
}

static uint64_t now_ms(const struct session *session)
{
    return uv_now(session->engine->loop);
}

static struct buffer_pool *input_pool(struct session *session, int side)
{
    return side == LEG_CLIENT ? &session->engine->lines : &session->engine->replies;
}

static struct actions actions_for(struct session *session)
{
    return actions_of(session->pipe[LEG_SERVER].out, session->pipe[LEG_CLIENT].out);
}

/* Returns whether both outputs have room for what one call with so many octets may append. */
static bool reserve(struct session *session, size_t octets)
{
    return pipe_reserve(&session->pipe[LEG_CLIENT], session->engine, octets + DIALOG_EXTRA) &&
           pipe_reserve(&session->pipe[LEG_SERVER], session->engine, octets + DIALOG_EXTRA);
}

/*
 * Does what the dialog asks for. Its news are told before, since they borrow the input. Returns the
 * next phase; SESSION_DIALOG means to go on.
 */
static unsigned carry_out(struct session *session, const struct actions *actions)
{
    session_tell_logins(session);
    if (log_is_on(LOG_DEBUG))
        session_trace_actions(session, actions);
    if (actions->leave_server) {
        /* What it was passed before is no part of what it must not get. */
        (void)pipe_flush(&session->pipe[LEG_CLIENT], &session->leg[LEG_SERVER], session->engine);
        session_leave_server(session);
    }
    switch (actions->next) {
    case DIALOG_NOTHING:
        break;
    case DIALOG_START_TLS:
        session->renew = actions->renew_server;
        deadline_clear(&session->engine->deadlines, &session->prelude->line_deadline);
        return SESSION_UPGRADE;
    case DIALOG_RENEW_SERVER:
        upstream_leave_hello(&session->upstream);
        return SESSION_RENEW;
    case DIALOG_RELAY:
        return SESSION_RELAY;
    case DIALOG_CLOSE:
        return session_close(session, actions->reason);
    }
    return SESSION_DIALOG;
}

/* Exempts a client in smuggling_exempt: the operator knows it to be honest (C138). */
static void exempt(struct session *session)
{
    const struct config_cidrs *networks = &session->service->listener->smuggling_exempt;

    if (cidr_list_matches(networks->cidr, networks->count, &session->client))
        session->dialog->smuggling = SMUGGLING_PASS;
}

unsigned session_start_dialog(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_SERVER];
    size_t greeting_len = session->prelude->search.greeting_len;
    bool server_tls = session->leg[LEG_SERVER].handshaken;
    struct dialog_legs legs = {.client_tls = session->leg[LEG_CLIENT].handshaken,
        .server_tls = server_tls,
        .server_heard_hello = session->prelude->search.approach.opening.said_hello,
        .server_tls_verified = server_tls && session->service->route.is_verified};
    struct actions actions;

    session->is_guess = false;
    session->dialog = malloc(sizeof(*session->dialog));
    if (!session->dialog || !reserve(session, greeting_len))
        return session_give_up(session, REASON_NO_MEMORY);
    dialog_init(
        session->dialog, session->service->protocol, &session->service->dialog_policy, legs);
    exempt(session);
    actions = actions_for(session);
    dialog_start(session->dialog, session->prelude->search.greeting,
        slice_of(buffer_held(pipe->in).p, greeting_len), &actions);
    session_tell_news(session, &actions.news);
    buffer_consume(pipe->in, greeting_len);
    return carry_out(session, &actions);
}

/* The greeting of a fresh connection is not for the client, but a refusal is (C127). */
unsigned session_resume_dialog(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_SERVER];
    size_t greeting_len = session->prelude->search.greeting_len;
    enum greeting greeting = session->prelude->search.greeting;
    enum upstream_phase result = session->upstream.phase;
    struct actions actions;

    if (result == UPSTREAM_FAILED || greeting == GREETING_PREAUTH)
        return session_say_farewell(session, FAREWELL_NO_BACKEND, session->upstream.reason);
    if (!reserve(session, greeting_len))
        return session_give_up(session, REASON_NO_MEMORY);
    actions = actions_for(session);
    if (result == UPSTREAM_REFUSED)
        dialog_start(
            session->dialog, greeting, slice_of(buffer_held(pipe->in).p, greeting_len), &actions);
    else
        dialog_server_renewed(session->dialog, &actions);
    buffer_consume(pipe->in, greeting_len);
    return result == UPSTREAM_REFUSED ? session_close(session, REASON_SERVER_REFUSED)
                                      : carry_out(session, &actions);
}

/* ---- Deadlines ---- */

/* A line must be complete in the time `line`, however slowly its bytes come (A25). */
static void set_line_deadline(struct session *session)
{
    struct deadline_queue *queue = &session->engine->deadlines;
    bool partial =
        session->dialog->mode == DIALOG_LINES && buffer_held(session->pipe[LEG_CLIENT].in).n > 0;

    if (session->dialog->mode == DIALOG_DISCARD)
        return; /* the line is not at its end yet */
    if (!partial)
        deadline_clear(queue, &session->prelude->line_deadline);
    else if (!deadline_is_set(&session->prelude->line_deadline))
        deadline_set(queue, &session->prelude->line_deadline, CLASS_LINE,
            now_ms(session) + timeouts(session)->line);
}

/*
 * Returns how long a client that waits after a look-alike is waited for. A client that goes on
 * sending gets the time for data; one that waits, less of it (C138).
 */
static uint64_t look_alike_ms(const struct session *session)
{
    uint64_t data_ms = timeouts(session)->data;

    return data_ms < SESSION_LOOK_ALIKE_MS ? data_ms : SESSION_LOOK_ALIKE_MS;
}

/* Sets the deadlines that fit the state of the dialog, after it has begun or moved. */
static void set_deadlines(struct session *session)
{
    const struct config_timeouts *time = timeouts(session);
    const struct dialog *dialog = session->dialog;
    struct deadline_queue *queue = &session->engine->deadlines;

    set_line_deadline(session);
    if (dialog->protocol->relays_after_login && !deadline_is_set(&session->prelude->login_deadline))
        deadline_set(
            queue, &session->prelude->login_deadline, CLASS_LOGIN, now_ms(session) + time->login);
    if (!dialog->started) {
        if (session->phase_reason != REASON_TIMEOUT_FIRST_COMMAND)
            session_set_deadline(
                session, CLASS_FIRST_COMMAND, time->first_command, REASON_TIMEOUT_FIRST_COMMAND);
    } else if (dialog_waits_after_look_alike(dialog)) {
        session_set_deadline(
            session, CLASS_LOOK_ALIKE, look_alike_ms(session), REASON_TIMEOUT_DATA);
    } else if (dialog->mode == DIALOG_MESSAGE || dialog->mode == DIALOG_COUNTED ||
               dialog->mode == DIALOG_SKIPPED) {
        session_set_deadline(session, CLASS_DATA, time->data, REASON_TIMEOUT_DATA);
    } else if (!dialog_at_boundary(dialog)) {
        /* The reply to a message may take long [RFC 5321 4.5.3.2.6]. */
        session_set_deadline(session, CLASS_DATA, time->data, REASON_TIMEOUT_REPLY);
    } else {
        session_set_deadline(session, CLASS_COMMAND, time->smtp_command, REASON_TIMEOUT_COMMAND);
    }
}

/* Call it when the dialog was used outside session_run_dialog: its deadlines may be others now. */
static unsigned go_on(struct session *session, unsigned next)
{
    if (next != SESSION_DIALOG)
        return next;
    set_deadlines(session);
    return SESSION_WAIT;
}

void session_begin_dialog(struct session *session)
{
    struct stream *server = &session->leg[LEG_SERVER];

    if (stream_is_open(server))
        stream_set_patience(server, timeouts(session)->stalled);
    set_deadlines(session);
}

/* ---- One turn ---- */

/* Returns the input for which room is needed: one call uses one reply at most. */
static size_t longest_reply(const struct session *session, size_t octets)
{
    size_t limit = session->service->dialog_policy.reply;

    return octets < limit ? octets : limit;
}

/* Returns whether the client sends a message, of which no octet is a secret of the login. */
static bool takes_message(const struct session *session, int side)
{
    const struct dialog *dialog = session->dialog;

    return side == LEG_CLIENT && !dialog->protocol->relays_after_login &&
           (dialog->mode == DIALOG_MESSAGE || dialog->mode == DIALOG_COUNTED);
}

/* Feeds what one side has said. Sets *moved if anything was done with it. */
static unsigned feed(struct session *session, int side, bool *moved)
{
    struct pipe *pipe = &session->pipe[side];
    enum dialog_side speaker = side == LEG_CLIENT ? DIALOG_CLIENT : DIALOG_SERVER;
    unsigned next = SESSION_DIALOG;

    while (next == SESSION_DIALOG) {
        struct slice in = buffer_held(pipe->in);
        struct actions actions;

        if (!reserve(session, side == LEG_SERVER ? longest_reply(session, in.n) : in.n))
            break;
        actions = actions_for(session);
        pipe->is_plain = pipe->is_plain && takes_message(session, side);
        if (!dialog_feed(session->dialog, speaker, in, &actions))
            break;
        *moved = true;
        session_tell_news(session, &actions.news);
        if (actions.pass && actions.used < in.n)
            pipe_hold(pipe, slice_of(in.p, actions.used)); /* what follows goes out with it */
        else if (actions.pass)
            pipe_send(pipe, &session->leg[1 - side], slice_of(in.p, actions.used));
        if (actions.used > 0)
            buffer_consume(pipe->in, actions.used);
        next = carry_out(session, &actions);
    }
    return next;
}

static bool may_read(const struct session *session, int side)
{
    if (!stream_is_open(&session->leg[side]) ||
        pipe_has_output(&session->pipe[side], &session->leg[1 - side]))
        return false;
    return side == LEG_SERVER || dialog_wants_client(session->dialog);
}

/* Lines of SASL, or an ID of IMAP, may exceed a client's buffer. Returns false without memory. */
static bool make_room(struct session *session, int side)
{
    struct buffer *in = session->pipe[side].in;

    if (side == LEG_SERVER || !in || buffer_room(in) > 0)
        return true;
    return buffer_enlarge(
        &session->engine->lines, in, dialog_line_limit(session->dialog, buffer_held(in)));
}

/*
 * Prepares for a message: it comes in larger pieces than commands, and costs no cleansing. Without
 * memory its pieces are small.
 */
static void expect_message(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_CLIENT];
    bool is_message = takes_message(session, LEG_CLIENT);

    stream_set_secret(&session->leg[LEG_CLIENT], !is_message);
    if (!is_message || pipe->in)
        return;
    pipe->in = buffer_take(&session->engine->lines);
    pipe->is_plain = pipe->in != NULL;
    if (pipe->in)
        (void)buffer_enlarge(&session->engine->lines, pipe->in, MESSAGE_PIECE);
}

/* Gives the input back, which is empty. */
static void give_input(struct session *session, int side)
{
    struct pipe *pipe = &session->pipe[side];

    if (pipe->is_plain)
        buffer_give(input_pool(session, side), &pipe->in);
    else
        buffer_give_cleansed(input_pool(session, side), &pipe->in);
    pipe->is_plain = false;
}

/* One side: feeds what is there, reads, feeds again, and gives the buffer back if it is empty. */
static unsigned hear(struct session *session, int side, bool *moved)
{
    struct pipe *pipe = &session->pipe[side];
    unsigned next = feed(session, side, moved);

    if (next == SESSION_DIALOG && !make_room(session, side))
        return session_give_up(session, REASON_NO_MEMORY);
    if (side == LEG_CLIENT && next == SESSION_DIALOG)
        expect_message(session);
    if (next == SESSION_DIALOG && may_read(session, side) &&
        pipe_fill(pipe, &session->leg[side], input_pool(session, side))) {
        *moved = true;
        next = feed(session, side, moved);
    }
    if (buffer_held(pipe->in).n == 0)
        give_input(session, side);
    return next;
}

static bool flush(struct session *session)
{
    bool moved = false;

    for (int side = LEG_CLIENT; side <= LEG_SERVER; side++)
        moved = pipe_flush(&session->pipe[side], &session->leg[1 - side], session->engine) || moved;
    return moved;
}

/*
 * Returns whether the client's end ends the session: no reply is owed to it, or it ended inside a
 * line or a message. In DIALOG_HELD and DIALOG_ENDING an answer is still to come.
 */
static bool is_client_done(const struct session *session)
{
    const struct dialog *dialog = session->dialog;

    if (!session->pipe[LEG_CLIENT].ended || dialog->mode == DIALOG_HELD ||
        dialog->mode == DIALOG_ENDING)
        return false;
    if (dialog_may_be_over(dialog) && !session->pipe[LEG_CLIENT].truncated)
        return false;
    return dialog->protocol->relays_after_login || dialog->mode != DIALOG_LINES ||
           dialog_at_boundary(dialog);
}

/*
 * Returns whether the client ended its direction after a look-alike. Then it waits for answers: a
 * script may send everything and then end (C138).
 */
static bool has_ended_by_look_alike(const struct session *session)
{
    const struct pipe *client = &session->pipe[LEG_CLIENT];

    return client->ended && !client->truncated && dialog_waits_after_look_alike(session->dialog);
}

/*
 * The server has ended. The dialog answers a client that has said QUIT, or whose message is thrown
 * away; any other client gets a farewell.
 */
static unsigned take_server_end(struct session *session)
{
    struct actions actions;

    if (!reserve(session, 0))
        return pipe_has_output(&session->pipe[LEG_SERVER], &session->leg[LEG_CLIENT])
                   ? (unsigned)SESSION_WAIT /* the client must read first */
                   : session_close(session, session_end_reason(session, LEG_SERVER));
    actions = actions_for(session);
    if (!dialog_server_ended(session->dialog, &actions))
        return session_say_farewell(
            session, FAREWELL_SERVER_LOST, session_end_reason(session, LEG_SERVER));
    session_tell_news(session, &actions.news);
    actions.leave_server = actions.next == DIALOG_NOTHING;
    return go_on(session, carry_out(session, &actions));
}

unsigned session_expire_dialog(struct session *session)
{
    struct actions actions;

    if (!reserve(session, 0))
        return session_close(session, session->phase_reason);
    actions = actions_for(session);
    dialog_expire(session->dialog, session->phase_reason, &actions);
    session_tell_news(session, &actions.news);
    return go_on(session, carry_out(session, &actions));
}

/* Called when nothing moves any more: decides what the end of a side means. */
static unsigned take_ends(struct session *session)
{
    const struct pipe *client = &session->pipe[LEG_CLIENT];
    const struct pipe *server = &session->pipe[LEG_SERVER];

    if (client->fault == PIPE_NO_MEMORY || server->fault == PIPE_NO_MEMORY)
        return session_give_up(session, REASON_NO_MEMORY);
    /* A server that takes nothing is still read: its end comes after its last words. */
    if (stream_is_open(&session->leg[LEG_SERVER]) && server->ended)
        return take_server_end(session);
    if (server->fault == PIPE_SINK_GONE)
        return session_lose_client(session);
    if (has_ended_by_look_alike(session))
        return session_expire_dialog(session);
    if (is_client_done(session))
        return session_close(session, session_end_reason(session, LEG_CLIENT));
    return SESSION_WAIT;
}

unsigned session_drain_dialog(struct session *session)
{
    if (!dialog_at_boundary(session->dialog))
        return SESSION_WAIT;
    return session_say_farewell(session, FAREWELL_SHUTDOWN, REASON_SHUTDOWN);
}

unsigned session_run_dialog(struct session *session)
{
    bool moved = true;
    bool ever = false;

    /* With too many handshakes under way, STARTTLS is refused for now. */
    session->dialog->tls_unavailable =
        session->service->tls != NULL && atomic_load(&session->sessions->totals->handshakes) >=
                                             session->service->config->limits.handshakes;
    for (int turn = 0; moved && turn < DIALOG_TURNS; turn++) {
        unsigned next;

        moved = false;
        next = hear(session, LEG_SERVER, &moved);
        if (next == SESSION_DIALOG)
            next = hear(session, LEG_CLIENT, &moved);
        if (next != SESSION_DIALOG)
            return next;
        moved = flush(session) || moved;
        ever = ever || moved;
    }
    if (ever)
        set_deadlines(session);
    return moved ? (unsigned)SESSION_AGAIN : take_ends(session);
}

/* A client that is not read is watched for hang-up only: else its bytes are reported for ever. */
unsigned session_dialog_client_events(const struct session *session)
{
    const struct pipe *pipe = &session->pipe[LEG_CLIENT];
    bool reads = !pipe->ended && dialog_wants_client(session->dialog) &&
                 !pipe_has_output(pipe, &session->leg[LEG_SERVER]);

    return session_output_for(session, LEG_CLIENT) |
           (unsigned)(reads ? WIRE_READABLE : WIRE_HANGUP);
}
