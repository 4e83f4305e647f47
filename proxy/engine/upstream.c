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
    const struct address *client, struct stream *leg, struct buffer **input,
    wire_callback *on_event, void *owner)
{
    *upstream = (struct upstream){.engine = engine,
        .service = service,
        .client = client,
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

    upstream_release(upstream);
    upstream_start(upstream, upstream->engine, upstream->service, upstream->client, upstream->leg,
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
    upstream->phase = UPSTREAM_GREETING;
    wire->ready |= (unsigned)WIRE_READABLE; /* worth a try: the greeting may be there */
    upstream_set_deadline(upstream, &upstream->try_deadline, CLASS_GREETING,
        upstream->service->config->timeouts.greeting);
    return true;
}

/* Reads once. IO_AGAIN: wait; IO_ERR: this try is lost. */
static enum io read_greeting(struct upstream *upstream)
{
    size_t room;
    size_t got;
    char *space;
    enum io status;

    if (!*upstream->input)
        *upstream->input = buffer_take(&upstream->engine->replies);
    if (!*upstream->input)
        return IO_ERR;
    space = buffer_space(*upstream->input, &room);
    if (room == 0)
        return IO_ERR;
    status = stream_read(upstream->leg, space, room, &got);
    if (status == IO_OK)
        buffer_filled(*upstream->input, got);
    return status == IO_EOF ? IO_ERR : status;
}

/* The refused greeting is kept; the one before it, if any, goes. */
static void keep_refusal(struct upstream *upstream, size_t used)
{
    buffer_give(&upstream->engine->replies, &upstream->refusal);
    upstream->refusal = *upstream->input;
    *upstream->input = NULL;
    upstream->greeting_len = used;
    upstream_abandon(upstream, "refused by its greeting");
}

/* Returns false while more must come. */
static bool greeted(struct upstream *upstream)
{
    const struct protocol *protocol = upstream->service->protocol;
    size_t used = 0;

    if (upstream->late || upstream->try_failed) {
        upstream_fail_late(upstream, "no greeting in time");
        return true;
    }
    for (;;) {
        enum io status = read_greeting(upstream);

        if (status == IO_AGAIN) {
            buffer_give_if_empty(&upstream->engine->replies, upstream->input);
            wire_watch(upstream->leg->wire, WIRE_READABLE);
            return false;
        }
        if (!*upstream->input) {
            upstream_abandon(upstream, "out of memory");
            return true;
        }
        if (status == IO_ERR || status == IO_EOF) {
            upstream_fail(upstream, "closed before its greeting");
            return true;
        }
        switch (protocol->greeting(
            buffer_held(*upstream->input), upstream->service->config->limits.reply, &used)) {
        case GREETING_MORE:
            continue;
        case GREETING_READY:
            upstream->greeting = GREETING_READY;
            break;
        case GREETING_PREAUTH:
            upstream->greeting = GREETING_PREAUTH;
            break;
        case GREETING_REFUSED:
            keep_refusal(upstream, used);
            return true;
        case GREETING_WRONG:
            upstream_fail(upstream, "its greeting is not of this protocol");
            return true;
        }
        upstream->greeting_len = used;
        upstream->phase = UPSTREAM_OVER;
        return true;
    }
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
        case UPSTREAM_GREETING:
            if (!greeted(upstream))
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
}
