/*
 * For the tests of what --probe prints: a visit whose results the test writes itself, and what is
 * printed of it. Comes behind cmocka.h.
 */
#ifndef MAILMUX_TOOL_TEST_H
#define MAILMUX_TOOL_TEST_H

#include "log_catch.h"
#include "snapshots.h"
#include "visit_advice.h"
#include "visit_report.h"

static struct snapshot *snapshot;
static struct visit visit; /* large */
static struct visit_counts counts;
static char *printed;

/* settings: of the backend, and a listener's sections behind them. The visit found nothing yet. */
static inline void visit_of(const char *protocol, const char *settings)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "[proxy]\nhostname = mx.example\n[listener a]\nbind = @:1001\nprotocol = %s\ntls = none\n"
        "backend = b\n[backend b]\nserver = one @:143\n%s",
        protocol, settings);
    snapshot_unref(&snapshot);
    snapshot = snapshot_of(text);
    memset(&visit, 0, sizeof(visit));
    visit.snapshot = snapshot;
    visit.server = &snapshot_config(snapshot)->backends[0].servers[0];
    visit.has_address = true;
    visit.address = visit.server->address;
    visit.is_over = true;
}

static inline void found(enum visit_try which, struct probe_result result)
{
    visit.was_tried[which] = true;
    visit.probes[which].result = result;
}

static inline const char *print(
    void (*write)(const struct visit *of, FILE *out, struct visit_counts *counts))
{
    size_t n;
    FILE *out;

    free(printed);
    printed = NULL;
    counts = (struct visit_counts){0};
    out = open_memstream(&printed, &n);
    assert_non_null(out);
    write(&visit, out, &counts);
    assert_int_equal(fclose(out), 0);
    return printed;
}

static inline int clean_up(void **state)
{
    (void)state;
    free(printed);
    printed = NULL;
    snapshot_unref(&snapshot);
    return 0;
}

#endif
