/*
 * What the files of the probe share: probe.c (its life, its phases and the approach), probe_talk.c
 * (what is said after the approach), probe_notes.c (what is found out).
 *
 * A phase is a row in the table of probe.c and the functions that the row names. Each of them
 * returns what comes next: a phase, or PROBE_WAIT. The phase itself means that there is more to do
 * in it.
 */
#ifndef MAILMUX_PROBE_PARTS_H
#define MAILMUX_PROBE_PARTS_H

#include "probe.h"

enum { PROBE_WAIT = PROBE_PHASES /* until an event, or the deadline */ };

/* ---- probe_notes.c ---- */

/* Notes a failure. It does not end the probe. */
void probe_note_failure(struct probe *probe, enum opening_failure failure);

/*
 * Ends the probe, because nothing more can be said to the server. Notes the failure, unless the
 * goodbye has been said: then it tells nothing about the server. why: the words for it, or NULL for
 * the text of the failure's row. Returns PROBE_OVER.
 */
unsigned probe_fail(struct probe *probe, enum opening_failure failure, const char *why);

/* Notes the TLS and the certificate of the connection, if it is open. */
void probe_note_tls(struct probe *probe);

/*
 * Notes what the server offers. A missing STARTTLS is a failure even if the goal does not need it,
 * because sessions do.
 */
void probe_note_offers(struct probe *probe);

/* Keeps the first line and the greeting. It is the approach_heard of the probe. */
void probe_hear(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn);

/* ---- probe_talk.c ---- */

/* What follows an approach that has reached its goal. */
unsigned probe_reach(struct probe *probe);

/* What follows an approach that has failed by the server's words. */
unsigned probe_fail_opening(struct probe *probe);

/* The phases: the relay test, the goodbye, and reading until the server ends. */
unsigned probe_run_asking(struct probe *probe);
unsigned probe_run_quitting(struct probe *probe);
unsigned probe_run_leaving(struct probe *probe);

#endif
