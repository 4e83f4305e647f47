/* The life of a session: its start, its end from outside, and its burial. */
#include "session_parts.h"

#include "mailmux/clock.h"
#include <stdlib.h>

static void on_event(void *owner, struct stream *leg, unsigned events)
{
    struct session *session = owner;

    if ((events & (unsigned)WIRE_HANGUP) && leg == &session->leg[LEG_CLIENT])
        session_enter(session, session_lose_client(session));
    session_step(session);
}

static void run_again(struct engine_task *task)
{
    session_step(LIST_ENTRY(task, struct session, again));
}

/* Runs at the end of the turn, when no callback of the session is on the stack any more. */
static void bury(struct engine_task *task)
{
    struct session *session = LIST_ENTRY(task, struct session, burial);

    session->sessions->ended(session->sessions, session);
    session_end_dialog(session);
    session_end_prelude(session);
    free(session->user);
    free(session->server_name);
    free(session->front_tls);
    free(session->via);
    session_forget_tls(session);
    free(session);
}

/* Returns where the number ends, which is where the next thing is to be put. */
static char *put_hexadecimal(char *out, uint64_t number)
{
    int digits = 1;

    while (digits < 16 && number >> (4 * digits) != 0)
        digits++;
    while (digits-- > 0)
        *out++ = "0123456789abcdef"[number >> (4 * digits) & 15];
    return out;
}

static void name_session(struct session *session)
{
    struct totals *totals = session->sessions->totals;
    char *end = put_hexadecimal(session->id, totals->seed);

    *end++ = '-';
    *put_hexadecimal(end, atomic_fetch_add(&totals->begun, 1)) = '\0';
}

/* The most at once is for daemon/memory_return.c, which needs no exact number. */
static void count_alive(struct totals *totals)
{
    uint64_t alive = atomic_fetch_add(&totals->alive, 1) + 1;

    if (alive > atomic_load(&totals->most_alive))
        atomic_store(&totals->most_alive, alive);
}

struct session *session_start(struct sessions *sessions, const struct service *service,
    struct wire *wire, const struct address *client, const struct address *local, void *snapshot)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session || !session_begin_prelude(session, local)) {
        free(session);
        wire_close(wire, true);
        return NULL;
    }
    session->sessions = sessions;
    session->engine = sessions->engine;
    session->on_event = on_event;
    session->service = service;
    session->door = service;
    session->tally = tallies_of(&sessions->tallies, service->listener->name);
    session->client = *client;
    name_session(session);
    session->snapshot = snapshot;
    session->started_ms = clock_monotonic_ms();
    engine_task_init(&session->again, run_again);
    engine_task_init(&session->burial, bury);
    list_append(&sessions->live, &session->node);
    sessions->count++;
    count_alive(sessions->totals);
    tally_add(session->tally, TALLY_BEGUN, 1);
    session_init_phases(session);
    stream_open(&session->leg[LEG_CLIENT], &session->engine->streams, wire, on_event, session);
    stream_set_patience(&session->leg[LEG_CLIENT], service->config->timeouts.stalled);
    session_step(session);
    return session;
}

void session_cut(struct session *session, enum reason reason)
{
    if (session->phase == SESSION_DEAD)
        return;
    session_say_at_once(session);
    session->reason = reason;
    session_enter(session, SESSION_DEAD);
}
