/*
 * How a session ends toward its client: with a farewell, cleanly, or cut.
 *
 * If unread bytes are in the socket at a close, the kernel sends RST and drops what the client has
 * not acknowledged, the last words included. So after our direction has ended the client is still
 * read, and what it sends is dropped, until it has ended or has got everything.
 */
#include "session_parts.h"

#include <errno.h>

/* Returns whether the kernel gave up because the peer acknowledged nothing. */
static bool has_stalled(const struct session *session, int leg)
{
    const struct stream *stream = &session->leg[leg];

    return stream_error(stream) == ETIMEDOUT && !stream_is_delivered(stream);
}

enum reason session_end_reason(const struct session *session, int leg)
{
    bool client = leg == LEG_CLIENT;

    if (has_stalled(session, leg))
        return REASON_STALLED;

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

bool session_client_may_leave(enum reason reason)
{
    return reason == REASON_CLIENT_CLOSED || reason == REASON_CLIENT_RESET ||
           reason == REASON_CLIENT_TRUNCATED;
}

static uint64_t now_ms(const struct session *session)
{
    return uv_now(session->engine->loop);
}

/* ---- Deciding to end ---- */

/* Returns what follows the end of the client's leg: the server's goodbye may still be under way. */
static unsigned after_client(const struct session *session)
{
    return session->parting != PARTING_NONE ? SESSION_GOODBYE : SESSION_DEAD;
}

static void begin_end(struct session *session, enum reason reason)
{
    if (session->reason == REASON_NONE) {
        session->reason = reason;
        session_tell_refused_end(session);
    }
    if (session->parting == PARTING_NONE) /* else the goodbye is under way already */
        session_part(session);
    session_clear_deadlines(session);
}

unsigned session_give_up(struct session *session, enum reason reason)
{
    begin_end(session, reason);
    return after_client(session);
}

/* A client that has said QUIT or LOGOUT need not wait for the answer. */
static enum reason client_end_reason(const struct session *session)
{
    enum reason reason = session_end_reason(session, LEG_CLIENT);

    return session->dialog && dialog_is_quitting(session->dialog) &&
                   session_client_may_leave(reason)
               ? REASON_QUIT
               : reason;
}

unsigned session_lose_client(struct session *session)
{
    struct pipe *client = &session->pipe[LEG_CLIENT];

    /* A client that was not read any more must not count as one that has ended cleanly. */
    client->truncated = client->truncated || !client->ended;
    client->ended = true;
    session->pipe[LEG_SERVER].fault = PIPE_SINK_GONE;
    stream_note_reset(&session->leg[LEG_CLIENT]);
    return session_give_up(session, client_end_reason(session));
}

unsigned session_close(struct session *session, enum reason reason)
{
    const struct stream *client = &session->leg[LEG_CLIENT];

    begin_end(session, reason);
    if (session->pipe[LEG_CLIENT].ended && client->failure == STREAM_RESET)
        return after_client(session);
    return SESSION_FAREWELL;
}

/* Queues the farewell for the client, if it fits. */
static void queue_farewell(struct session *session, enum dialog_farewell farewell)
{
    struct pipe *pipe = &session->pipe[LEG_SERVER];

    if (!session->service->protocol)
        return; /* a client whose protocol is not known gets no word */
    if (pipe_reserve(pipe, session->engine, DIALOG_EXTRA / 2))
        protocol_farewell(session->service->protocol, farewell,
            session->service->dialog_policy.hostname, pipe->out);
}

unsigned session_say_farewell(
    struct session *session, enum dialog_farewell farewell, enum reason reason)
{
    queue_farewell(session, farewell);
    return session_close(session, reason);
}

/* If the server does not read, a client that is still in the dialog hears of a timeout. */
unsigned session_stall(struct session *session, int leg)
{
    if (leg == LEG_SERVER && session->phase == SESSION_DIALOG)
        return session_say_farewell(session, FAREWELL_TIMEOUT, REASON_STALLED);
    return session_give_up(session, REASON_STALLED);
}

/* ---- The last words ---- */

/*
 * Returns whether TLS with the client has failed. Then the alert was our last word. What the client
 * still sends cannot be decrypted, but it must be read before the close.
 */
static bool has_tls_failed(const struct stream *client)
{
    return stream_is_tls(client) && client->failure != STREAM_FINE &&
           client->failure != STREAM_RESET;
}

static bool has_client_ended(const struct session *session)
{
    const struct stream *client = &session->leg[LEG_CLIENT];

    return has_tls_failed(client) ? stream_has_ended(client) : session->pipe[LEG_CLIENT].ended;
}

/* Drops what the client still sends. Returns IO_AGAIN if nothing more is there now. */
static enum io drop_input(struct session *session)
{
    struct pipe *pipe = &session->pipe[LEG_CLIENT];
    struct engine *engine = session->engine;
    struct stream *client = &session->leg[LEG_CLIENT];
    enum io status;
    size_t got;

