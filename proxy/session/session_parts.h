/*
 * What the files of the session share: session.c (its life), session_phases.c (the table of phases,
 * the door between them, the step), session_begin.c (up to the client's TLS), session_dial.c (the
 * way to a backend), session_dialog.c, session_relay.c, session_end.c (how it ends),
 * session_goodbye.c (what the server is owed), session_leave.c (how the legs are left),
 * session_deadlines.c, session_log.c (its line at the end), session_state.c (its line while it
 * lives), session_trace.c (its steps at level debug).
 *
 * A phase is one row in the table and one function that runs it. To add one: its name in enum
 * session_phase, its row, its function, and its bit in the rows of those that it may be followed
 * by.
 */
#ifndef MAILMUX_SESSION_PARTS_H
#define MAILMUX_SESSION_PARTS_H

#include "mailmux/log.h"
#include "session.h"

enum {
    SESSION_LINGER_MS = 2000, /* for a client to take note of our end, once all has reached it */
    SESSION_LINGER_LOOK_MS = 500,           /* from one look at what has reached it to the next */
    SESSION_ENDING_MAX_MS = 60 * 60 * 1000, /* for the last words to a client that reads slowly */
    SESSION_GOODBYE_MS = 2000,              /* for a server to answer the goodbye, and to end */
    SESSION_LOOK_ALIKE_MS = 30000 /* of silence after what may be the end of a refused message */
};

/*
 * What comes next: a phase, or one of these. A function that returns it has changed nothing in
 * session->phase itself.
 */
enum session_next {
    SESSION_WAIT = SESSION_PHASES, /* until an event or a deadline */
    SESSION_AGAIN                  /* there is more to do, but others have their turn first */
};

/* ---- session_phases.c ---- */

/*
 * The only door: checks that this phase may follow, counts handshakes, sets the deadline of the
 * new one, and begins it. Does nothing with SESSION_WAIT and SESSION_AGAIN, or when it is dead.
 */
void session_enter(struct session *session, unsigned next);

/* In the first phase, with no deadline set. */
void session_init_phases(struct session *session);

/* ---- session_deadlines.c ---- */

/* Another deadline for this phase than the one of its row. 0 ms: none. */
void session_set_deadline(
    struct session *session, enum engine_class class_index, uint64_t ms, enum reason expiry);
void session_clear_deadlines(struct session *session);

/* ---- session_begin.c ---- */

unsigned session_run_accepted(struct session *session);
unsigned session_run_proxy_header(struct session *session);
unsigned session_run_upgrade(struct session *session);
unsigned session_run_handshake(struct session *session);
unsigned session_drain_handshake(struct session *session);

/* ---- session_dial.c ---- */

void session_begin_dial(struct session *session);
unsigned session_run_dial(struct session *session);
void session_begin_renewal(struct session *session);
unsigned session_run_renewal(struct session *session);
unsigned session_run_delay(struct session *session);

/* The greeting was held back long enough. */
unsigned session_end_delay(struct session *session);

/* ---- session_dialog.c ---- */

/* With the upstream's greeting in pipe[LEG_SERVER].in. */
unsigned session_start_dialog(struct session *session);

/* With what the upstream has brought behind a dialog that goes on. */
unsigned session_resume_dialog(struct session *session);
void session_begin_dialog(struct session *session);
unsigned session_run_dialog(struct session *session);
unsigned session_drain_dialog(struct session *session);
unsigned session_expire_dialog(struct session *session);
unsigned session_dialog_client_events(const struct session *session);

/* ---- session_relay.c ---- */

/* From now on bytes, both ways. */
void session_begin_relay(struct session *session);
unsigned session_run_relay(struct session *session);
unsigned session_expire_relay(struct session *session);
unsigned session_relay_client_events(const struct session *session);

/* A side whose bytes are not taken now is not read: it would be reported for ever. */
bool session_takes_bytes(const struct session *session, int side);

/* Half of it is over: what is left ends when nothing has moved for a while. */
unsigned session_expire_half_closed(struct session *session);

/* ---- session_end.c ---- */

/* Why the client's or the server's side ended, seen from its stream. */
enum reason session_end_reason(const struct session *session, int leg);

/*
 * The ends. What is queued for the client is still delivered, then our end is said; the farewell is
 * a text in front of that.
 */
unsigned session_close(struct session *session, enum reason reason);
unsigned session_say_farewell(
    struct session *session, enum dialog_farewell farewell, enum reason reason);

/* Without ceremony toward the client: the reason that it has already, or this one. */
unsigned session_give_up(struct session *session, enum reason reason);

/* The client is gone: it has reset the connection, or takes nothing any more. */
unsigned session_lose_client(struct session *session);

/* It takes nothing of what waits for it. */
unsigned session_stall(struct session *session, int leg);

unsigned session_run_farewell(struct session *session);
void session_begin_linger(struct session *session);
unsigned session_run_linger(struct session *session);
unsigned session_look_at_linger(struct session *session);

/* The very end: counted, logged, closed. */
void session_begin_death(struct session *session);

/* ---- session_leave.c ---- */

/* The client's leg is closed, with a reset where it would else take a part for the whole. */
void session_leave_client(struct session *session);

/* The server's leg ends, and its place is another's; the log keeps its name. */
void session_leave_server(struct session *session);

/* ---- session_goodbye.c ---- */

/* Says goodbye to the server, or closes its leg where it is owed none. */
void session_part(struct session *session);

/* Says it to a server whose connection is left for a fresh one: nothing waits for the answer. */
void session_say_last_goodbye(struct session *session);

/* Goes on with the goodbye. */
void session_run_parting(struct session *session);
unsigned session_parting_events(const struct session *session);

void session_begin_goodbye(struct session *session);
unsigned session_run_goodbye(struct session *session);

/* ---- session_log.c ---- */

void session_note_tls(struct session *session);
void session_note_server_tls(struct session *session);

/* The first session of a backend whose server takes no login without TLS says so. */
void session_tell_logins(const struct session *session);

/* Who takes part in it: the client, the server, the TLS of both, the user. */
void session_describe_parties(const struct session *session, struct log_line *line);

/* Begins the line that a session leaves behind, which log_write ends. */
void session_describe(const struct session *session, struct log_line *line);

/* ---- session_trace.c: lines of level debug; the callers ask log_is_on first ---- */

/* It leaves its phase for the one of that name. */
void session_trace_phase(const struct session *session, const char *to);

/* What its dialog wants done. */
void session_trace_actions(const struct session *session, const struct actions *actions);

/* ---- session_state.c ---- */

/*
 * Begins a line on what the session does now, what it waits for and what it holds. log_write ends
 * it.
 */
void session_describe_state(const struct session *session, struct log_line *line);

#endif
