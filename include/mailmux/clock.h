/* The two clocks. Pure layers never read them: they are given `now`. Any thread. */
#ifndef MAILMUX_CLOCK_H
#define MAILMUX_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of the monotonic clock: for deadlines and durations. */
uint64_t clock_monotonic_ms(void);

enum { CLOCK_STAMP_MAX = 32 };

/* The wall clock in UTC as RFC 3339 with milliseconds, e.g. 2026-11-24T04:05:06.789Z. */
void clock_stamp(char out[CLOCK_STAMP_MAX]);

#endif
