#include "figures.h"

#include "leg.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM_FIRST = 4096, PER_CENT = 100 };

void figures_add_trip(struct figures *figures, unsigned long long nanoseconds)
{
    if (figures->trips_count == figures->trips_room) {
        figures->trips_room = figures->trips_room == 0 ? ROOM_FIRST : figures->trips_room * 2;
        figures->trips = realloc(figures->trips, figures->trips_room * sizeof figures->trips[0]);
        if (!figures->trips)
            leg_die("realloc");
    }
    figures->trips[figures->trips_count++] = nanoseconds;
}

void figures_fail(struct figures *figures, const char *format, ...)
{
    va_list values;

    if (figures->failed++ > 0)
        return;
    va_start(values, format);
    (void)vsnprintf(figures->why, sizeof figures->why, format, values);
    va_end(values);
}

static int compare(const void *a, const void *b)
{
    const unsigned long long one = *(const unsigned long long *)a;
    const unsigned long long other = *(const unsigned long long *)b;

    return one < other ? -1 : one > other;
}

/* Microseconds; 0 if there was no trip. */
static double percentile(const struct figures *figures, double per_cent)
{
    const double at = (double)figures->trips_count * per_cent / PER_CENT;
    size_t index = (size_t)at;

    if (figures->trips_count == 0)
        return 0;
    if (index >= figures->trips_count)
        index = figures->trips_count - 1;
    return (double)figures->trips[index] / 1000;
}

void figures_print(struct figures *figures)
{
    if (figures->trips_count > 0)
        qsort(figures->trips, figures->trips_count, sizeof figures->trips[0], compare);
    for (char *c = figures->why; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = '\'';
    (void)printf("{\"begun\": %llu, \"done\": %llu, \"failed\": %llu, \"why\": \"%s\", "
                 "\"handshakes\": %llu, \"resumed\": %llu, \"cipher\": \"%s\", \"came\": %llu, "
                 "\"went\": %llu, \"seconds\": %.6f, \"trips\": %zu, \"p50\": %.1f, "
                 "\"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}\n",
        figures->begun, figures->done, figures->failed, figures->why, figures->handshakes,
        figures->resumed, figures->cipher, figures->came, figures->went,
        (double)(leg_now() - figures->began) / 1e9, figures->trips_count, percentile(figures, 50),
        percentile(figures, 99), percentile(figures, 99.9), percentile(figures, PER_CENT));
    (void)fflush(stdout);
    free(figures->trips);
}
