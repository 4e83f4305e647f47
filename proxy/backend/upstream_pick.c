#include "upstream_parts.h"

#include "leg.h"
#include "mailmux/clock.h"
#include <string.h>

/* On the thread of whoever has made room. */
static void on_wake(struct pool_waiter *waiter)
{
    struct upstream *upstream = LIST_ENTRY(waiter, struct upstream, waiter);

    engine_post(upstream->engine, &upstream->granted);
}

static void on_granted(struct engine_task *task)
{
    upstream_poke(LIST_ENTRY(task, struct upstream, granted));
}

void upstream_init_pick(struct upstream *upstream)
{
    pool_waiter_init(&upstream->waiter, balance_key(upstream->client.source), on_wake);
    engine_task_init(&upstream->granted, on_granted);
    upstream->reason = REASON_NO_BACKEND;
}

/* Tries that ended because a server was slow do not count: another one was free. */
static bool has_tries_left(const struct upstream *upstream)
{
    return deadline_is_set(&upstream->deadline) &&
           upstream->tries <=
               upstream->route->backend->retries + balance_tried_count(&upstream->slow);
}

static void take_choice(struct upstream *upstream)
{
    upstream->has_choice = true;
    upstream->phase = UPSTREAM_CHOSEN;
}

/* The wait ends at queue_timeout; before it, where a hold-back ends, a place may turn up. */
static void set_queue_deadline(struct upstream *upstream)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t until_ms = upstream->queued_at_ms + upstream->route->backend->queue_timeout;
    uint64_t held_until_ms = upstream->waiter.held_until_ms;

    if (held_until_ms > now_ms && held_until_ms < until_ms)
        until_ms = held_until_ms;
    upstream_set_deadline(
        upstream, &upstream->try_deadline, CLASS_QUEUE, until_ms > now_ms ? until_ms - now_ms : 0);
}

static bool has_waited_enough(const struct upstream *upstream)
{
    return upstream->expiry == EXPIRY_ALL ||
           clock_monotonic_ms() >= upstream->queued_at_ms + upstream->route->backend->queue_timeout;
}

static void begin_waiting(struct upstream *upstream)
{
    upstream->queued = true;
    upstream->queued_at_ms = clock_monotonic_ms();
    upstream->phase = UPSTREAM_QUEUED;
    upstream->expiry = EXPIRY_NONE;
    set_queue_deadline(upstream);
}

/*
 * No other server is left, or no more time for another: those that were slow are asked once more,
 * and get all their time.
 */
static bool go_back_to_slow(struct upstream *upstream)
{
    if (upstream->is_patient || balance_tried_count(&upstream->slow) == 0)
        return false;
    balance_forget_tried(&upstream->waiter.tried, &upstream->slow);
    upstream->is_patient = true;
    return true;
}

static bool take_none(struct upstream *upstream)
{
    if (upstream->tries == 0)
        upstream->untried = pool_why_none(upstream->route->pool);
    return false;
}

static bool pick(struct upstream *upstream);

/* No place can be waited for (any longer): those that were slow are left, and those with a mark. */
static bool pick_without_waiting(struct upstream *upstream, enum reason reason)
{
    if (go_back_to_slow(upstream))
        return pick(upstream);
    if (deadline_is_set(&upstream->deadline) &&
        pool_pick_marked(
            upstream->route->pool, &upstream->waiter, clock_monotonic_ms(), &upstream->choice)) {
        take_choice(upstream);
        return true;
    }
    upstream->reason = reason;
    return false;
}

static bool pick(struct upstream *upstream)
{
    struct pool *pool = upstream->route->pool;

    switch (pool_pick(pool, &upstream->waiter, clock_monotonic_ms(), &upstream->choice)) {
    case POOL_CHOSEN:
        take_choice(upstream);
        return true;
    case POOL_WAITING:
        begin_waiting(upstream);
        return true;
    case POOL_QUEUE_FULL:
        return pick_without_waiting(upstream, REASON_QUEUE_FULL);
    case POOL_NONE:
        return go_back_to_slow(upstream) ? pick(upstream) : take_none(upstream);
    }
    return false;
}

bool upstream_pick(struct upstream *upstream)
{
    return (has_tries_left(upstream) || go_back_to_slow(upstream)) && pick(upstream);
}

void upstream_stop_waiting(struct upstream *upstream)
{
    if (upstream->phase != UPSTREAM_QUEUED)
        return;
    pool_leave(upstream->route->pool, &upstream->waiter, clock_monotonic_ms());
    engine_unpost(upstream->engine, &upstream->granted); /* after that: nobody sends it any more */
    upstream->queued_ms += clock_monotonic_ms() - upstream->queued_at_ms;
    upstream->phase = UPSTREAM_IDLE;
    deadline_clear(&upstream->engine->deadlines, &upstream->try_deadline);
}

bool upstream_wait(struct upstream *upstream)
{
    struct pool *pool = upstream->route->pool;
    bool has_expired = upstream->expiry != EXPIRY_NONE;
    enum pool_answer answer;

    if (has_expired) /* a hold-back may have ended */
        pool_serve(pool, clock_monotonic_ms());
    answer = pool_take(pool, &upstream->waiter, &upstream->choice);
    if (answer == POOL_WAITING && has_expired && has_waited_enough(upstream)) {
        upstream_stop_waiting(upstream);
        return pick_without_waiting(upstream, REASON_QUEUE_TIMEOUT);
    }
    upstream->expiry = EXPIRY_NONE;
    if (answer == POOL_WAITING) { /* a hold-back has begun meanwhile, or another one */
        set_queue_deadline(upstream);
        return true;
    }
    upstream_stop_waiting(upstream);
    if (answer == POOL_CHOSEN)
        take_choice(upstream);
    return true;
}
