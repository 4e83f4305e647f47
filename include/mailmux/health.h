/*
 * Whether a server is up or marked down, by what checks and sessions report of it. Pure: time is
 * passed in. The owner (backend/pool) keeps one struct health for each server, under its lock.
 *
 * A mark steers the choice: servers without a mark come first. It does not refuse: when no other
 * server is left, a marked one is tried as the last resort. Only a server whose last check failed
 * is not tried, until a check passes.
 *
 * `fall` failures in a row take a server down, `rise` successes in a row bring it up. When it goes
 * down it is held back first: 10 seconds, and twice as long each time that it goes down again, up
 * to 5 minutes. Once it has been up for 5 minutes it begins with 10 seconds again. After the
 * hold-back a server that is checked waits for its checks; any other is tried by one session at a
 * time (a trial). A server that is checked is not held back the first time, since checks cost no
 * client anything.
 *
 * Sessions report these failures: no connection, silence, a wrong greeting, failed TLS toward the
 * server. They report success when the greeting is of the right protocol and the approach went
 * well. They never report an answer of the server (4yz, 5yz, BYE, NO, -ERR), nor what happens after
 * the server has heard of the client; else a client could mark a server down. A check, which no
 * client can cause, fails also when the greeting refuses.
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
    HEALTH_LAST_PASSED, /* a session that tried it as the last resort */
    HEALTH_LAST_FAILED
};

enum health_change { HEALTH_UNCHANGED, HEALTH_CAME_UP, HEALTH_WENT_DOWN };

struct health_policy {
    unsigned rise; /* at least 1, as is fall */
    unsigned fall;
    bool is_checked; /* checks bring it up: there are no trials, and no first hold-back */
};

/* If it is zeroed, the server is up and never was down. Times are of the caller's clock, in ms. */
struct health {
    bool is_down;
    bool on_trial;     /* a session is trying it */
    bool check_failed; /* the last check did */
    unsigned passes;   /* in a row, while down */
    unsigned failures; /* in a row, while up */
    uint64_t hold_ms;  /* how long the last hold-back was; 0: there was none */
    uint64_t held_until_ms;
    uint64_t up_since_ms; /* when it last came up; 0: never */
    uint64_t failed_ms;   /* the last failure; 0: none */
};

/* Takes note of an event. Returns whether it has changed the mark. */
enum health_change health_note(struct health *health, const struct health_policy *policy,
    enum health_event event, uint64_t now_ms);

/* Returns whether a new session may go to it: it is up, or the time for its next trial has come. */
bool health_allows(
    const struct health *health, const struct health_policy *policy, uint64_t now_ms);

/* Returns whether it is down, and may be tried as the last resort. */
bool health_allows_last(const struct health *health, const struct health_policy *policy);

/*
 * Begins a trial if it is down, and returns whether it has. health_allows says no until the trial
 * ends: with an event, or with health_end_trial.
 */
bool health_begin_trial(struct health *health);

/* Ends a trial that has proved nothing, as when the client left. Does nothing if there is none. */
void health_end_trial(struct health *health);

#endif
