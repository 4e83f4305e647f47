/*
 * The phases of a session as a table, and the door between them. A row says all that differs: what
 * runs the phase, what its two wires are watched for, how long it may last and what follows then,
 * what the end of the process means to it, and which phases it may follow.
 */
#include "session_parts.h"

#include "mailmux/check.h"

static const struct config_timeouts *timeouts(const struct session *session)
{
    return &session->service->config->timeouts;
}

/* ---- How long ---- */

static uint64_t proxy_header_ms(const struct session *session)
{
    return timeouts(session)->proxy_header;
}

static uint64_t sniff_ms(const struct session *session)
{
    return session->service->listener->sniff;
}

static uint64_t handshake_ms(const struct session *session)
{
    return timeouts(session)->handshake;
}

static uint64_t delay_ms(const struct session *session)
{
    return session->service->listener->greeting_delay;
}

static uint64_t idle_ms(const struct session *session)
{
    return session->service->idle_ms;
}

static uint64_t half_closed_ms(const struct session *session)
{
    return timeouts(session)->half_closed;
}

/*
 * Returns the limit for a client that takes the farewell slowly. Without any progress mind_stall
 * ends the phase earlier.
 */
static uint64_t farewell_ms(const struct session *session)
{
    (void)session;
    return SESSION_ENDING_MAX_MS;
}

static uint64_t linger_ms(const struct session *session)
{
    (void)session;
    return SESSION_LINGER_LOOK_MS;
}

/* ---- When the time is over, or the process ends ---- */

static unsigned give_up(struct session *session)
{
    return session_give_up(session, session->phase_reason);
}

static unsigned say_shutdown(struct session *session)
{
    return session_say_farewell(session, FAREWELL_SHUTDOWN, REASON_SHUTDOWN);
}

/* Ends the session without a farewell, for a phase in which nothing has been said yet. */
static unsigned cut_for_shutdown(struct session *session)
{
    return session_give_up(session, REASON_SHUTDOWN);
}

/*
 * Ends the session at once, for a phase in which nothing is owed to the client and the server's
 * answer does not matter.
 */
static unsigned end(struct session *session)
{
    (void)session;
    return SESSION_DEAD;
}

static unsigned wait(struct session *session)
{
    (void)session;
    return SESSION_WAIT;
}

/* ---- What is watched ---- */

static unsigned client_reads(const struct session *session)
{
    return WIRE_READABLE | session_output_for(session, LEG_CLIENT);
}

static unsigned client_is_told(const struct session *session)
{
    return WIRE_HANGUP | session_output_for(session, LEG_CLIENT);
}

/*
 * Returns the events of a client whose bytes wait in the kernel, unless early_talker looks for
 * them.
 */
static unsigned client_waits(const struct session *session)
{
    return session_refuses_early(session) || session->is_guess ? WIRE_READABLE : WIRE_HANGUP;
}

/* Returns the events of a client whose bytes are dropped, and whose reset ends the wait. */
static unsigned client_leaves(const struct session *session)
{
    return WIRE_READABLE | WIRE_HANGUP | session_output_for(session, LEG_CLIENT);
}

static unsigned server_reads(const struct session *session)
{
    return (session_takes_bytes(session, LEG_SERVER) ? (unsigned)WIRE_READABLE : 0) |
           session_output_for(session, LEG_SERVER);
}

/* Returns no events: what the server says now waits in the kernel. */
static unsigned server_waits(const struct session *session)
{
    (void)session;
    return 0;
}

/* ---- The table ---- */

struct phase {
    const char *name;
    unsigned follows;                                  /* a bit for each phase that it may follow */
    void (*begin)(struct session *session);            /* or NULL */
    bool is_handshake;                                 /* counted among the handshakes under way */
    unsigned (*run)(struct session *session);          /* see enum session_next */
    unsigned (*expire)(struct session *session);       /* a deadline has passed */
    unsigned (*drain)(struct session *session);        /* the process ends */
    unsigned (*client)(const struct session *session); /* watched on the client's wire */
    unsigned (*server)(const struct session *session); /* NULL: nothing, or the upstream decides */
    uint64_t (*lasts)(const struct session *session);  /* NULL: no deadline, or set by the phase */
    enum engine_class class_index;
    enum reason expiry;
};

