/*
 * The two deadlines of an upstream: try_deadline for the current try or wait, and deadline for all
 * of it. Each one only notes that it has passed; upstream_step acts on it.
 */
#include "upstream_parts.h"

#include "mailmux/log.h"

void upstream_poke(struct upstream *upstream)
{
    upstream->search->on_event(upstream->search->owner, upstream->search->leg, 0);
}

static void note_expiry(const struct upstream *upstream, const struct deadline *deadline)
{
    if (log_is_on(LOG_DEBUG))
        engine_trace_expiry(deadline, upstream->search->client.id);
}

static void on_try_deadline(struct deadline *deadline)
{
    struct upstream *upstream =
        LIST_ENTRY(deadline, struct upstream_search, try_deadline)->upstream;

    note_expiry(upstream, deadline);
    if (upstream->search->expiry == EXPIRY_NONE)
        upstream->search->expiry = EXPIRY_TRY;
    upstream_poke(upstream);
}

static void on_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream_search, deadline)->upstream;

    note_expiry(upstream, deadline);
    upstream->search->expiry = EXPIRY_ALL;
    upstream_poke(upstream);
}

void upstream_set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms)
{
    deadline_set(
        &upstream->engine->deadlines, deadline, class_index, uv_now(upstream->engine->loop) + ms);
}

void upstream_init_deadlines(struct upstream *upstream)
{
    deadline_init(&upstream->search->try_deadline, on_try_deadline);
    deadline_init(&upstream->search->deadline, on_deadline);
}
