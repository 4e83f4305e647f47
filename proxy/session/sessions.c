#include "sessions.h"

#include "session_parts.h"

enum { LOGGED_AT_ONCE = 32 /* lines in one turn of the loop */ };

static void log_some(struct engine_task *task);

void sessions_init(struct sessions *sessions, struct engine *engine, struct totals *totals,
    void (*ended)(struct sessions *sessions, struct session *session))
{
    *sessions = (struct sessions){.engine = engine, .totals = totals, .ended = ended};
    list_init(&sessions->live);
    engine_task_init(&sessions->log_rest, log_some);
}

/* act may take its session off the list, so the next one is looked up first. */
static void for_each(struct sessions *sessions, void (*act)(struct session *session))
{
    struct list *node = sessions->live.next;

    while (node != &sessions->live) {
        struct list *next = node->next;

        act(LIST_ENTRY(node, struct session, node));
        node = next;
    }
}

static void cut(struct session *session)
{
    session_cut(session, REASON_SHUTDOWN);
}

void sessions_drain(struct sessions *sessions)
{
    sessions->is_draining = true;
    for_each(sessions, session_drain);
}

void sessions_cut(struct sessions *sessions)
{
    for_each(sessions, cut);
    engine_end_turn(sessions->engine);
}

/* ---- Their state ---- */

static void log_worker(const struct sessions *sessions)
{
    const struct engine *engine = sessions->engine;
    struct log_line line;

    log_open(&line, LOG_INFO, "state-worker");
    log_number(&line, "generation", log_generation());
    log_number(&line, "worker", sessions->worker);
    log_number(&line, "sessions", sessions->count);
    log_number(&line, "deadlines", engine->deadlines.count);
    log_number(&line, "lines_taken", engine->lines.taken);
    log_number(&line, "lines_idle", engine->lines.idle);
    log_number(&line, "replies_taken", engine->replies.taken);
    log_number(&line, "replies_idle", engine->replies.idle);
    log_write(&line);
}

/*
 * Writes the next lines. Each session gets one line: new sessions join at the end of the list, and
 * session_begin_death moves `logged` back if that session ends.
 */
static void log_some(struct engine_task *task)
{
    struct sessions *sessions = LIST_ENTRY(task, struct sessions, log_rest);
    struct log_line line;

    for (int n = 0; n < LOGGED_AT_ONCE && sessions->logged->next != &sessions->live; n++) {
        sessions->logged = sessions->logged->next;
        session_describe_state(LIST_ENTRY(sessions->logged, struct session, node), &line);
        log_write(&line);
    }
    if (sessions->logged->next != &sessions->live) {
        engine_run_next_turn(sessions->engine, task);
        return;
    }
    sessions->logged = NULL;
    log_worker(sessions);
}

void sessions_log_state(struct sessions *sessions)
{
    if (sessions->logged)
        return;
    sessions->logged = &sessions->live;
    log_some(&sessions->log_rest);
}
