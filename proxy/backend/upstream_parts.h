/*
 * What the files of the upstream share: upstream.c (its phases, and the door between them),
 * upstream_try.c (one try: its time, and what its end means), upstream_words.c (what the log
 * says of that), upstream_client.c (what the server learns about the client), upstream_pick.c
 * (choosing a server and waiting for one), upstream_time.c (its two deadlines).
 *
 * A phase is a row in the table of upstream.c and the functions that the row names. Those that
 * return unsigned return what comes next: a phase, or UPSTREAM_WAIT.
 */
#ifndef MAILMUX_UPSTREAM_PARTS_H
#define MAILMUX_UPSTREAM_PARTS_H

#include "mailmux/log.h"
#include "upstream.h"

enum { UPSTREAM_WAIT = UPSTREAM_PHASES /* until an event, a deadline, or a place */ };

/* ---- upstream_time.c ---- */

void upstream_init_deadlines(struct upstream *upstream);

/* Makes the owner call upstream_step, by its on_event with no events. */
void upstream_poke(struct upstream *upstream);

/* Sets try_deadline or deadline to ms from now. */
void upstream_set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms);

/* ---- upstream_try.c ---- */

/* begin and run of UPSTREAM_TRYING. */
unsigned upstream_begin_try(struct upstream *upstream);
unsigned upstream_run_try(struct upstream *upstream);

/* ---- upstream_words.c ---- */

/* Keeps the words with which a server refuses, for the log. It is an approach_heard. */
void upstream_hear(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn);

/* Adds the server of the present choice to a line. */
void upstream_log_server(const struct upstream *upstream, struct log_line *line);

/*
 * Writes the line of a try that failed, and forgets what was heard. If the leg was open it must
 * still be.
 */
void upstream_log_failure(struct upstream *upstream, const char *why);

/* ---- upstream_client.c ---- */

/* Returns whether the backend gets a PROXY header. */
bool upstream_wants_header(const struct upstream *upstream);

/* Sets what the opening may tell of the client. */
void upstream_set_identity(struct upstream *upstream);

/* Appends the PROXY header. Returns false if it does not fit. */
bool upstream_write_header(struct upstream *upstream, struct buffer *out);

/* ---- upstream_pick.c ---- */

/* Prepares the first choice. */
void upstream_init_pick(struct upstream *upstream);

/* No choice follows: frees what the servers that were tried are kept in. */
void upstream_forget_tried(struct upstream *upstream);

/* Functions of the rows of UPSTREAM_PICKING, UPSTREAM_QUEUED and UPSTREAM_CRAMPED. */
unsigned upstream_pick(struct upstream *upstream);
unsigned upstream_begin_waiting(struct upstream *upstream);
unsigned upstream_wait(struct upstream *upstream);
unsigned upstream_pick_cramped(struct upstream *upstream);
void upstream_leave_queue(struct upstream *upstream);

#endif
