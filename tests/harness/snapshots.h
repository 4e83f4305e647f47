/*
 * Makes snapshots from a text, for tests. Each process binds to an address of its own in
 * 127.0.0.0/8, so that tests can run at the same time. If the configuration is not good, the reason
 * goes to standard output (standard error may be caught, see log_catch.h) and then abort().
 */
#ifndef MAILMUX_SNAPSHOTS_H
#define MAILMUX_SNAPSHOTS_H

#include "snapshot.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SNAPSHOTS_TEXT_MAX = 8192 };

/* The address of this process: 127.a.b.c from its id, which has 22 bits. */
static inline const char *own_ip(void)
{
    static char text[32];
    unsigned id = (unsigned)getpid();

    (void)snprintf(
        text, sizeof(text), "127.%u.%u.%u", 1 + (id >> 16 & 0x3f), id >> 8 & 0xff, id & 0xff);
    return text;
}

static inline struct address own_address(uint16_t port)
{
    struct address address;

    if (!address_parse_ip(slice_from(own_ip()), port, &address))
        abort();
    return address;
}

_Noreturn static inline void give_up(const char *why)
{
    (void)printf("%s\n", why);
    (void)fflush(stdout);
    abort();
}

/* A configuration, which the caller frees. text: a proxy.ini; each @ in it stands for own_ip(). */
static inline struct config *config_of(const char *text)
{
    char ini[SNAPSHOTS_TEXT_MAX];
    struct config_report report;
    struct config *config;
    size_t n = 0;

    for (; *text && n < sizeof(ini) - 32; text++) {
        if (*text == '@')
            n += (size_t)snprintf(ini + n, 32, "%s", own_ip());
        else
            ini[n++] = *text;
    }
    if (*text)
        give_up("too long");
    if (!config_parse_bytes("x.ini", slice_of(ini, n), &config, &report))
        give_up(report.problems[0].text);
    config_report_free(&report);
    return config;
}

/* A reference to a new snapshot, which the caller gives back. before: see snapshot_new. */
static inline struct snapshot *snapshot_after(const char *text, struct snapshot *before)
{
    struct config *config = config_of(text);
    struct config_report report = {0};
    struct snapshot *snapshot = snapshot_new(&config, before, false, &report);

    if (!snapshot)
        give_up(report.problems[0].text);
    config_report_free(&report);
    return snapshot;
}

static inline struct snapshot *snapshot_of(const char *text)
{
    return snapshot_after(text, NULL);
}

#endif
