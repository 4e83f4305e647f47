/*
 * Counters of the whole process, shared by its workers and its acceptor. In the memory of the
 * process's owner, which outlives them.
 */
#ifndef MAILMUX_TOTALS_H
#define MAILMUX_TOTALS_H

#include "mailmux/reason.h"
#include <stdatomic.h>
#include <stdint.h>

struct totals {
    uint64_t seed;               /* random: begins the ids of this process's sessions */
    atomic_uint_fast64_t begun;  /* sessions so far: ends them */
    atomic_uint_fast64_t served; /* sessions that ended */
    atomic_uint_fast64_t alive;
    atomic_uint_fast64_t handshakes; /* in flight */
    atomic_uint_fast64_t stalls;     /* pauses of the process that a loop has noticed */
    atomic_uint_fast64_t attacks[ATTACK_KINDS];
};

#endif
