/*
 * What the files of the probe share: probe.c (its life, its phases and the approach), probe_talk.c
 * (what is said behind the approach), probe_notes.c (what is found out).
 *
 * A phase is one row in the table of probe.c and the functions that it names. They return what
 * comes next: a phase (the same one: there is more to do in it), or PROBE_WAIT.
 */
#ifndef MAILMUX_PROBE_PARTS_H
#define MAILMUX_PROBE_PARTS_H

#include "probe.h"

enum { PROBE_WAIT = PROBE_PHASES /* until an event, or the deadline */ };

/* ---- probe_notes.c ---- */

/* It is said goodbye nevertheless. */
void probe_note_failure(struct probe *probe, enum opening_failure failure);

/*
 * It cannot be spoken to any more; why: the words for it, or NULL for those of the failure's row.
 * Once we have said goodbye that tells nothing about the server. Returns PROBE_OVER.
 */
unsigned probe_fail(struct probe *probe, enum opening_failure failure, const char *why);

void probe_note_tls(struct probe *probe);

/* What the server offers, which includes what sessions need but the goal does not ask for. */
void probe_note_offers(struct probe *probe);

/* A part of its lines, as approach_heard. */
void probe_hear(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn);

/* ---- probe_talk.c ---- */

/* The approach has reached its goal. */
unsigned probe_reach(struct probe *probe);

/* The approach has failed by the server's words. */
unsigned probe_fail_opening(struct probe *probe);

/* The relay test, the goodbye, and whatever the server still says until it ends. */
unsigned probe_run_asking(struct probe *probe);
unsigned probe_run_quitting(struct probe *probe);
unsigned probe_run_leaving(struct probe *probe);

#endif