#define AFTER(phase) (1u << SESSION_##phase)

enum {
    OF_LIFE = AFTER(ACCEPTED) | AFTER(PROXY_HEADER) | AFTER(SNIFF) | AFTER(HANDSHAKE) |
              AFTER(DIAL) | AFTER(DELAY) | AFTER(DIALOG) | AFTER(UPGRADE) | AFTER(RENEW) |
              AFTER(RELAY) | AFTER(HALF_CLOSED),
    OF_END = AFTER(FAREWELL) | AFTER(LINGER)
};

static const struct phase phases[SESSION_PHASES] = {
    [SESSION_ACCEPTED] = {"accepted", 0, NULL, false, session_run_accepted, give_up,
        cut_for_shutdown, client_reads, NULL, NULL, CLASS_PROXY_HEADER, REASON_NONE},
    [SESSION_PROXY_HEADER] = {"proxy-header", AFTER(ACCEPTED), NULL, false,
        session_run_proxy_header, give_up, cut_for_shutdown, client_reads, NULL, proxy_header_ms,
        CLASS_PROXY_HEADER, REASON_TIMEOUT_PROXY_HEADER},
    [SESSION_SNIFF] = {"sniff",
        AFTER(ACCEPTED) | AFTER(PROXY_HEADER) | AFTER(DIAL) | AFTER(DELAY) | AFTER(RELAY), NULL,
        false, session_run_sniff, session_expire_sniff, cut_for_shutdown, client_reads, NULL,
        sniff_ms, CLASS_SNIFF, REASON_NONE},
    [SESSION_HANDSHAKE] = {"handshake",
        AFTER(ACCEPTED) | AFTER(PROXY_HEADER) | AFTER(SNIFF) | AFTER(UPGRADE), NULL, true,
        session_run_handshake, give_up, session_drain_handshake, client_reads, server_waits,
        handshake_ms, CLASS_HANDSHAKE, REASON_TIMEOUT_HANDSHAKE},
    [SESSION_DIAL] = {"dial",
        AFTER(ACCEPTED) | AFTER(PROXY_HEADER) | AFTER(SNIFF) | AFTER(HANDSHAKE), session_begin_dial,
        false, session_run_dial, give_up, say_shutdown, client_waits, NULL, NULL, CLASS_CONNECT,
        REASON_NONE},
    [SESSION_DELAY] = {"delay", AFTER(DIAL), NULL, false, session_run_delay, session_start_dialog,
        say_shutdown, client_waits, server_waits, delay_ms, CLASS_GREETING_DELAY, REASON_NONE},
    [SESSION_DIALOG] = {"dialog", AFTER(DIAL) | AFTER(DELAY) | AFTER(HANDSHAKE) | AFTER(RENEW),
        session_begin_dialog, false, session_run_dialog, session_expire_dialog,
        session_drain_dialog, session_dialog_client_events, server_reads, NULL, CLASS_COMMAND,
        REASON_NONE},
    [SESSION_UPGRADE] = {"upgrade", AFTER(DIALOG), NULL, true, session_run_upgrade, give_up,
        cut_for_shutdown, client_is_told, server_waits, handshake_ms, CLASS_HANDSHAKE,
        REASON_TIMEOUT_HANDSHAKE},
    [SESSION_RENEW] = {"renew", AFTER(HANDSHAKE) | AFTER(DIALOG), session_begin_renewal, false,
        session_run_renewal, give_up, say_shutdown, client_is_told, NULL, NULL, CLASS_CONNECT,
        REASON_NONE},
    [SESSION_RELAY] = {"relay", AFTER(DIAL) | AFTER(DELAY) | AFTER(DIALOG), session_begin_relay,
        false, session_run_relay, session_expire_relay, wait, session_relay_client_events,
        server_reads, idle_ms, CLASS_IDLE, REASON_TIMEOUT_IDLE},
    [SESSION_HALF_CLOSED] = {"half-closed", AFTER(RELAY), NULL, false, session_run_relay,
        session_expire_half_closed, wait, session_relay_client_events, server_reads, half_closed_ms,
        CLASS_HALF_CLOSED, REASON_TIMEOUT_LINGER},
    [SESSION_FAREWELL] = {"farewell", OF_LIFE, NULL, false, session_run_farewell, give_up, wait,
        client_leaves, session_parting_events, farewell_ms, CLASS_LINGER, REASON_NONE},
    [SESSION_LINGER] = {"linger", AFTER(FAREWELL) | AFTER(HALF_CLOSED), session_begin_linger, false,
        session_run_linger, session_look_at_linger, session_look_at_linger, client_reads,
        session_parting_events, linger_ms, CLASS_LINGER, REASON_NONE},
    [SESSION_GOODBYE] = {"goodbye", OF_LIFE | OF_END, session_begin_goodbye, false,
        session_run_goodbye, give_up, end, NULL, session_parting_events, NULL, CLASS_LINGER,
        REASON_NONE},
    [SESSION_DEAD] = {"dead", OF_LIFE | OF_END | AFTER(GOODBYE), session_begin_death, false, NULL,
        NULL, wait, NULL, NULL, NULL, CLASS_LINGER, REASON_NONE},
};

