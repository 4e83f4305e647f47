/*
 * The life of an upstream: its phases as a table, and the door between them. One try follows
 * another until one succeeds or no server is left.
 */
#include "upstream_parts.h"

#include "mailmux/check.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"

/* ---- The ends ---- */

static void clean(struct upstream *upstream)
{
    for (int stage = 0; stage < APPROACH_OVER; stage++)
        upstream->spent_ms[stage] = (uint32_t)upstream->search->approach.spent_ms[stage];
    deadline_clear(&upstream->engine->deadlines, &upstream->search->try_deadline);
    deadline_clear(&upstream->engine->deadlines, &upstream->search->deadline);
    buffer_give(&upstream->engine->replies, &upstream->search->refusal);
    approach_drop(&upstream->search->approach);
}

/* begin of UPSTREAM_READY. The approach's buffers go; the leg and the input are the owner's. */
static unsigned be_ready(struct upstream *upstream)
{
    pool_note_passed(upstream->route->pool, &upstream->choice, clock_monotonic_ms());
    clean(upstream);
    return UPSTREAM_WAIT;
}

static unsigned hand_over_refusal(struct upstream *upstream)
{
    *upstream->search->input = upstream->search->refusal;
    upstream->search->refusal = NULL;
    upstream->search->greeting = GREETING_REFUSED;
    upstream->search->greeting_len = buffer_held(*upstream->search->input).n;
    clean(upstream);
    return UPSTREAM_WAIT;
}

static unsigned fail(struct upstream *upstream)
{
    clean(upstream);
    return UPSTREAM_WAIT;
}

static unsigned wait(struct upstream *upstream)
{
    (void)upstream;
    return UPSTREAM_WAIT;
}

/* ---- The table ---- */

struct phase {
    const char *name;
    unsigned follows;                             /* a bit for each phase that it may follow */
    unsigned (*begin)(struct upstream *upstream); /* may return the next phase already */
    unsigned (*run)(struct upstream *upstream);   /* the next phase, or UPSTREAM_WAIT */
    void (*leave)(struct upstream *upstream);     /* may be NULL */
};

#define AFTER(phase) (1u << UPSTREAM_##phase)

static const struct phase phases[UPSTREAM_PHASES] = {
    [UPSTREAM_PICKING] = {"picking", AFTER(QUEUED) | AFTER(TRYING), wait, upstream_pick, NULL},
    [UPSTREAM_QUEUED] = {"queued", AFTER(PICKING) | AFTER(CRAMPED), upstream_begin_waiting,
        upstream_wait, upstream_leave_queue},
    [UPSTREAM_CRAMPED] = {"cramped", AFTER(PICKING) | AFTER(QUEUED) | AFTER(CRAMPED), wait,
        upstream_pick_cramped, NULL},
    [UPSTREAM_TRYING] = {"trying", AFTER(PICKING) | AFTER(QUEUED) | AFTER(CRAMPED),
        upstream_begin_try, upstream_run_try, NULL},
    [UPSTREAM_READY] = {"ready", AFTER(TRYING), be_ready, wait, NULL},
    [UPSTREAM_REFUSED] = {"refused", AFTER(PICKING) | AFTER(CRAMPED), hand_over_refusal, wait,
        NULL},
    [UPSTREAM_FAILED] = {"failed", AFTER(PICKING) | AFTER(QUEUED) | AFTER(CRAMPED) | AFTER(TRYING),
        fail, wait, NULL},
};

const char *upstream_way(const struct upstream *upstream)
{
    static const char *const stages[] = {[APPROACH_CONNECTING] = "connecting",
        [APPROACH_HEADER] = "proxy-header",
        [APPROACH_HANDSHAKE] = "handshake",
        [APPROACH_OPENING] = "opening",
        [APPROACH_OVER] = "over"};

    return upstream->phase == UPSTREAM_TRYING ? stages[upstream->search->approach.stage]
                                              : phases[upstream->phase].name;
}

