#include "mailmux/health.h"

/* Returns how long a server that goes down now is held back. */
static uint64_t next_hold_ms(
    const struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
    bool has_no_past = health->up_since_ms == 0 || now_ms >= health->up_since_ms + HEALTH_FORGET_MS;
    uint64_t next = 2 * health->hold_ms;

    if (has_no_past && policy->is_checked)
        return 0;
    if (has_no_past || health->hold_ms == 0)
        return HEALTH_HOLD_FIRST_MS;
    return next < HEALTH_HOLD_MAX_MS ? next : HEALTH_HOLD_MAX_MS;
}

static enum health_change go_down(
    struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
    health->hold_ms = next_hold_ms(health, policy, now_ms);
    health->held_until_ms = now_ms + health->hold_ms;
    health->is_down = true;
    health->on_trial = false;
    health->passes = 0;
    return HEALTH_WENT_DOWN;
}

static enum health_change come_up(struct health *health, uint64_t now_ms)
{
    health->is_down = false;
    health->on_trial = false;
    health->failures = 0;
    health->up_since_ms = now_ms > 0 ? now_ms : 1;
    return HEALTH_CAME_UP;
}

static enum health_change fail_while_up(
    struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
    health->failures++;
    return health->failures >= policy->fall ? go_down(health, policy, now_ms) : HEALTH_UNCHANGED;
}

static enum health_change pass_while_down(
    struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
    if (health->passes < policy->rise)
        health->passes++;
    if (health->passes < policy->rise || now_ms < health->held_until_ms)
        return HEALTH_UNCHANGED;
    return come_up(health, now_ms);
}

static enum health_change note_while_up(struct health *health, const struct health_policy *policy,
    enum health_event event, uint64_t now_ms)
{
    switch (event) {
    case HEALTH_CHECK_PASSED:
    case HEALTH_SESSION_PASSED:
    case HEALTH_TRIAL_PASSED:
    case HEALTH_LAST_PASSED:
        health->failures = 0;
        return HEALTH_UNCHANGED;
    case HEALTH_CHECK_FAILED:
    case HEALTH_SESSION_FAILED:
    case HEALTH_TRIAL_FAILED:
    case HEALTH_LAST_FAILED:
        return fail_while_up(health, policy, now_ms);
    }
    return HEALTH_UNCHANGED;
}

static enum health_change note_while_down(struct health *health, const struct health_policy *policy,
    enum health_event event, uint64_t now_ms)
{
    switch (event) {
    case HEALTH_SESSION_PASSED: /* of sessions that began while it was up: they prove nothing */
    case HEALTH_SESSION_FAILED:
        return HEALTH_UNCHANGED;
    case HEALTH_CHECK_PASSED:
        return pass_while_down(health, policy, now_ms);
    case HEALTH_CHECK_FAILED:
        health->passes = 0;
        return HEALTH_UNCHANGED;
    case HEALTH_TRIAL_PASSED:
        health->on_trial = false;
        return pass_while_down(health, policy, now_ms);
    case HEALTH_TRIAL_FAILED:
        /* Held back as long as before, not twice: it did not come up and go down again. */
        health->on_trial = false;
        health->passes = 0;
        if (health->hold_ms == 0) /* it went down while it was checked, and is not checked now */
            health->hold_ms = HEALTH_HOLD_FIRST_MS;
        health->held_until_ms = now_ms + health->hold_ms;
        return HEALTH_UNCHANGED;
    case HEALTH_LAST_PASSED:
        /* A hold-back is for the time while other servers serve, and there were none. */
        health->held_until_ms = now_ms;
        return pass_while_down(health, policy, now_ms);
    case HEALTH_LAST_FAILED:
        health->passes = 0;
        return HEALTH_UNCHANGED;
    }
    return HEALTH_UNCHANGED;
}

static bool is_failure(enum health_event event)
{
    return event == HEALTH_CHECK_FAILED || event == HEALTH_SESSION_FAILED ||
           event == HEALTH_TRIAL_FAILED || event == HEALTH_LAST_FAILED;
}

enum health_change health_note(struct health *health, const struct health_policy *policy,
    enum health_event event, uint64_t now_ms)
{
    if (is_failure(event))
        health->failed_ms = now_ms;
    if (event == HEALTH_CHECK_PASSED || event == HEALTH_CHECK_FAILED)
        health->check_failed = event == HEALTH_CHECK_FAILED;
    return health->is_down ? note_while_down(health, policy, event, now_ms)
                           : note_while_up(health, policy, event, now_ms);
}

bool health_allows(const struct health *health, const struct health_policy *policy, uint64_t now_ms)
{
    return !health->is_down ||
           (!policy->is_checked && !health->on_trial && now_ms >= health->held_until_ms);
}

bool health_allows_last(const struct health *health, const struct health_policy *policy)
{
    return health->is_down && !(policy->is_checked && health->check_failed);
}

bool health_begin_trial(struct health *health)
{
    health->on_trial = health->is_down;
    return health->on_trial;
}

void health_end_trial(struct health *health)
{
    health->on_trial = false;
}
