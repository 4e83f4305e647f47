/*
 * One try of one server: how much time it gets, and what its end means for the server, for the next
 * try and for the client. One that fails leaves one line in the log.
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

static void log_server(const struct upstream *upstream, struct log_line *line)
{
    char address[ADDRESS_TEXT_MAX];

    log_text(line, "backend", slice_from(upstream->route->backend->name));
    log_text(line, "server", slice_from(upstream->choice.name));
    log_text(line, "address", slice_from(address_text(&upstream->choice.address, address)));
}

static void log_failure(const struct upstream *upstream, const char *why)
{
    struct log_line line;

    log_open(&line, LOG_WARNING, "try-failed");
    log_server(upstream, &line);
    log_text(&line, "why", slice_from(why));
    log_write(&line);
}

/* Everything of this try goes; the next one begins afresh. */
static unsigned leave(struct upstream *upstream)
{
    deadline_clear(&upstream->engine->deadlines, &upstream->try_deadline);
    stream_close(upstream->leg, false);
    buffer_give(&upstream->engine->replies, upstream->input);
    approach_drop(&upstream->approach);
    upstream_release(upstream);
    return UPSTREAM_PICKING;
}

/* It may keep this client waiting, or turn it away, by rules of its own, and serve others well. */
static bool knows_client(const struct upstream *upstream)
{
    return upstream_wants_header(upstream) || upstream->approach.opening.client_known;
}

/* Decision 11: no client can bring this about, and no pause of ours. */
static bool is_servers_fault(const struct upstream *upstream, enum upstream_expiry expiry)
{
    /* A try behind others had only the time that they left. */
    bool had_all_its_time = upstream->tries == 1 && !upstream->queued;

    if ((expiry == EXPIRY_ALL && !had_all_its_time) ||
        deadline_queue_has_stalled(&upstream->engine->deadlines, upstream->try_began_ms))
        return false;
    switch (opening_verdict(upstream->approach.failure)->blame) {
    case BLAME_NONE:
        break;
    case BLAME_UNLESS_CLIENT_KNOWN:
        return !knows_client(upstream);
    case BLAME_ALWAYS:
        return true;
    }
    return false;
}

/* The last refusal is the one that counts. */
static void keep_refusal(struct upstream *upstream)
{
    if (upstream->approach.refusal_len == 0)
        return;
    buffer_give(&upstream->engine->replies, &upstream->refusal);
    upstream->refusal = *upstream->input;
    *upstream->input = NULL;
}

static unsigned fail(struct upstream *upstream, enum upstream_expiry expiry)
{
    const struct approach *approach = &upstream->approach;

    if (is_servers_fault(upstream, expiry))
        pool_note_failed(pool_of(upstream), &upstream->choice, approach->why, clock_monotonic_ms());
    if (approach->failure == OPENING_SLOW_GREETING)
        balance_mark_tried(&upstream->slow, upstream->choice.slot);
    log_failure(upstream, approach->why);
    keep_refusal(upstream);
    return leave(upstream);
}

/* ---- Its time ---- */

static uint64_t now_ms(const struct upstream *upstream)
{
    return uv_now(upstream->engine->loop);
}

/* The rest of the greeting's time, in steps after which another server is looked for. */
static void set_greeting_deadline(struct upstream *upstream)
{
    uint64_t rest_ms = upstream->greeting_by_ms - now_ms(upstream);
    uint64_t step_ms = upstream->route->is_patient ? UPSTREAM_PATIENCE_MS : rest_ms;

    upstream_set_deadline(
        upstream, &upstream->try_deadline, CLASS_GREETING, rest_ms < step_ms ? rest_ms : step_ms);
}

static void begin_greeting_time(struct upstream *upstream)
{
    upstream->greeting_by_ms = now_ms(upstream) + upstream->route->greeting_ms;
    set_greeting_deadline(upstream);
}

/* Postfix looks the client up before its TLS, too: the silence is that of a slow greeting. */
static bool is_silent_in_handshake(const struct upstream *upstream)
{
    return upstream->route->is_patient && upstream->approach.stage == APPROACH_HANDSHAKE &&
           approach_waits_for_greeting(&upstream->approach);
}

/* Another stage, or the handshake goes on at last. */
static bool is_stage_over(const struct upstream *upstream)
{
    return upstream->timed != upstream->approach.stage ||
           (upstream->timed_silence && !is_silent_in_handshake(upstream));
}

