/*
 * What a session does with a pool: choose, wait, report, release. Also what reports do to the
 * marks.
 */
#include "pool_news.h"

#include "mailmux/check.h"
#include "mailmux/clock.h"

void pool_waiter_init(struct pool_waiter *waiter, uint64_t key, pool_wake *wake)
{
    *waiter = (struct pool_waiter){.key = key, .wake = wake, .answer = POOL_NONE};
    list_init(&waiter->node);
}

/* ---- Choosing; the lock is held ---- */

static enum pool_answer pick(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice)
{
    int slot;

    pool_pass_time(pool, now_ms); /* the waiters come first */
    slot = balance_pick(&pool->table, &waiter->tried, waiter->key, now_ms);
    if (slot == BALANCE_FULL)
        return pool_join_queue(pool, waiter, now_ms);
    if (slot == BALANCE_NONE)
        return POOL_NONE;
    pool_take_place(pool, (size_t)slot, waiter, now_ms, choice);
    return POOL_CHOSEN;
}

static void count(struct pool_counts *counts, const struct pool_choice *choice)
{
    counts->tries++;
    counts->failed += choice->has_failed;
    counts->bytes_in += choice->bytes_in;
    counts->bytes_out += choice->bytes_out;
}

/* A session whose trial has no result must not block the next trial. */
static void release(struct pool *pool, struct pool_choice *choice, uint64_t now_ms)
{
    struct balance_server *state = &pool->table.servers[choice->slot];

    if (check_holds(state->sessions > 0))
        state->sessions--;
    if (choice->standing == POOL_ON_TRIAL)
        health_end_trial(&state->health);
    choice->standing = POOL_UP;
    if (balance_update(&pool->table, choice->slot))
        pool_serve_places(pool, choice->slot, now_ms);
    pool_pass_time(pool, now_ms);
}

/* ---- With the lock ---- */

enum pool_answer pool_pick(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice)
{
    enum pool_answer picked;

    (void)pthread_mutex_lock(&pool->lock);
    picked = pick(pool, waiter, now_ms, choice);
    (void)pthread_mutex_unlock(&pool->lock);
    return picked;
}

bool pool_pick_marked(
    struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms, struct pool_choice *choice)
{
    int slot;

    (void)pthread_mutex_lock(&pool->lock);
    slot = balance_pick_marked(&pool->table, &waiter->tried);
    if (slot >= 0)
        pool_take_place(pool, (size_t)slot, waiter, now_ms, choice);
    (void)pthread_mutex_unlock(&pool->lock);
    return slot >= 0;
}

bool pool_may_return(struct pool *pool, struct pool_choice *choice)
{
    bool may_return;

    (void)pthread_mutex_lock(&pool->lock);
    may_return = pool->slots[choice->slot].generation == choice->generation &&
                 balance_may_return(&pool->table, choice->slot);
    if (may_return && pool->table.servers[choice->slot].health.is_down)
        choice->standing = POOL_LAST_RESORT;
    (void)pthread_mutex_unlock(&pool->lock);
    return may_return;
}

bool pool_has_other(struct pool *pool, const struct pool_waiter *waiter)
{
    bool has_other;

    (void)pthread_mutex_lock(&pool->lock);
    has_other = balance_has_other(&pool->table, &waiter->tried);
    (void)pthread_mutex_unlock(&pool->lock);
    return has_other;
}

const char *pool_why_none(struct pool *pool, uint64_t now_ms)
{
    struct pool_outage_news outage;
    bool is_retired;
    const char *why;

    (void)pthread_mutex_lock(&pool->lock);
    is_retired = pool->is_retired;
    why = pool_why_out(pool);
    pool_judge_outage(pool, now_ms, &outage);
    /* Servers that are down would have been tried but for their last checks. */
    if (balance_outlook(&pool->table).serving > 0)
        why = "the last check of every server failed";
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_outage(pool, &outage);
    return is_retired
               ? "a reload has removed the backend, or changed its TLS or send_client_address"
               : why;
}

