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

static void on_granted(struct engine_message *message)
{
    upstream_poke(LIST_ENTRY(message, struct upstream, granted));
}

void upstream_init_pick(struct upstream *upstream)
{
    pool_waiter_init(&upstream->waiter, balance_key(upstream->client.source), on_wake);
    engine_message_init(&upstream->granted, on_granted);
    upstream->reason = REASON_NO_BACKEND;
}

static bool has_tries_left(const struct upstream *upstream)
{
    return !upstream->late && upstream->tries <= upstream->service->backend->retries;
}

static void take_choice(struct upstream *upstream)
{
    upstream->has_choice = true;
    upstream->phase = UPSTREAM_CHOSEN;
}

static void begin_waiting(struct upstream *upstream)
{
    upstream->queued = true;
    upstream->queued_at_ms = clock_monotonic_ms();
    upstream->phase = UPSTREAM_QUEUED;
    upstream_set_deadline(
        upstream, &upstream->try_deadline, CLASS_QUEUE, upstream->service->backend->queue_timeout);
}

bool upstream_pick(struct upstream *upstream)
{
    struct pool *pool = upstream->service->pool;
    bool go_back = upstream->go_back;

    upstream->go_back = false;
    if (!has_tries_left(upstream))
        return false;
    if (go_back && pool_pick_again(pool, &upstream->waiter, &upstream->choice)) {
        take_choice(upstream);
        return true;
    }
    switch (pool_pick(pool, &upstream->waiter, clock_monotonic_ms(), &upstream->choice)) {
    case POOL_CHOSEN:
        take_choice(upstream);
        return true;
    case POOL_WAITING:
        begin_waiting(upstream);
        return true;
    case POOL_QUEUE_FULL:
        upstream->reason = REASON_QUEUE_FULL;
        return false;
    case POOL_NONE:
        return false;
    }
    return false;
}

void upstream_stop_waiting(struct upstream *upstream)
{
    if (upstream->phase != UPSTREAM_QUEUED)
        return;
    pool_leave(upstream->service->pool, &upstream->waiter, clock_monotonic_ms());
    engine_unpost(upstream->engine, &upstream->granted); /* after that: nobody sends it any more */
    upstream->queued_ms += clock_monotonic_ms() - upstream->queued_at_ms;
    upstream->phase = UPSTREAM_IDLE;
    deadline_clear(&upstream->engine->deadlines, &upstream->try_deadline);
    upstream->try_failed = false;
}

bool upstream_wait(struct upstream *upstream)
{
    enum pool_answer answer;

    if (upstream->late || upstream->try_failed) {
        upstream_stop_waiting(upstream);
        upstream->reason = REASON_QUEUE_TIMEOUT;
        return false;
    }
    answer = pool_take(upstream->service->pool, &upstream->waiter, &upstream->choice);
    if (answer == POOL_WAITING)
        return true;
    upstream_stop_waiting(upstream);
    if (answer == POOL_CHOSEN)
        take_choice(upstream);
    return true;
}

void upstream_fail(struct upstream *upstream, const char *why)
{
    pool_note_failed(upstream->service->pool, &upstream->choice, why, clock_monotonic_ms());
    upstream_abandon(upstream, why);
}

void upstream_fail_connecting(struct upstream *upstream, int failure)
{
    if (leg_lacks_means(failure)) /* clients can bring us there */
        upstream_abandon(upstream, strerror(failure));
    else
        upstream_fail(upstream, strerror(failure));
}

void upstream_fail_late(struct upstream *upstream, const char *why)
{
    /* Who comes last has had only the time that the others left. */
    if (upstream->try_failed || (upstream->tries == 1 && !upstream->queued))
        upstream_fail(upstream, why);
    else
        upstream_abandon(upstream, why);
}

void upstream_pass(struct upstream *upstream)
{
    pool_note_passed(upstream->service->pool, &upstream->choice, clock_monotonic_ms());
}
