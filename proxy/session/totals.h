/*
 * Counters of the whole process, shared by its workers and its acceptor. The owner of the process
 * holds them; they outlive both.
 */
#ifndef MAILMUX_TOTALS_H
#define MAILMUX_TOTALS_H

#include "mailmux/reason.h"
#include <stdatomic.h>
#include <stdint.h>

struct tallies;

struct totals {
    uint64_t seed;               /* random: first part of the ids of sessions */
    atomic_uint_fast64_t begun;  /* sessions begun so far: second part of the ids */
    atomic_uint_fast64_t served; /* sessions that have ended */
    atomic_uint_fast64_t alive;
    atomic_uint_fast64_t most_alive; /* at once, since memory was given back; two may miss one */
    atomic_uint_fast64_t handshakes; /* under way */
    atomic_uint_fast64_t stalls;     /* pauses of the process that a loop has found */
    atomic_uint_fast64_t attacks[ATTACK_KINDS];
    /* The acceptor's, for the main thread alone: whom it has turned away. NULL without one. */
    const struct tallies *doors;
};

#endif