    buffer_give_cleansed(&engine->lines, &pipe->in);
    if (has_client_ended(session))
        return IO_EOF;
    if (has_tls_failed(client))
        return stream_read_raw(client, engine->scratch, sizeof(engine->scratch), &got);
    status = stream_read(client, engine->scratch, sizeof(engine->scratch), &got);
    if (status == IO_EOF || status == IO_ERR) {
        pipe->ended = true;
        pipe->truncated = status == IO_ERR;
    } else if (status == IO_OK) {
        pipe->bytes += got;
    }
    return status;
}

/*
 * Returns whether the client gets nothing any more. A client that has ended its own direction may
 * still read.
 */
static bool is_client_gone(const struct session *session)
{
    const struct stream *client = &session->leg[LEG_CLIENT];

    return session->pipe[LEG_SERVER].fault != PIPE_FINE || client->unwritable ||
           client->failure == STREAM_RESET;
}

/* A client may send without end; then its connection is reset, and it may miss the words. */
enum { LAST_READS_MAX = 16 };

void session_say_at_once(struct session *session)
{
    if (session->phase != SESSION_DIALOG || is_client_gone(session))
        return;
    queue_farewell(session, FAREWELL_SHUTDOWN);
    (void)pipe_flush(&session->pipe[LEG_SERVER], &session->leg[LEG_CLIENT], session->engine);
    for (int i = 0; i < LAST_READS_MAX && drop_input(session) == IO_OK; i++)
        continue;
}

unsigned session_run_farewell(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];
    struct stream *client = &session->leg[LEG_CLIENT];
    enum io heard = drop_input(session); /* some clients read only after they have sent all */

    session_run_parting(session);
    pipe_flush_last(server, client, session->engine);
    if (is_client_gone(session))
        return after_client(session);
    if (!pipe_has_output(server, client))
        return SESSION_LINGER;
    return heard == IO_OK ? SESSION_AGAIN : SESSION_WAIT;
}

/* ---- After our direction has ended ---- */

void session_begin_linger(struct session *session)
{
    struct pipe *server = &session->pipe[LEG_SERVER];

    if (session->parting == PARTING_NONE)
        session_leave_server(session);
    if (server->told == PIPE_UNTOLD) {
        stream_shutdown(&session->leg[LEG_CLIENT], pipe_is_cut(server, &session->leg[LEG_CLIENT]));
        server->told = PIPE_SHUT;
    }
    session->linger = (struct lingering){.since_ms = now_ms(session), .moved_ms = now_ms(session)};
}

/*
 * Returns whether nothing is left to wait for. The kernel delivers what is under way, unless the
 * close must be a reset.
 */
static bool may_close(const struct session *session)
{
    return has_client_ended(session) && (session->pipe[LEG_SERVER].told != PIPE_TORN ||
                                            stream_is_delivered(&session->leg[LEG_CLIENT]));
}

