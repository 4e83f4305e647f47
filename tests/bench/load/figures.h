/* What the load client counts, and how it says it: one line of JSON. */
#ifndef MAILMUX_BENCH_FIGURES_H
#define MAILMUX_BENCH_FIGURES_H

#include <stddef.h>

struct figures {
    unsigned long long begun;
    unsigned long long done;
    unsigned long long failed;
    unsigned long long handshakes;
    unsigned long long resumed;
    unsigned long long came; /* octets */
    unsigned long long went;
    unsigned long long began;  /* leg_now() */
    char why[256];             /* of the first that failed */
    char cipher[128];          /* of the first handshake: version, cipher, group */
    unsigned long long *trips; /* nanoseconds */
    size_t trips_count;
    size_t trips_room;
};

void figures_add_trip(struct figures *figures, unsigned long long nanoseconds);
void figures_fail(struct figures *figures, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints them and frees what they hold. */
void figures_print(struct figures *figures);

#endif
