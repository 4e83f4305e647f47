#include "upstream.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
#include <string.h>

static void poke(struct upstream *upstream)
{
    upstream->on_event(upstream->owner, upstream->leg->wire, 0);
}

static void on_try_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream, try_deadline);

    upstream->try_failed = true;
    poke(upstream);
}

static void on_deadline(struct deadline *deadline)
{
    struct upstream *upstream = LIST_ENTRY(deadline, struct upstream, deadline);

    upstream->late = true;
    poke(upstream);
}

static void set_deadline(struct upstream *upstream, struct deadline *deadline,
    enum engine_class class_index, uint64_t ms)
{
    deadline_set(
        &upstream->engine->deadlines, deadline, class_index, uv_now(upstream->engine->loop) + ms);
}

void upstream_start(struct upstream *upstream, struct engine *engine, const struct service *service,
    struct stream *leg, struct buffer **input, wire_callback *on_event, void *owner)
{
    *upstream = (struct upstream){.engine = engine,
        .service = service,
        .leg = leg,
        .input = input,
        .on_event = on_event,
        .owner = owner};
    deadline_init(&upstream->try_deadline, on_try_deadline);
    deadline_init(&upstream->deadline, on_deadline);
    set_deadline(upstream, &upstream->deadline, CLASS_CONNECT_DEADLINE,
        service->config->timeouts.connect_deadline);
}

void upstream_restart(struct upstream *upstream)
{
    struct pool_choice choice = upstream->choice;

    upstream_release(upstream);
    upstream_start(upstream, upstream->engine, upstream->service, upstream->leg, upstream->input,
        upstream->on_event, upstream->owner);
    upstream->choice = choice;
    upstream->go_back = true;
}

void upstream_release(struct upstream *upstream)
{
    if (upstream->has_choice)
        pool_release(upstream->service->pool, upstream->choice.slot);
    upstream->has_choice = false;
}

/* This try is over; the next one begins afresh. */
static void abandon(struct upstream *upstream, const char *why)
{
    char address[ADDRESS_TEXT_MAX];
    struct log_line line;

    log_open(&line, LOG_WARNING, "try-failed");
    log_text(&line, "backend", slice_from(pool_backend(upstream->service->pool)->name));
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

static bool pick(struct upstream *upstream)
{
    struct pool *pool = upstream->service->pool;
    bool go_back = upstream->go_back;

    upstream->go_back = false;
    if (upstream->late || upstream->tries > pool_backend(pool)->retries)
        return false;
    if (go_back && pool_pick_slot(pool, upstream->choice.slot, &upstream->tried, &upstream->choice))
        return true;
    return pool_pick(pool, &upstream->tried, &upstream->choice);
}

/* Begins the next try. False: there is none. */
static bool dial(struct upstream *upstream)
{
    const struct config_timeouts *timeouts = &upstream->service->config->timeouts;
    struct engine *engine = upstream->engine;

    while (pick(upstream)) {
        int failure = 0;
        struct wire *wire;

        upstream->tries++;
        upstream->has_choice = true;
        wire = engine->hooks->connect(
            engine, &upstream->choice.address, upstream->service->keepalive_s, &failure);
        if (!wire) {
            abandon(upstream, strerror(failure));
            continue;
        }
        wire->on_event = upstream->on_event;
        wire->owner = upstream->owner;
        stream_open(upstream->leg, &engine->streams, wire);
        wire_watch(wire, WIRE_WRITABLE);
        set_deadline(upstream, &upstream->try_deadline, CLASS_CONNECT, timeouts->connect);
        upstream->phase = UPSTREAM_CONNECTING;
        return true;
    }
    return false;
}

/* Returns false while the kernel has not decided. */
static bool connected(struct upstream *upstream)
{
    struct wire *wire = upstream->leg->wire;
    int failure;

    if (upstream->late || upstream->try_failed) {
        abandon(upstream, "timed out connecting");
        return true;
    }
    if (!(wire->ready & (unsigned)WIRE_WRITABLE))
        return false;
    failure = upstream->engine->hooks->connected(wire);
    if (failure != 0) {
        abandon(upstream, strerror(failure));
        return true;
    }
    upstream->phase = UPSTREAM_GREETING;
    wire->ready |= (unsigned)WIRE_READABLE; /* worth a try: the greeting may be there */
    set_deadline(upstream, &upstream->try_deadline, CLASS_GREETING,
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
    abandon(upstream, "refused by its greeting");
}

/* Returns false while more must come. */
static bool greeted(struct upstream *upstream)
{
    const struct protocol *protocol = upstream->service->protocol;
    size_t used = 0;

    if (upstream->late || upstream->try_failed) {
        abandon(upstream, "no greeting in time");
        return true;
    }
    for (;;) {
        enum io status = read_greeting(upstream);

        if (status == IO_AGAIN) {
            buffer_give_if_empty(&upstream->engine->replies, upstream->input);
            wire_watch(upstream->leg->wire, WIRE_READABLE);
            return false;
        }
        if (status == IO_ERR || status == IO_EOF) {
            abandon(upstream, "closed before its greeting");
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
            abandon(upstream, "its greeting is not of this protocol");
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
            if (!dial(upstream))
                return give_up(upstream);
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
            upstream_stop(upstream);
            return UPSTREAM_READY;
        }
    }
}

void upstream_stop(struct upstream *upstream)
{
    if (!upstream->engine)
        return; /* never started */
    deadline_clear(&upstream->engine->deadlines, &upstream->try_deadline);
    deadline_clear(&upstream->engine->deadlines, &upstream->deadline);
    buffer_give(&upstream->engine->replies, &upstream->refusal);
}