static void trace(const struct upstream *upstream, const char *to)
{
    struct log_line line;

    log_open(&line, LOG_DEBUG, "way");
    log_text(&line, "id", upstream->search->client.id);
    log_text(&line, "backend", slice_from(upstream->route->backend->name));
    log_text(&line, "from", slice_from(phases[upstream->phase].name));
    log_text(&line, "to", slice_from(to));
    log_write(&line);
}

static bool is_over(const struct upstream *upstream)
{
    return upstream->phase == UPSTREAM_READY || upstream->phase == UPSTREAM_REFUSED ||
           upstream->phase == UPSTREAM_FAILED;
}

/* Enters a phase, and the phases that follow from its begin. Nothing else sets upstream->phase. */
static void enter(struct upstream *upstream, unsigned next)
{
    while (next != UPSTREAM_WAIT) {
        if (!check_holds((phases[next].follows & (1u << upstream->phase)) != 0)) {
            upstream->reason = REASON_FAULT;
            next = UPSTREAM_FAILED;
        }
        if (log_is_on(LOG_DEBUG))
            trace(upstream, phases[next].name);
        if (phases[upstream->phase].leave)
            phases[upstream->phase].leave(upstream);
        upstream->phase = (enum upstream_phase)next;
        next = phases[next].begin(upstream);
    }
    if (is_over(upstream))
        upstream_forget_tried(upstream);
}

bool upstream_step(struct upstream *upstream)
{
    unsigned next;

    do {
        next = phases[upstream->phase].run(upstream);
        enter(upstream, next);
    } while (next != UPSTREAM_WAIT);
    return is_over(upstream);
}

/* ---- From outside ---- */

void upstream_start(struct upstream *upstream, struct upstream_search *search,
    struct engine *engine, const struct route *route, const struct upstream_client *client,
    struct stream *leg, struct buffer **input, stream_callback *on_event, void *owner)
{
    *upstream = (struct upstream){.engine = engine, .route = route, .search = search};
    *search = (struct upstream_search){.upstream = upstream,
        .client = *client,
        .leg = leg,
        .input = input,
        .on_event = on_event,
        .owner = owner};
    upstream_init_pick(upstream);
    upstream_init_deadlines(upstream);
    upstream_set_deadline(upstream, &upstream->search->deadline, CLASS_CONNECT_DEADLINE,
        route->timeouts->connect_deadline);
}

/*
 * Without the deadline no further try begins (has_tries_left), and a patient upstream does not go
 * back to slow servers.
 */
void upstream_settle(struct upstream *upstream)
{
    deadline_clear(&upstream->engine->deadlines, &upstream->search->deadline);
    upstream->search->is_patient = true;
}

void upstream_leave_hello(struct upstream *upstream)
{
    upstream->search->leaves_hello = true;
}

void upstream_restart(struct upstream *upstream)
{
    struct upstream_search *search = upstream->search;
    struct pool_choice choice = upstream->choice;
    bool leaves_hello = search->leaves_hello;
    struct upstream_client client = search->client;
    bool keeps_place = upstream->has_choice && pool_may_return(upstream->route->pool, &choice);

    if (!keeps_place)
        upstream_release(upstream);
    upstream_start(upstream, search, upstream->engine, upstream->route, &client, search->leg,
        search->input, search->on_event, search->owner);
    search->leaves_hello = leaves_hello;
    if (!keeps_place)
        return;
    /* upstream_start has forgotten the choice; it is put back as if it had just been picked. */
    balance_mark_tried(&search->waiter.tried, choice.slot);
    upstream->choice = choice;
    upstream->has_choice = true;
    enter(upstream, UPSTREAM_TRYING);
}

void upstream_stop(struct upstream *upstream)
{
    if (upstream->engine && !is_over(upstream))
        enter(upstream, UPSTREAM_FAILED);
}

void upstream_forget_search(struct upstream *upstream)
{
    if (check_holds(!upstream->engine || is_over(upstream)))
        upstream->search = NULL;
}
