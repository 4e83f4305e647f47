#include "upstream.h"

#include "mailmux/clock.h"
#include "upstream_parts.h"

void upstream_poke(struct upstream *upstream)
{
    upstream->on_event(upstream->owner, upstream->leg->wire, 0);
}

static void on_try_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream, try_deadline);

    if (upstream->expiry == EXPIRY_NONE)
        upstream->expiry = EXPIRY_TRY;
    upstream_poke(upstream);
}

static void on_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream, deadline);

    upstream->expiry = EXPIRY_ALL;
    upstream_poke(upstream);
}

void upstream_set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms)
{
    deadline_set(
        &upstream->engine->deadlines, deadline, class_index, uv_now(upstream->engine->loop) + ms);
}

void upstream_start(struct upstream *upstream, struct engine *engine, const struct route *route,
    const struct upstream_client *client, struct stream *leg, struct buffer **input,
    wire_callback *on_event, void *owner)
{
    *upstream = (struct upstream){.engine = engine,
        .route = route,
        .client = *client,
        .leg = leg,
        .input = input,
        .on_event = on_event,
        .owner = owner};
    upstream_init_pick(upstream);
    deadline_init(&upstream->try_deadline, on_try_deadline);
    deadline_init(&upstream->deadline, on_deadline);
    upstream_set_deadline(
        upstream, &upstream->deadline, CLASS_CONNECT_DEADLINE, route->timeouts->connect_deadline);
}

void upstream_settle(struct upstream *upstream)
{
    deadline_clear(&upstream->engine->deadlines, &upstream->deadline);
    upstream->is_patient = true;
}

void upstream_leave_hello(struct upstream *upstream)
{
    upstream->leaves_hello = true;
}

void upstream_restart(struct upstream *upstream)
{
    struct pool_choice choice = upstream->choice;
    bool leaves_hello = upstream->leaves_hello;
    struct upstream_client client = upstream->client;
    bool keeps_place = upstream->has_choice && pool_may_return(upstream->route->pool, &choice);

    if (!keeps_place)
        upstream_release(upstream);
    upstream_start(upstream, upstream->engine, upstream->route, &client, upstream->leg,
        upstream->input, upstream->on_event, upstream->owner);
    upstream->leaves_hello = leaves_hello;
    if (!keeps_place)
        return;
    balance_mark_tried(&upstream->waiter.tried, choice.slot);
    upstream->choice = choice;
    upstream->has_choice = true;
    upstream->phase = UPSTREAM_CHOSEN;
}

void upstream_release(struct upstream *upstream)
{
    if (upstream->has_choice)
        pool_release(upstream->route->pool, &upstream->choice, clock_monotonic_ms());
    upstream->has_choice = false;
}

static enum upstream_result give_up(struct upstream *upstream)
{
    struct buffer *refusal = upstream->refusal;

    upstream->refusal = NULL;
    upstream->phase = UPSTREAM_OVER;
    upstream_stop(upstream);
    if (!refusal)
        return UPSTREAM_FAILED;
    *upstream->input = refusal;
    upstream->greeting = GREETING_REFUSED;
    upstream->greeting_len = buffer_held(refusal).n;
    return UPSTREAM_REFUSED;
}

enum upstream_result upstream_step(struct upstream *upstream)
{
    for (;;) {
        switch (upstream->phase) {
        case UPSTREAM_IDLE:
            if (!upstream_pick(upstream))
                return give_up(upstream);
            break;
        case UPSTREAM_QUEUED:
            if (!upstream_wait(upstream))
                return give_up(upstream);
            if (upstream->phase == UPSTREAM_QUEUED)
                return UPSTREAM_BUSY;
            break;
        case UPSTREAM_CHOSEN:
            upstream_begin_try(upstream);
            break;
        case UPSTREAM_TRYING:
            upstream_run_try(upstream);
            if (upstream->phase == UPSTREAM_TRYING)
                return UPSTREAM_BUSY;
            break;
        case UPSTREAM_OVER:
            pool_note_passed(upstream->route->pool, &upstream->choice, clock_monotonic_ms());
            upstream_stop(upstream);
            return UPSTREAM_READY;
        }
    }
}

void upstream_stop(struct upstream *upstream)
{
    if (!upstream->engine)
        return; /* never started */
    upstream_stop_waiting(upstream);
    deadline_clear(&upstream->engine->deadlines, &upstream->try_deadline);
    deadline_clear(&upstream->engine->deadlines, &upstream->deadline);
    buffer_give(&upstream->engine->replies, &upstream->refusal);
    approach_drop(&upstream->approach);
}