unsigned session_run_linger(struct session *session)
{
    struct stream *client = &session->leg[LEG_CLIENT];
    enum io heard = drop_input(session);

    session_run_parting(session);
    if (stream_has_held(client) && stream_flush(client) == IO_ERR)
        return after_client(session);
    if (client->failure == STREAM_RESET || may_close(session))
        return after_client(session);
    return heard == IO_OK ? SESSION_AGAIN : SESSION_WAIT; /* others have their turn first */
}

/*
 * Has everything arrived? If not, has more arrived since the last look? Without progress the client
 * has `stalled`, or SESSION_LINGER_MS once it has everything. A pause of the process gives it new
 * time. If something is still under way at the end, the close is a reset.
 */
unsigned session_look_at_linger(struct session *session)
{
    struct lingering *linger = &session->linger;
    const struct stream *client = &session->leg[LEG_CLIENT];
    uint64_t delivered = stream_delivered(client);
    uint64_t now = now_ms(session);
    bool is_quiet = stream_is_delivered(client) && delivered == linger->delivered;
    bool was_paused = deadline_queue_has_stalled(&session->engine->deadlines, linger->moved_ms);
    uint64_t patience = is_quiet ? SESSION_LINGER_MS : session->service->config->timeouts.stalled;

    if (delivered != linger->delivered || was_paused)
        linger->moved_ms = now;
    linger->delivered = delivered;
    if ((is_quiet && session->wants_drain) || now - linger->moved_ms >= patience ||
        now - linger->since_ms >= SESSION_ENDING_MAX_MS) {
        if (!is_quiet)
            session->pipe[LEG_SERVER].told = PIPE_TORN;
        return after_client(session);
    }
    session_set_deadline(session, CLASS_LINGER, SESSION_LINGER_LOOK_MS, session->phase_reason);
    return SESSION_WAIT;
}

/* ---- The end ---- */

/* Counts for the door or for the route. */
static void count_end(const struct session *session, struct tally *tally)
{
    tally_add(tally, TALLY_ENDED, 1);
    tally_add(tally, TALLY_BYTES_IN, session->pipe[LEG_CLIENT].bytes);
    tally_add(tally, TALLY_BYTES_OUT, session->pipe[LEG_SERVER].sent);
    tally_add(tally, TALLY_FAILED_TLS, session->tls.failed ? 1 : 0);
    switch ((int)session->reason) {
    case REASON_TOO_MANY_HANDSHAKES:
    case REASON_TOO_MANY_SESSIONS:
    case REASON_ROUTE_REFUSED:
    case REASON_NO_ROUTE:
        tally_add(tally, TALLY_REFUSED, 1);
        break;
    case REASON_NO_BACKEND:
    case REASON_QUEUE_FULL:
    case REASON_QUEUE_TIMEOUT:
        tally_add(tally, TALLY_NO_BACKEND, 1);
        break;
    default:
        break;
    }
}

/* Called before the line is written, because a reader of the line may look at the counters. */
static void count(const struct session *session)
{
    struct totals *totals = session->sessions->totals;

    (void)atomic_fetch_sub(&totals->alive, 1);
    (void)atomic_fetch_add(&totals->served, 1);
    (void)atomic_fetch_add(&totals->attacks[reason_attack(session->reason)], 1);
    count_end(session, session->tally);
    count_end(session, session->route_tally);
}

void session_begin_death(struct session *session)
{
    struct engine *engine = session->engine;
    struct sessions *sessions = session->sessions;
    struct log_line line;

    session_clear_deadlines(session);
    count(session);
    session_leave_server(session);
    session_tell_unanswered(session);
    session_describe(session, &line);
    log_write(&line); /* its readers find the server's place free */
    session_leave_client(session);
    pipe_deinit(&session->pipe[LEG_CLIENT], &engine->lines, engine);
    pipe_deinit(&session->pipe[LEG_SERVER], &engine->replies, engine);
    engine_forget(&session->again);
    if (sessions->logged == &session->node)
        sessions->logged = session->node.prev;
    list_remove(&session->node);
    sessions->count--;
    engine_run_at_end(engine, &session->burial);
}
