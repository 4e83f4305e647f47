#include "tls_certificate_age.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum { HOUR_S = 60 * 60, DAY_S = 24 * HOUR_S, LAST_DAYS = 7 };

static int64_t lifetime_s(const struct certificate_dates *dates)
{
    return dates->end_s - dates->begin_s;
}

enum certificate_age certificate_age(const struct certificate_dates *dates, int64_t now_s)
{
    if (now_s >= dates->end_s)
        return CERTIFICATE_OVER;
    if (now_s < dates->begin_s)
        return CERTIFICATE_NOT_BEGUN;
    if (now_s >= dates->end_s - lifetime_s(dates) / 10)
        return CERTIFICATE_LAST_TENTH;
    return now_s >= dates->end_s - lifetime_s(dates) / 3 ? CERTIFICATE_LAST_THIRD
                                                         : CERTIFICATE_FRESH;
}

int64_t certificate_next_news_s(const struct certificate_dates *dates, int64_t now_s)
{
    int64_t third_s = dates->end_s - lifetime_s(dates) / 3;
    int64_t tenth_s = dates->end_s - lifetime_s(dates) / 10;
    int64_t left_s = dates->end_s - now_s;

    if (now_s < third_s)
        return third_s;
    if (now_s < tenth_s)
        return tenth_s;
    if (left_s > (int64_t)LAST_DAYS * DAY_S)
        return dates->end_s - (int64_t)LAST_DAYS * DAY_S;
    if (left_s > 0)
        return dates->end_s - (left_s - 1) / DAY_S * DAY_S;
    return dates->end_s + (-left_s / DAY_S + 1) * DAY_S;
}

/* Writes "3 days", "5 hours" or "12 minutes". */
static void write_rest(int64_t left_s, char *out, size_t cap)
{
    bool in_days = left_s >= (int64_t)2 * DAY_S;
    bool in_hours = left_s >= (int64_t)2 * HOUR_S;
    int64_t n = left_s / (in_days ? DAY_S : in_hours ? HOUR_S : 60);

    (void)snprintf(out, cap, "%" PRId64 " %s%s", n,
        in_days    ? "day"
        : in_hours ? "hour"
                   : "minute",
        n == 1 ? "" : "s");
}

const char *certificate_end_text(
    const struct certificate_dates *dates, char out[CERTIFICATE_END_TEXT_MAX])
{
    time_t end = (time_t)dates->end_s;
    struct tm parts;

    if (!gmtime_r(&end, &parts) ||
        strftime(out, CERTIFICATE_END_TEXT_MAX, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        (void)snprintf(out, CERTIFICATE_END_TEXT_MAX, "at an unknown time");
    return out;
}

const char *certificate_age_text(
    const struct certificate_dates *dates, int64_t now_s, char out[CERTIFICATE_AGE_TEXT_MAX])
{
    enum certificate_age age = certificate_age(dates, now_s);
    char rest[32];
    char end[CERTIFICATE_END_TEXT_MAX];

    out[0] = '\0';
    switch (age) {
    case CERTIFICATE_FRESH:
        break;
    case CERTIFICATE_LAST_THIRD:
    case CERTIFICATE_LAST_TENTH:
        write_rest(dates->end_s - now_s, rest, sizeof(rest));
        (void)snprintf(out, CERTIFICATE_AGE_TEXT_MAX,
            "ends in %s (%s), with less than a %s of its lifetime left", rest,
            certificate_end_text(dates, end), age == CERTIFICATE_LAST_THIRD ? "third" : "tenth");
        break;
    case CERTIFICATE_OVER:
        (void)snprintf(out, CERTIFICATE_AGE_TEXT_MAX, "has expired");
        break;
    case CERTIFICATE_NOT_BEGUN:
        (void)snprintf(out, CERTIFICATE_AGE_TEXT_MAX, "is not valid yet");
        break;
    }
    return out;
}
