/* The two clocks. The pure layers never read them: their callers pass `now`. Any thread. */
#ifndef MAILMUX_CLOCK_H
#define MAILMUX_CLOCK_H

#include <stdint.h>

/* Returns the milliseconds of the monotonic clock, for deadlines and durations. */
uint64_t clock_monotonic_ms(void);

enum { CLOCK_STAMP_MAX = 32 };

/*
 * Writes the wall clock in UTC as RFC 3339 with milliseconds, such as 2026-11-24T04:05:06.789Z, and
 * a NUL.
 */
void clock_stamp(char out[CLOCK_STAMP_MAX]);

#endif
