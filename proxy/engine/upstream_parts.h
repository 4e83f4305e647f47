/*
 * What the files of the upstream share: upstream.c (connecting), upstream_opening.c (what happens
 * on the connection before a session may use it), upstream_client.c (what the server is told about
 * the client), upstream_pick.c (choosing a server, waiting for one, and what is told to the pool).
 */
#ifndef ENGINE_UPSTREAM_PARTS_H
#define ENGINE_UPSTREAM_PARTS_H

#include "upstream.h"

/* ---- upstream.c ---- */

void upstream_poke(struct upstream *upstream);
void upstream_set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms);

/* This try is over, and says nothing about the server; the next one begins afresh. */
void upstream_abandon(struct upstream *upstream, const char *why);

/* ---- upstream_opening.c ---- */

/* It is connected: the first phase of what follows. */
void upstream_open_leg(struct upstream *upstream);

/* All go on as far as they can, and return false when they must wait. */
bool upstream_run_header(struct upstream *upstream);
bool upstream_run_handshake(struct upstream *upstream);
bool upstream_run_opening(struct upstream *upstream);

/* Gives back what the opening holds. */
void upstream_drop_opening(struct upstream *upstream);

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

/* This try is over, and the server is to blame. */
void upstream_fail(struct upstream *upstream, const char *why);

/* The same with an errno of connect, which may tell of a want of our own. */
void upstream_fail_connecting(struct upstream *upstream, int failure);

/* The same after a deadline, which may be that of all tries together. */
void upstream_fail_late(struct upstream *upstream, const char *why);

/* The server is connected, and has greeted as it should. */
void upstream_pass(struct upstream *upstream);

#endif
