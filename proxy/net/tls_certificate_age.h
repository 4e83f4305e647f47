/*
 * The lifetime of a certificate: how much of it is left, and when there is news of that. Pure: the
 * time is given, in seconds since 1970. Any thread.
 */
#ifndef MAILMUX_TLS_CERTIFICATE_AGE_H
#define MAILMUX_TLS_CERTIFICATE_AGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct certificate_dates {
    int64_t begin_s;
    int64_t end_s;  /* the first second in which it is not valid any more */
    uint64_t print; /* how its SHA-256 begins, which tells it from another */
};

enum certificate_age {
    CERTIFICATE_FRESH,
    CERTIFICATE_LAST_THIRD, /* a third of its lifetime is left, or less */
    CERTIFICATE_LAST_TENTH,
    CERTIFICATE_OVER,
    CERTIFICATE_NOT_BEGUN
};

enum certificate_age certificate_age(const struct certificate_dates *dates, int64_t now_s);

/*
 * Returns the next time after `now_s` at which there is news: the last third begins, the last
 * tenth, each of the last days within that tenth (seven at most), the end, and each day after it.
 */
int64_t certificate_next_news_s(const struct certificate_dates *dates, int64_t now_s);

/*
 * tls_pem.c. Reads the dates of the first certificate in a file that the configuration names.
 * Returns false if there is none. Main thread; blocks on the disk.
 */
bool certificate_dates_in(const char *path, struct certificate_dates *out);

/* Room for the text of an end and its NUL. */
enum { CERTIFICATE_END_TEXT_MAX = 32 };

/* Writes when it ends, as "2026-12-18 09:30 UTC". Returns out. */
const char *certificate_end_text(
    const struct certificate_dates *dates, char out[CERTIFICATE_END_TEXT_MAX]);

/* Room for the text of an age and its NUL. */
enum { CERTIFICATE_AGE_TEXT_MAX = 160 };

/*
 * Writes what is to be said of the age, as "ends in 20 days (2026-12-18 09:30 UTC), with less than
 * a third of its lifetime left", "has expired" or "is not valid yet". Nothing for one that is
 * fresh. Returns out.
 */
const char *certificate_age_text(
    const struct certificate_dates *dates, int64_t now_s, char out[CERTIFICATE_AGE_TEXT_MAX]);

#endif
