/*
 * Whether a server is up: its mark, from what checks and sessions have seen of it. Pure: time is
 * passed in. The owner (backend/pool) keeps one struct health per server, under its lock.
 *
 * A mark steers the choice: servers without one come first. It does not refuse: where no other
 * server is left, one that sessions have marked is tried as the last resort. Only a failed check
 * says no, until a check passes.
 *
 * `fall` failures in a row take a server down, `rise` successes in a row bring it up. It is held
 * back first: 10 seconds, and twice as long each time that it goes down again, up to 5 minutes;
 * that is forgotten once it has been up for 5 minutes. After the hold-back a server that is checked
 * waits for its checks; one that nobody checks is tried by one session at a time (a trial). Checks
 * cost no client anything, so where there are some the first hold-back is none.
 *
 * What sessions may report: a connection that failed, silence or a wrong greeting, TLS toward the
 * server that failed, and a greeting of the right protocol when all went well. Never: a word of the
 * server (4yz, 5yz, BYE, NO, -ERR, whatever it answers), nor anything after it has heard of the
 * client, or a client could mark a server down. To a check, which no client can bring about, a
 * greeting that refuses is a failure.
 */
#ifndef MAILMUX_HEALTH_H
#define MAILMUX_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HEALTH_HOLD_FIRST_MS = 10 * 1000,
    HEALTH_HOLD_MAX_MS = 5 * 60 * 1000,
    HEALTH_FORGET_MS = 5 * 60 * 1000
};

enum health_event {
    HEALTH_CHECK_PASSED,
    HEALTH_CHECK_FAILED,
    HEALTH_SESSION_PASSED,
    HEALTH_SESSION_FAILED,
    HEALTH_TRIAL_PASSED, /* the session that health_begin_trial was called for */
    HEALTH_TRIAL_FAILED,
    HEALTH_LAST_PASSED, /* a session that came as its last resort */
    HEALTH_LAST_FAILED
};

enum health_change { HEALTH_UNCHANGED, HEALTH_CAME_UP, HEALTH_WENT_DOWN };

struct health_policy {
    unsigned rise; /* at least 1, as is fall */
    unsigned fall;
    bool is_checked; /* there are active checks: sessions are no trials, and hold back less */
};

/* Zeroed: up, and never was anything else. */
struct health {
    bool is_down;
    bool on_trial;
    bool check_failed; /* the last check did */
    unsigned passes;   /* in a row, while down */
    unsigned failures; /* in a row, while up */
    uint64_t hold_ms;  /* how long it was held back the last time; 0: not at all */
    uint64_t held_until_ms;
    uint64_t up_since_ms; /* 0: it never was down */
    uint64_t failed_ms;   /* the last failure; 0: none */
};

/* Takes note; says whether the mark has changed by it. */
enum health_change health_note(struct health *health, const struct health_policy *policy,
    enum health_event event, uint64_t now_ms);

/* Whether a new session may go to it: it is up, or waits for a trial. */
bool health_allows(
    const struct health *health, const struct health_policy *policy, uint64_t now_ms);

/* It is down, and where no other server is left a session may go to it all the same. */
bool health_allows_last(const struct health *health, const struct health_policy *policy);

/* A session goes to it. True: as a trial, which ends with an event or with health_end_trial. */
bool health_begin_trial(struct health *health);

/* The trial has proved nothing, as when the client left. */
void health_end_trial(struct health *health);

#endif