static const struct phase *phase_of(const struct session *session)
{
    return &phases[session->phase];
}

/* ---- Readiness ---- */

/* While output waits for a leg, a deadline asks whether the leg takes any of it (see on_stall). */
static void mind_stall(struct session *session, int leg, bool has_output)
{
    struct deadline_queue *queue = &session->engine->deadlines;
    struct stall *stall = &session->stall[leg];

    if (!has_output) {
        deadline_clear(queue, &stall->deadline);
    } else if (!deadline_is_set(&stall->deadline)) {
        stall->delivered = stream_delivered(&session->leg[leg]);
        deadline_set(queue, &stall->deadline, CLASS_STALLED,
            uv_now(session->engine->loop) + timeouts(session)->stalled);
    }
}

static void watch_leg(
    struct session *session, int leg, unsigned (*wanted)(const struct session *session))
{
    struct stream *stream = &session->leg[leg];
    bool is_mine = wanted && stream_is_open(stream);
    unsigned events = is_mine ? wanted(session) : 0;

    if (is_mine)
        stream_watch(stream, events);
    mind_stall(session, leg, (events & (unsigned)WIRE_WRITABLE) != 0);
}

/* Sets the events for both legs. */
static void watch(struct session *session)
{
    watch_leg(session, LEG_CLIENT, phase_of(session)->client);
    watch_leg(session, LEG_SERVER, phase_of(session)->server);
}

/* ---- The door ---- */

static bool may_follow(const struct session *session, unsigned phase)
{
    return phase < SESSION_PHASES && (phases[phase].follows & (1u << session->phase)) != 0;
}

/*
 * Counts the handshakes under way, of all workers. An upgrade is counted before the answer to
 * STARTTLS goes out, so that each client that has the answer is counted.
 */
static void count_handshake(
    struct session *session, const struct phase *from, const struct phase *to)
{
    struct totals *totals = session->sessions->totals;

    if (to->is_handshake && !from->is_handshake)
        (void)atomic_fetch_add(&totals->handshakes, 1);
    else if (from->is_handshake && !to->is_handshake)
        (void)atomic_fetch_sub(&totals->handshakes, 1);
}

static void note_phase(struct session *session, enum session_phase phase)
{
    session->phase = phase;
    session->phase_name = phases[phase].name;
    /* The log says in which phase a session was before its end began. */
    if ((unsigned)OF_LIFE & (1u << phase))
        session->last_phase = phases[phase].name;
    session->phase_since_ms = uv_now(session->engine->loop);
}

