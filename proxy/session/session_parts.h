/*
 * What the files of the session share: session.c (its life), session_phases.c (the table of phases,
 * the door between them, the step), session_begin.c (up to the client's TLS), session_sniff.c (the
 * client's first bytes decide), session_dial.c (the way to a backend), session_dialog.c,
 * session_relay.c, session_end.c (how it ends), session_goodbye.c (the goodbye to the server),
 * session_leave.c (how the legs are closed),
 * session_prelude.c (what it needs until it relays), session_deadlines.c, session_log.c (the line
 * at its end), session_news.c (logins and refusals), session_state.c (the line while it lives),
 * session_trace.c (its steps at level debug).
 *
 * A phase is a row of the table and a function that runs it. A new phase needs a name in enum
 * session_phase, a row, a function, and its bit in the rows of the phases that may follow it.
 * Functions without a comment below are named in those rows. A function that returns unsigned
 * returns what comes next: a phase, or a value of enum session_next.
 */
#ifndef MAILMUX_SESSION_PARTS_H
#define MAILMUX_SESSION_PARTS_H

#include "mailmux/log.h"
#include "session.h"

enum {
    SESSION_LINGER_MS = 2000,               /* for a client that has got everything to end, too */
    SESSION_LINGER_LOOK_MS = 500,           /* between two looks at what has been delivered */
    SESSION_ENDING_MAX_MS = 60 * 60 * 1000, /* for the last words, to a client that reads slowly */
    SESSION_GOODBYE_MS = 2000,              /* for a server to answer the goodbye, and to end */
    SESSION_LOOK_ALIKE_MS = 30000,          /* silence after a look-alike in a refused message */
    SESSION_REFUSED_LINES = 20,             /* of one session in the log; the rest is counted */
    SESSION_FAILURE_LINES = 100             /* the same for failed logins */
};

/*
 * What comes next is a phase, or one of these. A function that returns it does not set
 * session->phase itself.
 */
enum session_next {
    SESSION_WAIT = SESSION_PHASES, /* it waits for an event or a deadline */
    SESSION_AGAIN                  /* there is more to do, in the next turn of the loop */
};

/* ---- session_phases.c ---- */

/*
 * The only way into a phase. It checks that the phase may follow (else the session ends as
 * internal-fault), counts handshakes, sets the deadline of the new phase and begins it. It does
 * nothing with SESSION_WAIT and SESSION_AGAIN, or if the session is dead.
 */
void session_enter(struct session *session, unsigned next);

/* Puts a new session into its first phase, with no deadline set. */
void session_init_phases(struct session *session);

/* ---- session_prelude.c ---- */

/* Makes the prelude. Returns false without memory. */
bool session_begin_prelude(struct session *session, const struct address *local);

/*
 * Frees the prelude, if there is one. The way to the server is over, and does not begin again: in a
 * relay whose route is no guess, or when the session is buried.
 */
void session_end_prelude(struct session *session);

/* Frees the dialog, if there is one. session_user still returns the name. */
void session_end_dialog(struct session *session);

/* Returns the name of the login, or of the last attempt; empty: none is known. */
struct slice session_user(const struct session *session);

/* ---- session_deadlines.c ---- */

/* Replaces the deadline of the phase. 0 ms: no deadline. expiry: the reason if it expires. */
void session_set_deadline(
    struct session *session, enum engine_class class_index, uint64_t ms, enum reason expiry);

/* Clears all deadlines except that of the parting. */
void session_clear_deadlines(struct session *session);

/* ---- session_begin.c ---- */

/* Returns whether the client's next byte, as far as it was read, begins a record of TLS. */
bool session_hears_tls(const struct session *session);

/* What the listener does first: TLS, or the way to a backend. Returns the next phase. */
unsigned session_begin_service(struct session *session);

unsigned session_run_accepted(struct session *session);
unsigned session_run_proxy_header(struct session *session);
unsigned session_run_upgrade(struct session *session);
unsigned session_run_handshake(struct session *session);
unsigned session_drain_handshake(struct session *session);

/* ---- session_sniff.c ---- */

unsigned session_run_sniff(struct session *session);
unsigned session_expire_sniff(struct session *session);

/*
 * For a client whose way was chosen while it was silent: returns whether it has spoken since, and
 * so that another way may be right. Then session_route_anew chooses by its words, and leaves the
 * server, from which the client has heard nothing.
 */
bool session_speaks_after_all(struct session *session);
unsigned session_route_anew(struct session *session);

/* ---- session_dial.c ---- */

/*
 * Returns whether a client is turned away that speaks now, before its greeting. A client that was
 * routed by its first words had to speak.
 */
bool session_refuses_early(const struct session *session);

void session_begin_dial(struct session *session);
unsigned session_run_dial(struct session *session);
void session_begin_renewal(struct session *session);
unsigned session_run_renewal(struct session *session);
unsigned session_run_delay(struct session *session);

/* ---- session_dialog.c ---- */

/*
 * Makes the dialog and starts it with the upstream's greeting or refusal, which is in
 * pipe[LEG_SERVER].in.
 */
unsigned session_start_dialog(struct session *session);

/* Goes on with the dialog after a renewal, successful or not. */
unsigned session_resume_dialog(struct session *session);
void session_begin_dialog(struct session *session);
unsigned session_run_dialog(struct session *session);
unsigned session_drain_dialog(struct session *session);
unsigned session_expire_dialog(struct session *session);

/* Returns the mask of enum wire_event for which the client's wire is watched. */
unsigned session_dialog_client_events(const struct session *session);

