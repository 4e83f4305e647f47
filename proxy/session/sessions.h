/*
 * The sessions of one worker. A session is freed at the end of the turn of the loop in which it
 * ended, never inside a chain of callbacks. The worker (or a test) owns the list. One thread.
 */
#ifndef MAILMUX_SESSIONS_H
#define MAILMUX_SESSIONS_H

#include "engine.h"
#include "tally.h"
#include "totals.h"

struct session;

struct sessions {
    struct engine *engine;
    struct totals *totals;
    /* Called when a session is over and logged, just before its memory is freed. */
    void (*ended)(struct sessions *sessions, struct session *session);
    struct list live;
    size_t count; /* of live */
    bool is_draining;
    struct tallies tallies;      /* the owner calls tallies_deinit when all is over */
    unsigned worker;             /* the worker's number, for the log */
    struct engine_task log_rest; /* goes on with the lines of sessions_log_state */
    struct list *logged; /* the last one in live that has its line; NULL: no lines are due */
};

/*
 * Initialises the list in the caller's memory. Engine and totals must outlive it. All sessions must
 * be over before its memory goes.
 */
void sessions_init(struct sessions *sessions, struct engine *engine, struct totals *totals,
    void (*ended)(struct sessions *sessions, struct session *session));

/*
 * Asks all sessions to end: at once if a farewell may be said now, else as soon as it may. A relay
 * goes on until sessions_cut.
 */
void sessions_drain(struct sessions *sessions);

/* Ends and frees all sessions at once, without a farewell. */
void sessions_cut(struct sessions *sessions);

/*
 * Logs the state of each session and then of the worker, one line each. Some of the lines are
 * written now and some in each turn of the loop, so that no session has to wait for the log. It
 * does nothing while lines of an earlier call are still due.
 */
void sessions_log_state(struct sessions *sessions);

#endif