void session_enter(struct session *session, unsigned next)
{
    const struct phase *row;

    if (next == SESSION_WAIT || next == SESSION_AGAIN || session->phase == SESSION_DEAD)
        return;
    if (!check_holds(may_follow(session, next))) {
        session->reason = REASON_FAULT;
        next = SESSION_DEAD;
    }
    if (log_is_on(LOG_DEBUG))
        session_trace_phase(session, phases[next].name);
    /* The deadline is set before begin runs, which may replace it. */
    row = &phases[next];
    count_handshake(session, phase_of(session), row);
    note_phase(session, (enum session_phase)next);
    session_set_deadline(
        session, row->class_index, row->lasts ? row->lasts(session) : 0, row->expiry);
    if (row->begin)
        row->begin(session);
}

void session_step(struct session *session)
{
    unsigned next;

    if (session->stepping || session->phase == SESSION_DEAD)
        return;
    session->stepping = true;
    do {
        next = phase_of(session)->run(session);
        /*
         * The phase may have come to a point where it can end: it is asked each time that it waits.
         */
        if (next == SESSION_WAIT && session->wants_drain)
            next = phase_of(session)->drain(session);
        session_enter(session, next);
    } while (next != SESSION_WAIT && next != SESSION_AGAIN && session->phase != SESSION_DEAD);
    session->stepping = false;
    if (next == SESSION_AGAIN)
        engine_run_next_turn(session->engine, &session->again);
    if (session->phase != SESSION_DEAD)
        watch(session);
}

void session_drain(struct session *session)
{
    session->wants_drain = true;
    session_enter(session, phase_of(session)->drain(session));
    session_step(session);
}

/* ---- Deadlines ---- */

static void note_expiry(const struct session *session, const struct deadline *deadline)
{
    if (log_is_on(LOG_DEBUG))
        engine_trace_expiry(deadline, slice_from(session->id));
}

static void expire(struct session *session, const struct deadline *deadline)
{
    note_expiry(session, deadline);
    session_enter(session, phase_of(session)->expire(session));
    session_step(session);
}

static void on_phase_deadline(struct deadline *deadline)
{
    expire(LIST_ENTRY(deadline, struct session, phase_deadline), deadline);
}

static void on_line_deadline(struct deadline *deadline)
{
    struct session *session = LIST_ENTRY(deadline, struct session_prelude, line_deadline)->session;

    session->phase_reason = REASON_TIMEOUT_LINE;
    expire(session, deadline);
}

static void on_login_deadline(struct deadline *deadline)
{
    struct session *session = LIST_ENTRY(deadline, struct session_prelude, login_deadline)->session;

    session->phase_reason = REASON_TIMEOUT_LOGIN;
    expire(session, deadline);
}

static void on_parting_deadline(struct deadline *deadline)
{
    struct session *session = LIST_ENTRY(deadline, struct session, parting_deadline);

    note_expiry(session, deadline);
    session_leave_server(session);
    session_step(session);
}

/*
 * Output has waited for this leg for `stalled`. The deadline begins again if some of it was
 * delivered.
 */
static void on_stall(struct session *session, int leg)
{
    struct stall *stall = &session->stall[leg];
    uint64_t delivered = stream_delivered(&session->leg[leg]);

    note_expiry(session, &stall->deadline);
    if (delivered == stall->delivered)
        session_enter(session, session_stall(session, leg));
    stall->delivered = delivered;
    session_step(session);
    if (session->phase != SESSION_DEAD)
        watch(session);
}

static void on_client_stall(struct deadline *deadline)
{
    on_stall(LIST_ENTRY(deadline, struct session, stall[LEG_CLIENT].deadline), LEG_CLIENT);
}

static void on_server_stall(struct deadline *deadline)
{
    on_stall(LIST_ENTRY(deadline, struct session, stall[LEG_SERVER].deadline), LEG_SERVER);
}

void session_init_phases(struct session *session)
{
    note_phase(session, SESSION_ACCEPTED);
    deadline_init(&session->phase_deadline, on_phase_deadline);
    deadline_init(&session->prelude->line_deadline, on_line_deadline);
    deadline_init(&session->prelude->login_deadline, on_login_deadline);
    deadline_init(&session->parting_deadline, on_parting_deadline);
    deadline_init(&session->stall[LEG_CLIENT].deadline, on_client_stall);
    deadline_init(&session->stall[LEG_SERVER].deadline, on_server_stall);
}
