/*
 * What the files of the session share: session.c (life and end), session_begin.c (up to the
 * client's first byte), session_phases.c (what each further phase does), session_dialog.c (driving
 * the dialog), session_watch.c (what to wait for, and for how long), session_log.c.
 */
#ifndef MAILMUX_SESSION_PARTS_H
#define MAILMUX_SESSION_PARTS_H

#include "mailmux/log.h"
#include "session.h"

enum {
    SESSION_LINGER_MS = 2000,     /* for a client to take note of our end */
    SESSION_LOOK_ALIKE_MS = 30000 /* of silence after what may be the end of a refused message */
};

/* ---- session.c ---- */

/* What the wires of both legs report to; the upstream's deadlines, too. */
void session_on_event(void *owner, struct wire *wire, unsigned events);

/* The text that ends it, where one may be said, and the end. */
void session_say_farewell(
    struct session *session, enum dialog_farewell farewell, enum reason reason);

/* Ends the backend leg, whatever the client does: its place there is another's. */
void session_leave_server(struct session *session);

/* Why the client's or the server's side ended, seen from its stream. */
enum reason session_end_reason(const struct session *session, int leg);

/* ---- session_begin.c ---- */

/* The first phase: the PROXY header where this peer must send one, else what the listener does. */
void session_begin(struct session *session);
bool session_run_proxy_header(struct session *session);

/* ---- session_phases.c ---- */

/* One turn of the phase; true: go on at once. */
bool session_run_phase(struct session *session);

/*
 * What is held of the client's bytes becomes the start of its TLS, and TLS begins: what was read
 * with its STARTTLS, or behind its PROXY header.
 */
void session_begin_handshake(struct session *session);
void session_begin_dial(struct session *session);

/* From now on bytes, both ways. */
void session_begin_relay(struct session *session);

/* The greeting was held back long enough. */
void session_end_delay(struct session *session);

/* Counts it among the handshakes in flight, once, until it is over. */
void session_count_handshake(struct session *session, bool begins);

/* ---- session_dialog.c ---- */

/* With the upstream's greeting in pipe[LEG_SERVER].in. */
void session_start_dialog(struct session *session, enum greeting greeting, size_t greeting_len);

/* Runs until nothing moves, or the phase is another. Returns true when its share is used up. */
bool session_run_dialog(struct session *session);

/* A deadline is over: what the dialog says to it. */
void session_expire_dialog(struct session *session, enum reason reason);

/* ---- session_watch.c ---- */

void session_init_deadlines(struct session *session);
void session_clear_deadlines(struct session *session);

/* Enters a phase; its deadline: what it means and how long it is, 0 for none. */
void session_enter(struct session *session, enum session_phase phase, enum engine_class class_index,
    uint64_t ms, enum reason expiry);

/* How long it may take to deliver what is left when one side has ended. */
uint64_t session_end_ms(const struct session *session);

/* The dialog went on, or has just begun: sets the deadline that fits its state. */
void session_set_dialog_deadlines(struct session *session);

/* Whoever speaks before the greeting is turned away: until then its bytes are looked for. */
bool session_minds_early_talk(const struct session *session);

/* Tells both wires which events are of use. */
void session_watch(struct session *session);

/* ---- session_log.c ---- */

void session_note_tls(struct session *session);
void session_note_server_tls(struct session *session);

/* The first session of a backend whose server lets nobody log in without TLS says so. */
void session_tell_logins(const struct session *session);

/* Begins the line that a session leaves behind, which log_write ends. */
void session_describe(const struct session *session, struct log_line *line);

#endif
