/*
 * One try of one server: how much time it gets, and what its end means for the server, for the next
 * try and for the client. A try that fails leaves one line in the log.
 */
#include "upstream_parts.h"

#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "tls_info.h"

static const struct config_timeouts *timeouts(const struct upstream *upstream)
{
    return upstream->route->timeouts;
}

static struct pool *pool_of(const struct upstream *upstream)
{
    return upstream->route->pool;
}

/* ---- Its end ---- */

/*
 * Ends the try: closes the leg, gives the buffers and the place back. The next try begins afresh.
 */
static unsigned leave(struct upstream *upstream)
{
    deadline_clear(&upstream->engine->deadlines, &upstream->search->try_deadline);
    stream_close(upstream->search->leg, false);
    buffer_give(&upstream->engine->replies, upstream->search->input);
    approach_drop(&upstream->search->approach);
    upstream_release(upstream);
    return UPSTREAM_PICKING;
}

/*
 * Returns whether the server has been told of the client. Then it may delay or refuse this client
 * by rules of its own, and still serve others well.
 */
static bool knows_client(const struct upstream *upstream)
{
    return upstream_wants_header(upstream) || upstream->search->approach.opening.client_known;
}

/*
 * Returns whether the failure is held against the server: only what neither a client nor a pause of
 * ours can cause (decision 11).
 */
static bool is_servers_fault(const struct upstream *upstream, enum upstream_expiry expiry)
{
    /* A try after others, or after a wait, only had the time that they left. */
    bool had_all_its_time = upstream->tries == 1 && !upstream->queued;

    if ((expiry == EXPIRY_ALL && !had_all_its_time) ||
        deadline_queue_has_stalled(&upstream->engine->deadlines, upstream->search->try_began_ms))
        return false;
    switch (opening_verdict(upstream->search->approach.failure)->blame) {
    case BLAME_NONE:
        break;
    case BLAME_UNLESS_CLIENT_KNOWN:
        return !knows_client(upstream);
    case BLAME_ALWAYS:
        return true;
    }
    return false;
}

/* Keeps the refusal in place of an earlier one. */
static void keep_refusal(struct upstream *upstream)
{
    if (upstream->search->approach.refusal_len == 0)
        return;
    buffer_give(&upstream->engine->replies, &upstream->search->refusal);
    upstream->search->refusal = *upstream->search->input;
    *upstream->search->input = NULL;
}

static unsigned fail(struct upstream *upstream, enum upstream_expiry expiry)
{
    const struct approach *approach = &upstream->search->approach;

    if (is_servers_fault(upstream, expiry))
        pool_note_failed(pool_of(upstream), &upstream->choice, approach->why, clock_monotonic_ms());
    if (approach->failure == OPENING_SLOW_GREETING)
        balance_mark_tried(&upstream->search->slow, upstream->choice.slot);
    upstream_log_failure(upstream, approach->why);
    upstream->choice.has_failed = true;
    keep_refusal(upstream);
    return leave(upstream);
}

/* ---- Its time ---- */

static uint64_t now_ms(const struct upstream *upstream)
{
    return uv_now(upstream->engine->loop);
}

/*
 * Sets the deadline to the rest of the time for the greeting, or to a step of it, after which
 * another server is looked for.
 */
static void set_greeting_deadline(struct upstream *upstream)
{
    uint64_t rest_ms = upstream->search->greeting_by_ms - now_ms(upstream);
    uint64_t step_ms = upstream->route->is_patient ? UPSTREAM_PATIENCE_MS : rest_ms;

    upstream_set_deadline(upstream, &upstream->search->try_deadline, CLASS_GREETING,
        rest_ms < step_ms ? rest_ms : step_ms);
}

static void begin_greeting_time(struct upstream *upstream)
{
    upstream->search->greeting_by_ms = now_ms(upstream) + upstream->route->greeting_ms;
    set_greeting_deadline(upstream);
}

/*
 * Returns whether the server is silent before its TLS. Postfix looks the client up before its TLS,
 * too, so this is treated as a slow greeting.
 */
static bool is_silent_in_handshake(const struct upstream *upstream)
{
    return upstream->route->is_patient && upstream->search->approach.stage == APPROACH_HANDSHAKE &&
           approach_waits_for_greeting(&upstream->search->approach);
}

/* Returns whether try_deadline is for a stage that is over, or for a silence that is over. */
static bool is_stage_over(const struct upstream *upstream)
{
    return upstream->search->timed != upstream->search->approach.stage ||
           (upstream->search->timed_silence && !is_silent_in_handshake(upstream));
}

static void set_stage_deadline(struct upstream *upstream)
{
    upstream->search->timed = upstream->search->approach.stage;
    upstream->search->timed_silence = is_silent_in_handshake(upstream);
    switch (upstream->search->timed) {
    case APPROACH_CONNECTING:
        upstream_set_deadline(
            upstream, &upstream->search->try_deadline, CLASS_CONNECT, timeouts(upstream)->connect);
        break;
    case APPROACH_HANDSHAKE:
        if (upstream->search->timed_silence) {
            begin_greeting_time(upstream);
            break;
        }
        upstream_set_deadline(upstream, &upstream->search->try_deadline, CLASS_HANDSHAKE,
            timeouts(upstream)->handshake);
        break;
    case APPROACH_HEADER:
    case APPROACH_OPENING:
        begin_greeting_time(upstream);
        break;
    case APPROACH_OVER:
        break;
    }
}

