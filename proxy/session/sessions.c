#include "sessions.h"

#include "session.h"

void sessions_init(struct sessions *sessions, struct engine *engine, struct totals *totals,
    void (*ended)(struct sessions *sessions, struct session *session))
{
    *sessions = (struct sessions){.engine = engine, .totals = totals, .ended = ended};
    list_init(&sessions->live);
}

/* A session may leave the list while it is asked: the next one is looked up first. */
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
