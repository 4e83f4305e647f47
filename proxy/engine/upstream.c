#include "upstream.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "upstream_parts.h"

void upstream_poke(struct upstream *upstream)
{
    upstream->on_event(upstream->owner, upstream->leg->wire, 0);
}

static void on_try_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream, try_deadline);

    upstream->try_failed = true;
    upstream_poke(upstream);
}

static void on_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream, deadline);

    upstream->late = true;
    upstream_poke(upstream);
}

void upstream_set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms)
{
    deadline_set(
        &upstream->engine->deadlines, deadline, class_index, uv_now(upstream->engine->loop) + ms);
}

void upstream_start(struct upstream *upstream, struct engine *engine, const struct service *service,
    const struct upstream_client *client, struct stream *leg, struct buffer **input,
    wire_callback *on_event, void *owner)
{
    *upstream = (struct upstream){.engine = engine,
        .service = service,
        .client = *client,
        .leg = leg,
        .input = input,
        .on_event = on_event,
        .owner = owner};
    upstream_init_pick(upstream);
    deadline_init(&upstream->try_deadline, on_try_deadline);
    deadline_init(&upstream->deadline, on_deadline);
    upstream_set_deadline(upstream, &upstream->deadline, CLASS_CONNECT_DEADLINE,
        service->config->timeouts.connect_deadline);
}

void upstream_restart(struct upstream *upstream)
{
    struct pool_choice choice = upstream->choice;
    struct upstream_client client = upstream->client;

    upstream_release(upstream);
    upstream_start(upstream, upstream->engine, upstream->service, &client, upstream->leg,
        upstream->input, upstream->on_event, upstream->owner);
    upstream->choice = choice;
    upstream->go_back = true;
}

void upstream_release(struct upstream *upstream)
{
    if (upstream->has_choice)
        pool_release(upstream->service->pool, &upstream->choice, clock_monotonic_ms());
    upstream->has_choice = false;
}

void upstream_abandon(struct upstream *upstream, const char *why)
{
    char address[ADDRESS_TEXT_MAX];
    struct log_line line;

    log_open(&line, LOG_WARNING, "try-failed");
    log_text(&line, "backend", slice_from(upstream->service->backend->name));
    log_text(&line, "server", slice_from(upstream->choice.name));
    log_text(&line, "address", slice_from(address_text(&upstream->choice.address, address)));
    log_text(&line, "why", slice_from(why));
    log_write(&line);
    deadline_clear(&upstream->engine->deadlines, &upstream->try_deadline);
    upstream->try_failed = false;
    if (upstream->leg->ops)
        stream_close(upstream->leg, false);
    buffer_give(&upstream->engine->replies, upstream->input);
    upstream_drop_opening(upstream);
    upstream_release(upstream);
    upstream->phase = UPSTREAM_IDLE;
}

/* Begins the next try. */
static void dial(struct upstream *upstream)
{
    struct engine *engine = upstream->engine;
    int failure = 0;
    struct wire *wire;

    upstream->tries++;
    wire = engine->hooks->connect(
        engine, &upstream->choice.address, upstream->service->keepalive_s, &failure);
    if (!wire) {
        upstream_fail_connecting(upstream, failure);
        return;
    }
    wire->on_event = upstream->on_event;
    wire->owner = upstream->owner;
    stream_open(upstream->leg, &engine->streams, wire);
    wire_watch(wire, WIRE_WRITABLE);
    upstream_set_deadline(upstream, &upstream->try_deadline, CLASS_CONNECT,
        upstream->service->config->timeouts.connect);
    upstream->phase = UPSTREAM_CONNECTING;
}

/* Returns false while the kernel has not decided. */
static bool connected(struct upstream *upstream)
{
    struct wire *wire = upstream->leg->wire;
    int failure;

    if (upstream->late || upstream->try_failed) {
        upstream_fail_late(upstream, "timed out connecting");
        return true;
    }
    if (!(wire->ready & (unsigned)WIRE_WRITABLE))
        return false;
    failure = upstream->engine->hooks->connected(wire);
    if (failure != 0) {
        upstream_fail_connecting(upstream, failure);
        return true;
    }
    wire->ready |= (unsigned)WIRE_READABLE; /* worth a try: the greeting may be there */
    upstream_open_leg(upstream);
    return true;
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
            dial(upstream);
            break;
        case UPSTREAM_CONNECTING:
            if (!connected(upstream))
                return UPSTREAM_BUSY;
            break;
        case UPSTREAM_HEADER:
            if (!upstream_run_header(upstream))
                return UPSTREAM_BUSY;
            break;
        case UPSTREAM_HANDSHAKE:
            if (!upstream_run_handshake(upstream))
                return UPSTREAM_BUSY;
            break;
        case UPSTREAM_GREETING:
            if (!upstream_run_opening(upstream))
                return UPSTREAM_BUSY;
            break;
        case UPSTREAM_OVER:
            upstream_pass(upstream);
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
    upstream_drop_opening(upstream);
}
