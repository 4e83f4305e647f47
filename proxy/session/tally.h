/*
 * Counts of each listener and of each of its routes, by name, so that they go on over reloads.
 * Every thread that counts has tallies of its own and is their only writer; any thread may add them
 * up. Nothing is locked.
 */
#ifndef MAILMUX_TALLY_H
#define MAILMUX_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

/* What one thread has counted of one listener. Its members are private to tally.c. */
struct tally;

struct tallies {
    _Atomic(struct tally *) first;
};

enum tally_kind {
    TALLY_BEGUN,      /* sessions */
    TALLY_ENDED,      /* sessions that are over */
    TALLY_REFUSED,    /* clients that a limit or a route has turned away */
    TALLY_NO_BACKEND, /* sessions for which there was no server */
    TALLY_FAILED_TLS, /* handshakes with clients that came to nothing */
    TALLY_BYTES_IN,   /* from clients, in sessions that are over */
    TALLY_BYTES_OUT,  /* to clients, likewise */
    TALLY_KINDS
};

/* Gives the memory back. No thread may use the tallies any more. Harmless on zeroed memory. */
void tallies_deinit(struct tallies *tallies);

/*
 * Returns the thread's tally of a listener, or of a route by its label, which is made at its first
 * call and lives as long as the tallies. NULL without memory; tally_add takes that.
 */
struct tally *tallies_of(struct tallies *tallies, const char *listener);

/* Adds to a count. By the thread of the tallies alone. */
void tally_add(struct tally *tally, enum tally_kind kind, uint64_t number);

/* Takes one off a count to which the thread has added it. */
void tally_take_back(struct tally *tally, enum tally_kind kind);

/* Adds the counts of a listener to sum. Any thread. */
void tallies_sum(const struct tallies *tallies, const char *listener, uint64_t sum[TALLY_KINDS]);

#endif
