/*
 * What the files of the upstream share: upstream.c (its life, and the tries), upstream_try.c (one
 * try: its time, and what its end means), upstream_client.c (what the server learns about the
 * client), upstream_pick.c (choosing a server and waiting for one).
 */
#ifndef MAILMUX_UPSTREAM_PARTS_H
#define MAILMUX_UPSTREAM_PARTS_H

#include "upstream.h"

/* ---- upstream.c ---- */

void upstream_poke(struct upstream *upstream);
void upstream_set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms);

/* ---- upstream_try.c ---- */

/* From CHOSEN to TRYING. */
void upstream_begin_try(struct upstream *upstream);

/* In TRYING: to OVER, to IDLE after a failure, or not yet. */
void upstream_run_try(struct upstream *upstream);

/* ---- upstream_client.c ---- */

bool upstream_wants_header(const struct upstream *upstream);

/* What the opening may tell of the client. */
void upstream_set_identity(struct upstream *upstream);

/* Appends the PROXY header; false when it does not fit. */
bool upstream_write_header(struct upstream *upstream, struct buffer *out);

/* ---- upstream_pick.c ---- */

/* Before the first choice. */
void upstream_init_pick(struct upstream *upstream);

/* From IDLE: to CHOSEN or QUEUED. False: there is no server for it. */
bool upstream_pick(struct upstream *upstream);

/* In QUEUED: to CHOSEN or IDLE, or not yet. False: it has waited long enough. */
bool upstream_wait(struct upstream *upstream);

/* Harmless when it does not wait. */
void upstream_stop_waiting(struct upstream *upstream);

#endif