/*
 * The server has been slow for a step: leaves it if another one is free, else gives it the next
 * step. Returns false if its time is over, or if this is not about the greeting.
 */
static bool go_on_waiting(struct upstream *upstream)
{
    struct approach *approach = &upstream->search->approach;

    if ((approach->stage != APPROACH_OPENING && !upstream->search->timed_silence) ||
        now_ms(upstream) >= upstream->search->greeting_by_ms)
        return false;
    if (approach_waits_for_greeting(approach) && !upstream->search->is_patient &&
        pool_has_other(pool_of(upstream), &upstream->search->waiter))
        approach_leave_slow(approach);
    else
        set_greeting_deadline(upstream);
    return true;
}

/*
 * Returns whether the try may go on after connect_deadline: a slow greeting has a deadline of its
 * own.
 */
static bool outlasts_deadline(const struct upstream *upstream)
{
    return upstream->route->is_patient &&
           (upstream->search->approach.stage == APPROACH_OPENING ||
               approach_is_before_greeting(&upstream->search->approach)) &&
           deadline_is_set(&upstream->search->try_deadline);
}

/* Decides what a deadline means that has passed since the last step. */
static void judge(struct upstream *upstream, enum upstream_expiry expiry)
{
    bool is_over = false;

    switch (expiry) {
    case EXPIRY_NONE:
        break;
    case EXPIRY_TRY:
        is_over = !go_on_waiting(upstream);
        break;
    case EXPIRY_ALL:
        is_over = !outlasts_deadline(upstream);
        break;
    }
    if (is_over)
        approach_expire(&upstream->search->approach);
}

/* ---- Its course ---- */

static bool write_header(void *owner, struct buffer *out)
{
    return upstream_write_header(owner, out);
}

static void trace_try(const struct upstream *upstream)
{
    static const char *const standings[] = {
        [POOL_UP] = "up", [POOL_ON_TRIAL] = "trial", [POOL_LAST_RESORT] = "last-resort"};
    struct log_line line;

    log_open(&line, LOG_DEBUG, "try");
    log_text(&line, "id", upstream->search->client.id);
    log_number(&line, "n", upstream->tries);
    upstream_log_server(upstream, &line);
    log_text(&line, "why", slice_from(standings[upstream->choice.standing]));
    log_write(&line);
}

unsigned upstream_begin_try(struct upstream *upstream)
{
    const struct route *route = upstream->route;
    const struct config_backend *backend = route->backend;
    struct approach_plan plan = {.opening = &route->opening,
        .client = &upstream->search->identity,
        .implicit_tls = backend->tls == BACKEND_TLS_IMPLICIT,
        .tls = route->tls,
        .tls_name = backend->tls_name ? backend->tls_name : upstream->search->host,
        .resumes_tls = true,
        .keepalive_s = route->keepalive_s,
        .leaves_hello = upstream->search->leaves_hello,
        .keeps_greeting = true,
        .write_header = upstream_wants_header(upstream) ? write_header : NULL,
        .heard = upstream_hear,
        .owner = upstream,
        .on_event = upstream->search->on_event,
        .event_owner = upstream->search->owner};

    upstream->tries++;
    upstream->search->try_began_ms = now_ms(upstream);
    if (log_is_on(LOG_DEBUG))
        trace_try(upstream);
    /*
     * Without tls_name the certificate must carry the host of the server's line. A reload may have
     * removed the line.
     */
    if (!backend->tls_name &&
        !pool_host_of(pool_of(upstream), upstream->choice.name, upstream->search->host)) {
        upstream->search->approach =
            (struct approach){0}; /* else the line shows that of the try before */
        upstream_log_failure(upstream, "no longer configured");
        return leave(upstream);
    }
    upstream->search->expiry = EXPIRY_NONE;
    /* The client's TLS may have begun since the try before. */
    upstream_set_identity(upstream);
    approach_start(&upstream->search->approach, upstream->engine, &plan, &upstream->choice.address,
        upstream->search->leg, upstream->search->input);
    set_stage_deadline(upstream);
    return UPSTREAM_WAIT;
}

unsigned upstream_run_try(struct upstream *upstream)
{
    enum upstream_expiry expiry = upstream->search->expiry;
    bool was_up = upstream->search->leg->handshaken;
    enum approach_result result;

    upstream->search->expiry = EXPIRY_NONE;
    judge(upstream, expiry);
    result = approach_step(&upstream->search->approach);
    if (log_is_on(LOG_DEBUG) && upstream->search->leg->handshaken && !was_up)
        tls_info_trace(upstream->search->leg, upstream->search->client.id, "server");
    switch (result) {
    case APPROACH_WAITS:
        if (is_stage_over(upstream))
            set_stage_deadline(upstream);
        break;
    case APPROACH_READY:
        upstream->search->greeting = upstream->search->approach.opening.greeting;
        upstream->search->greeting_len = upstream->search->approach.greeting_len;
        return UPSTREAM_READY;
    case APPROACH_FAILED:
        return fail(upstream, expiry);
    }
    return UPSTREAM_WAIT;
}
