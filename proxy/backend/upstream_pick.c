#include "upstream_parts.h"

#include "mailmux/clock.h"

/* Called on the thread that has made room, under the pool's lock. It only posts. */
static void on_wake(struct pool_waiter *waiter)
{
    struct upstream_search *search = LIST_ENTRY(waiter, struct upstream_search, waiter);

    engine_post(search->upstream->engine, &search->granted);
}

static void on_granted(struct engine_task *task)
{
    upstream_poke(LIST_ENTRY(task, struct upstream_search, granted)->upstream);
}

void upstream_init_pick(struct upstream *upstream)
{
    pool_waiter_init(
        &upstream->search->waiter, balance_key(upstream->search->client.source), on_wake);
    engine_task_init(&upstream->search->granted, on_granted);
    upstream->reason = REASON_NO_BACKEND;
}

void upstream_forget_tried(struct upstream *upstream)
{
    balance_end_tried(&upstream->search->waiter.tried);
    balance_end_tried(&upstream->search->slow);
}

/*
 * Returns whether one more try may begin. A try that was ended because the server was slow does not
 * count, since another server was free.
 */
static bool has_tries_left(const struct upstream *upstream)
{
    return deadline_is_set(&upstream->search->deadline) &&
           upstream->tries <=
               upstream->route->backend->retries + balance_tried_count(&upstream->search->slow);
}

static unsigned take_choice(struct upstream *upstream)
{
    upstream->has_choice = true;
    return UPSTREAM_TRYING;
}

void upstream_release(struct upstream *upstream)
{
    if (upstream->has_choice)
        pool_release(upstream->route->pool, &upstream->choice, clock_monotonic_ms());
    upstream->has_choice = false;
}

/*
 * Sets the deadline of the wait: queue_timeout, or the end of a hold-back before it, when a place
 * may turn up.
 */
static void set_queue_deadline(struct upstream *upstream)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t until_ms = upstream->search->queued_at_ms + upstream->route->backend->queue_timeout;
    uint64_t held_until_ms = upstream->search->waiter.held_until_ms;

    if (held_until_ms > now_ms && held_until_ms < until_ms)
        until_ms = held_until_ms;
    upstream_set_deadline(upstream, &upstream->search->try_deadline, CLASS_QUEUE,
        until_ms > now_ms ? until_ms - now_ms : 0);
}

static bool has_waited_enough(const struct upstream *upstream)
{
    return upstream->search->expiry == EXPIRY_ALL ||
           clock_monotonic_ms() >=
               upstream->search->queued_at_ms + upstream->route->backend->queue_timeout;
}

unsigned upstream_begin_waiting(struct upstream *upstream)
{
    upstream->queued = true;
    upstream->search->queued_at_ms = clock_monotonic_ms();
    upstream->search->expiry = EXPIRY_NONE;
    set_queue_deadline(upstream);
    return UPSTREAM_WAIT;
}

/*
 * Goes back to the servers that were left because they were slow, if there are any: no other server
 * is left, or no time for another. They now get all their time.
 */
static bool go_back_to_slow(struct upstream *upstream)
{
    if (upstream->search->is_patient || balance_tried_count(&upstream->search->slow) == 0)
        return false;
    balance_forget_tried(&upstream->search->waiter.tried, &upstream->search->slow);
    upstream->search->is_patient = true;
    return true;
}

/* The client gets the last refusal; if there is none, it gets words of our own. */
static unsigned give_up(const struct upstream *upstream)
{
    return upstream->search->refusal ? UPSTREAM_REFUSED : UPSTREAM_FAILED;
}

static unsigned pick(struct upstream *upstream)
{
    struct pool *pool = upstream->route->pool;

    switch (pool_pick(pool, &upstream->search->waiter, clock_monotonic_ms(), &upstream->choice)) {
    case POOL_CHOSEN:
        return take_choice(upstream);
    case POOL_WAITING:
        return UPSTREAM_QUEUED;
    case POOL_QUEUE_FULL:
        upstream->reason = REASON_QUEUE_FULL;
        return UPSTREAM_CRAMPED;
    case POOL_NONE:
        break;
    }
    /* This succeeds once at most, so the recursion ends. */
    if (go_back_to_slow(upstream))
        return pick(upstream);
    if (upstream->tries == 0)
        upstream->untried = pool_why_none(pool, clock_monotonic_ms());
    return give_up(upstream);
}

unsigned upstream_pick(struct upstream *upstream)
{
    return has_tries_left(upstream) || go_back_to_slow(upstream) ? pick(upstream)
                                                                 : give_up(upstream);
}

/* The session cannot wait for a place. Slow servers may be left to try, and servers with a mark. */
unsigned upstream_pick_cramped(struct upstream *upstream)
{
    if (go_back_to_slow(upstream)) {
        upstream->reason = REASON_NO_BACKEND;
        return pick(upstream);
    }
    if (deadline_is_set(&upstream->search->deadline) &&
        pool_pick_marked(upstream->route->pool, &upstream->search->waiter, clock_monotonic_ms(),
            &upstream->choice))
        return take_choice(upstream);
    return give_up(upstream);
}

void upstream_leave_queue(struct upstream *upstream)
{
    pool_leave(upstream->route->pool, &upstream->search->waiter, clock_monotonic_ms());
    engine_unpost(
        upstream->engine, &upstream->search->granted); /* nothing posts it after pool_leave */
    upstream->queued_ms += clock_monotonic_ms() - upstream->search->queued_at_ms;
    deadline_clear(&upstream->engine->deadlines, &upstream->search->try_deadline);
}

/*
 * Runs after `granted` and after the deadline. The next hold-back may have changed in both cases,
 * so the deadline is set anew while it waits.
 */
unsigned upstream_wait(struct upstream *upstream)
{
    struct pool *pool = upstream->route->pool;
    bool has_expired = upstream->search->expiry != EXPIRY_NONE;

    if (has_expired) /* a hold-back may have ended */
        pool_serve(pool, clock_monotonic_ms());
    switch (pool_take(pool, &upstream->search->waiter, &upstream->choice)) {
    case POOL_CHOSEN:
        return take_choice(upstream);
    case POOL_WAITING:
        if (has_expired && has_waited_enough(upstream)) {
            upstream->reason = REASON_QUEUE_TIMEOUT;
            return UPSTREAM_CRAMPED;
        }
        upstream->search->expiry = EXPIRY_NONE;
        set_queue_deadline(upstream); /* a hold-back may have begun */
        return UPSTREAM_WAIT;
    case POOL_QUEUE_FULL:
    case POOL_NONE:
        break;
    }
    return UPSTREAM_PICKING;
}