/* ---- session_relay.c ---- */

/* The dialog is over: its memory goes, and what it has not read is relayed. */
void session_begin_relay(struct session *session);
unsigned session_run_relay(struct session *session);
unsigned session_expire_relay(struct session *session);

/* Returns the mask of enum wire_event for which the client's wire is watched. */
unsigned session_relay_client_events(const struct session *session);

/*
 * Returns whether bytes of that side can be taken now. A side that is not read must not be watched,
 * because its bytes would be reported for ever.
 */
bool session_takes_bytes(const struct session *session, int side);

/* Returns WIRE_WRITABLE if output waits for that leg, else 0. */
unsigned session_output_for(const struct session *session, int leg);

/*
 * Ends a half-closed relay if no byte has moved for the time `half_closed`; else sets the deadline
 * anew.
 */
unsigned session_expire_half_closed(struct session *session);

/* ---- session_end.c ---- */

/* Returns why that side ended, judged by its stream. */
enum reason session_end_reason(const struct session *session, int leg);

/* Returns whether the client has ended in a way that is none of its faults behind a QUIT or LOGOUT.
 */
bool session_client_may_leave(enum reason reason);

/*
 * Ways to end. The reason counts unless one was set before. session_close delivers what is queued
 * for the client, then ends our direction. session_say_farewell puts a farewell after what is
 * queued first.
 */
unsigned session_close(struct session *session, enum reason reason);
unsigned session_say_farewell(
    struct session *session, enum dialog_farewell farewell, enum reason reason);

/*
 * For a session that is cut: a client in the dialog hears that the process ends, as far as it can
 * be said without waiting. What it has sent until now is read, so that the close is no reset.
 */
void session_say_at_once(struct session *session);

/*
 * Ends without another word to the client; what is queued for it is dropped. The server may still
 * get its goodbye.
 */
unsigned session_give_up(struct session *session, enum reason reason);

/* Ends because the client has reset the connection, or takes nothing any more. */
unsigned session_lose_client(struct session *session);

/* Ends because the leg takes nothing of what waits for it. */
unsigned session_stall(struct session *session, int leg);

unsigned session_run_farewell(struct session *session);
void session_begin_linger(struct session *session);
unsigned session_run_linger(struct session *session);

/* Looks how much of what was sent the client has taken; goes on waiting or ends the session. */
unsigned session_look_at_linger(struct session *session);

/*
 * The very end: the session is counted, logged and closed, and its memory is freed at the end of
 * the turn.
 */
void session_begin_death(struct session *session);

/* ---- session_leave.c ---- */

/* Closes the client's leg, with a reset if the client would otherwise take a part for the whole. */
void session_leave_client(struct session *session);

/* Closes the server's leg and gives its place back. The log keeps the server's name. */
void session_leave_server(struct session *session);

/* ---- session_goodbye.c ---- */

/* Begins the goodbye to the server, or closes its leg if no goodbye is due. */
void session_part(struct session *session);

/* Says goodbye on a connection that is left for a fresh one, without waiting for the answer. */
void session_say_last_goodbye(struct session *session);

/* Goes on with the goodbye as far as it goes. */
void session_run_parting(struct session *session);

/* Returns the mask of enum wire_event for which the server's wire is watched during the goodbye. */
unsigned session_parting_events(const struct session *session);

void session_begin_goodbye(struct session *session);
unsigned session_run_goodbye(struct session *session);

/* ---- session_log.c ---- */

/*
 * Keep what the log says of the TLS of the client and of the server: their streams are closed
 * before the line is written.
 */
void session_note_tls(struct session *session);
void session_note_server_tls(struct session *session);

/* Frees what session_note_tls has kept. */
void session_forget_tls(struct session *session);

/* Keeps the name that the client asks for, cut to the length of a name. Empty: it asks for none. */
void session_keep_sni(struct session *session, struct slice name);

/* Add to a line the client's TLS, and why it failed, if it has. */
void session_log_tls(const struct session *session, struct log_line *line);
void session_log_tls_failure(const struct session *session, struct log_line *line);

/* Warns in the log, once per backend, that the server takes no login without TLS. */
void session_tell_logins(const struct session *session);

/* Adds the client to a line: id, listener, addresses, protocol. */
void session_describe_client(const struct session *session, struct log_line *line);

/* Adds the parties to a line: the client, the server, the TLS of both, the user. */
void session_describe_parties(const struct session *session, struct log_line *line);

/* Begins the line at the session's end. The caller calls log_write. */
void session_describe(const struct session *session, struct log_line *line);

/* ---- session_news.c ---- */

/*
 * Logs what a call of the dialog has found: a login, a failed one, a refusal. Call it before the
 * input of that call is consumed.
 */
void session_tell_news(struct session *session, const struct dialog_news *news);

/* Logs the refusal for which the session ends, if it ends for one that is not logged yet. */
void session_tell_refused_end(struct session *session);

/* Logs a login that is still unanswered at the end of the session. */
void session_tell_unanswered(struct session *session);

/* ---- session_trace.c: lines of level debug; the callers ask log_is_on first ---- */

/* The session leaves its phase for the one with that name. */
void session_trace_phase(const struct session *session, const char *to);

/* What the dialog wants done. */
void session_trace_actions(const struct session *session, const struct actions *actions);

/* ---- session_state.c ---- */

/*
 * Begins a line on what the session does now, what it waits for and what it holds. The caller calls
 * log_write.
 */
void session_describe_state(const struct session *session, struct log_line *line);

#endif