void pool_serve(struct pool *pool, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool_pass_time(pool, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
}

void pool_retire(struct pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_retired = true;
    pool_end_queue(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_changes(pool, false, clock_monotonic_ms());
}

enum pool_answer pool_take(
    struct pool *pool, struct pool_waiter *waiter, struct pool_choice *choice)
{
    enum pool_answer taken;

    (void)pthread_mutex_lock(&pool->lock);
    taken = waiter->answer;
    if (taken == POOL_CHOSEN)
        *choice = waiter->choice;
    waiter->held_until_ms = waiter->hold_ms;
    if (taken != POOL_WAITING)
        waiter->answer = POOL_NONE;
    (void)pthread_mutex_unlock(&pool->lock);
    return taken;
}

void pool_leave(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
    struct pool_leaving_news leaving = {.what = LEAVING_QUIETLY};

    (void)pthread_mutex_lock(&pool->lock);
    if (waiter->answer == POOL_WAITING) {
        pool_leave_queue(pool, waiter);
    } else if (waiter->answer == POOL_CHOSEN) {
        release(pool, &waiter->choice, now_ms);
        pool_judge_leaving(pool, waiter->choice.slot, now_ms, &leaving);
    }
    waiter->answer = POOL_NONE;
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_leaving(pool, &leaving);
}

void pool_release(struct pool *pool, struct pool_choice *choice, uint64_t now_ms)
{
    struct pool_leaving_news leaving;

    (void)pthread_mutex_lock(&pool->lock);
    release(pool, choice, now_ms);
    count(&pool->slots[choice->slot].counts, choice);
    pool_judge_leaving(pool, choice->slot, now_ms, &leaving);
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_leaving(pool, &leaving);
}

/* ---- Marks ---- */

/*
 * Notes an event and returns what it changes. The lock is held. A server that is not listed, or is
 * in maintenance, gets no mark.
 */
static enum health_change note(struct pool *pool, size_t slot, enum health_event event,
    uint64_t now_ms, struct pool_server *server)
{
    struct balance_server *state = &pool->table.servers[slot];
    uint64_t held_until_ms = state->health.held_until_ms;
    enum health_change change;
    bool is_open;

    if (!state->is_listed || state->state == SERVER_MAINTENANCE)
        return HEALTH_UNCHANGED;
    change = health_note(&state->health, &pool->table.health, event, now_ms);
    if (change != HEALTH_UNCHANGED)
        pool_copy_server(pool, slot, server);
    is_open = balance_update(&pool->table, slot);
    /* One server more, or one less, for the waiters, or another time to look for one. */
    if (is_open || change != HEALTH_UNCHANGED || held_until_ms != state->health.held_until_ms)
        pool_serve_queue(pool, now_ms);
    return change;
}

/* The lock is held. */
static void end_trial(struct pool *pool, size_t slot, uint64_t now_ms)
{
    health_end_trial(&pool->table.servers[slot].health);
    if (balance_update(&pool->table, slot))
        pool_serve_places(pool, slot, now_ms);
}

/*
 * A report ends the trial and the standing, so that later reports of the session count as those of
 * any other.
 */
static void note_session(
    struct pool *pool, struct pool_choice *choice, bool passed, const char *why, uint64_t now_ms)
{
    static const enum health_event events[][2] = {
        [POOL_UP] = {HEALTH_SESSION_FAILED, HEALTH_SESSION_PASSED},
        [POOL_ON_TRIAL] = {HEALTH_TRIAL_FAILED, HEALTH_TRIAL_PASSED},
        [POOL_LAST_RESORT] = {HEALTH_LAST_FAILED, HEALTH_LAST_PASSED},
    };
    enum health_event event = events[choice->standing][passed];
    struct pool_outage_news outage = {.what = OUTAGE_SAME};
    struct pool_server server;
    enum health_change change;

    (void)pthread_mutex_lock(&pool->lock);
    change = note(pool, choice->slot, event, now_ms, &server);
    if (change != HEALTH_UNCHANGED)
        pool_judge_outage(pool, now_ms, &outage);
    if (choice->standing == POOL_ON_TRIAL)
        end_trial(pool, choice->slot, now_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    choice->standing = POOL_UP;
    pool_tell_mark(pool, change, &server, why, now_ms);
    pool_tell_outage(pool, &outage);
}

void pool_note_passed(struct pool *pool, struct pool_choice *choice, uint64_t now_ms)
{
    note_session(pool, choice, true, "a session was served", now_ms);
}

void pool_note_failed(
    struct pool *pool, struct pool_choice *choice, const char *why, uint64_t now_ms)
{
    note_session(pool, choice, false, why, now_ms);
}

void pool_note_check(
    struct pool *pool, size_t slot, unsigned generation, const char *why, uint64_t now_ms)
{
    enum health_event event = why ? HEALTH_CHECK_FAILED : HEALTH_CHECK_PASSED;
    enum health_change change = HEALTH_UNCHANGED;
    struct pool_outage_news outage = {.what = OUTAGE_SAME};
    struct pool_server server;

    (void)pthread_mutex_lock(&pool->lock);
    if (slot < pool->table.count && pool->slots[slot].generation == generation)
        change = note(pool, slot, event, now_ms, &server);
    if (change != HEALTH_UNCHANGED)
        pool_judge_outage(pool, now_ms, &outage);
    (void)pthread_mutex_unlock(&pool->lock);
    pool_tell_mark(pool, change, &server, why ? why : "its check passed", now_ms);
    pool_tell_outage(pool, &outage);
}
