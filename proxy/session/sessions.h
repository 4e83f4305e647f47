/*
 * The sessions of one worker. A session is freed when the turn of the loop in which it ended is
 * over, never inside a chain of callbacks. Owned by the worker (or a test), one thread.
 */
#ifndef MAILMUX_SESSIONS_H
#define MAILMUX_SESSIONS_H

#include "engine.h"
#include "totals.h"

struct session;

struct sessions {
    struct engine *engine;
    struct totals *totals;
    /* A session is over and logged; its memory goes next. */
    void (*ended)(struct sessions *sessions, struct session *session);
    struct list live;
    size_t count; /* of live */
    bool is_draining;
    unsigned worker;             /* its number, for the log */
    struct engine_task log_rest; /* goes on with the lines of sessions_log_state */
    struct list *logged;         /* up to here, in live, they are written; NULL: none is wanted */
};

/* In the caller's memory. Engine and totals must outlive it; all sessions must be over before. */
void sessions_init(struct sessions *sessions, struct engine *engine, struct totals *totals,
    void (*ended)(struct sessions *sessions, struct session *session));

/* Asks all to end: now where a farewell may be said, else as soon as it may. */
void sessions_drain(struct sessions *sessions);

/* Ends and frees all that are left, without ceremony. */
void sessions_cut(struct sessions *sessions);

/*
 * Logs the state of each session and then of the worker, one line each. It writes some of the lines
 * now and some in each turn of the loop, so that no session has to wait. A call while lines are
 * still being written does nothing.
 */
void sessions_log_state(struct sessions *sessions);

#endif
