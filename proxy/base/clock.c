#include "mailmux/clock.h"

#include <string.h>
#include <time.h>

uint64_t clock_monotonic_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What each thread has written last: most stamps are of the same second as the one before. */
static _Thread_local struct {
    time_t second;
    size_t n; /* 0: nothing yet */
    char text[CLOCK_STAMP_MAX];
} last;

static void stamp_second(time_t second)
{
    struct tm parts;

    (void)gmtime_r(&second, &parts);
    last.n = strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S.", &parts);
    last.second = second;
}

void clock_stamp(char out[CLOCK_STAMP_MAX])
{
    struct timespec now;
    unsigned ms;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (last.n == 0 || last.second != now.tv_sec)
        stamp_second(now.tv_sec);
    memcpy(out, last.text, last.n);
    out += last.n;
    ms = (unsigned)(now.tv_nsec / 1000000);
    *out++ = (char)('0' + ms / 100);
    *out++ = (char)('0' + ms / 10 % 10);
    *out++ = (char)('0' + ms % 10);
    *out++ = 'Z';
    *out = '\0';
}
