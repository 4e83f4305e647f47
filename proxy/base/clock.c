#include "mailmux/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_monotonic_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_stamp(char out[CLOCK_STAMP_MAX])
{
    struct timespec now;
    struct tm parts;
    size_t used;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    used = strftime(out, CLOCK_STAMP_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(
        out + used, CLOCK_STAMP_MAX - used, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000U);
}
