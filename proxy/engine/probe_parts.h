/* What the files of the probe share: probe.c (its life, connecting, TLS), probe_talk.c (the words).
 */
#ifndef ENGINE_PROBE_PARTS_H
#define ENGINE_PROBE_PARTS_H

#include "probe.h"

/* ---- probe.c ---- */

void probe_note_failure(struct probe *probe, enum probe_failure failure, const char *why);

/* It cannot be spoken to any more. After our goodbye that says nothing about the server. */
void probe_fail(struct probe *probe, enum probe_failure failure, const char *why);

/* The same with the library's words. */
void probe_fail_leg(struct probe *probe, enum probe_failure failure, const char *what);

/* False: there is no memory, and it has failed. */
bool probe_reserve_output(struct probe *probe);

void probe_start_tls(struct probe *probe);

/* For the next event; returns false. */
bool probe_wait(struct probe *probe, bool for_output);

/* ---- probe_talk.c: false when they must wait ---- */

/* Its greeting, its answers, and the goodbye. */
bool probe_run_talking(struct probe *probe);

/* Whatever it still says, until it ends. */
bool probe_run_leaving(struct probe *probe);

#endif