static void set_stage_deadline(struct upstream *upstream)
{
    upstream->timed = upstream->approach.stage;
    upstream->timed_silence = is_silent_in_handshake(upstream);
    switch (upstream->timed) {
    case APPROACH_CONNECTING:
        upstream_set_deadline(
            upstream, &upstream->try_deadline, CLASS_CONNECT, timeouts(upstream)->connect);
        break;
    case APPROACH_HANDSHAKE:
        if (upstream->timed_silence) {
            begin_greeting_time(upstream);
            break;
        }
        upstream_set_deadline(
            upstream, &upstream->try_deadline, CLASS_HANDSHAKE, timeouts(upstream)->handshake);
        break;
    case APPROACH_HEADER:
    case APPROACH_OPENING:
        begin_greeting_time(upstream);
        break;
    case APPROACH_OVER:
        break;
    }
}

/* It has been slow for a while: is there a better one? Returns false where its time is over. */
static bool has_more_time(struct upstream *upstream)
{
    struct approach *approach = &upstream->approach;

    if ((approach->stage != APPROACH_OPENING && !upstream->timed_silence) ||
        now_ms(upstream) >= upstream->greeting_by_ms)
        return false;
    if (approach_waits_for_greeting(approach) && !upstream->is_patient &&
        pool_has_other(pool_of(upstream), &upstream->waiter))
        approach_leave_slow(approach);
    else
        set_greeting_deadline(upstream);
    return true;
}

/* Slow greetings outlast connect_deadline: they have a deadline of their own. */
static bool outlasts_deadline(const struct upstream *upstream)
{
    return upstream->route->is_patient &&
           (upstream->approach.stage == APPROACH_OPENING ||
               approach_is_before_greeting(&upstream->approach)) &&
           deadline_is_set(&upstream->try_deadline);
}

static void judge(struct upstream *upstream, enum upstream_expiry expiry)
{
    bool is_over = false;

    switch (expiry) {
    case EXPIRY_NONE:
        break;
    case EXPIRY_TRY:
        is_over = !has_more_time(upstream);
        break;
    case EXPIRY_ALL:
        is_over = !outlasts_deadline(upstream);
        break;
    }
    if (is_over)
        approach_expire(&upstream->approach);
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
    log_text(&line, "id", upstream->client.id);
    log_number(&line, "n", upstream->tries);
    log_server(upstream, &line);
    log_text(&line, "why", slice_from(standings[upstream->choice.standing]));
    log_write(&line);
}

unsigned upstream_begin_try(struct upstream *upstream)
{
    const struct route *route = upstream->route;
    const struct config_backend *backend = route->backend;
    struct approach_plan plan = {.opening = &route->opening,
        .client = &upstream->identity,
        .implicit_tls = backend->tls == BACKEND_TLS_IMPLICIT,
        .tls = route->tls,
        .tls_name = backend->tls_name ? backend->tls_name : upstream->host,
        .keepalive_s = route->keepalive_s,
        .leaves_hello = upstream->leaves_hello,
        .keeps_greeting = true,
        .write_header = upstream_wants_header(upstream) ? write_header : NULL,
        .owner = upstream,
        .on_event = upstream->on_event,
        .event_owner = upstream->owner};

    upstream->tries++;
    upstream->try_began_ms = now_ms(upstream);
    if (log_is_on(LOG_DEBUG))
        trace_try(upstream);
    if (!backend->tls_name &&
        !pool_host_of(pool_of(upstream), upstream->choice.name, upstream->host)) {
        log_failure(upstream, "no longer configured");
        return leave(upstream);
    }
    upstream->expiry = EXPIRY_NONE;
    upstream_set_identity(upstream);
    approach_start(&upstream->approach, upstream->engine, &plan, &upstream->choice.address,
        upstream->leg, upstream->input);
    set_stage_deadline(upstream);
    return UPSTREAM_WAIT;
}

unsigned upstream_run_try(struct upstream *upstream)
{
    enum upstream_expiry expiry = upstream->expiry;
    bool was_up = upstream->leg->handshaken;
    enum approach_result result;

    upstream->expiry = EXPIRY_NONE;
    judge(upstream, expiry);
    result = approach_step(&upstream->approach);
    if (log_is_on(LOG_DEBUG) && upstream->leg->handshaken && !was_up)
        tls_info_trace(upstream->leg, upstream->client.id, "server");
    switch (result) {
    case APPROACH_WAITS:
        if (is_stage_over(upstream))
            set_stage_deadline(upstream);
        break;
    case APPROACH_READY:
        upstream->greeting = upstream->approach.opening.greeting;
        upstream->greeting_len = upstream->approach.greeting_len;
        return UPSTREAM_READY;
    case APPROACH_FAILED:
        return fail(upstream, expiry);
    }
    return UPSTREAM_WAIT;
}
