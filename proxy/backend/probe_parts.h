/* What the files of the probe share: probe.c (its life and its approach), probe_talk.c (what is
 * said afterwards). */
#ifndef MAILMUX_PROBE_PARTS_H
#define MAILMUX_PROBE_PARTS_H

#include "probe.h"

/* ---- probe.c ---- */

/* It is said goodbye nevertheless. */
void probe_note_failure(struct probe *probe, enum opening_failure failure);

/* It cannot be spoken to any more. After our goodbye that says nothing about the server. */
void probe_fail(struct probe *probe, enum opening_failure failure);

/* The same, in other words than those of the failure's row. */
void probe_fail_because(struct probe *probe, enum opening_failure failure, const char *why);

/* ---- probe_talk.c ---- */

/* The approach has reached its goal, which includes what sessions need but the goal does not ask
 * for. */
void probe_reach(struct probe *probe);

/* The approach has failed by the server's words. */
void probe_fail_opening(struct probe *probe);

/* A part of its lines, as approach_heard. */
void probe_hear(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn);

/* Both return false when they must wait. The relay test and the goodbye: */
bool probe_run_talking(struct probe *probe);

/* Whatever it still says, until it ends: */
bool probe_run_leaving(struct probe *probe);

#endif
