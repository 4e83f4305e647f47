/*
 * From an address to a server that is ready. Any failure ends the approach. Each run_* function
 * returns true if there is more to do at once, and false if it waits.
 */
#include "approach.h"

#include "tls_info.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- How it fails ---- */

/* Goes to another stage. How long each one lasts is kept for the log. */
static void enter(struct approach *approach, enum approach_stage stage)
{
    uint64_t now_ms = uv_now(approach->engine->loop);

    approach->spent_ms[approach->stage] += now_ms - approach->since_ms;
    approach->since_ms = now_ms;
    approach->stage = stage;
}

static void fail_because(struct approach *approach, enum opening_failure failure, const char *why)
{
    approach->failure = failure;
    enter(approach, APPROACH_OVER);
    (void)snprintf(approach->why, sizeof(approach->why), "%s", why);
}

static void fail(struct approach *approach, enum opening_failure failure)
{
    fail_because(approach, failure, opening_verdict(failure)->text);
}

/* Fails with the library's words behind ours. */
static void fail_leg(struct approach *approach, enum opening_failure failure)
{
    char why[LEG_WHY_MAX];

    fail_because(approach, failure, leg_why(approach->leg, opening_verdict(failure)->text, why));
}

static void fail_connecting(struct approach *approach, int error)
{
    fail_because(approach, leg_lacks_means(error) ? OPENING_NO_MEANS : OPENING_NOT_CONNECTED,
        strerror(error));
}

void approach_expire(struct approach *approach)
{
    switch (approach->stage) {
    case APPROACH_CONNECTING:
        fail(approach, OPENING_CONNECT_TIMEOUT);
        break;
    case APPROACH_HEADER:
        fail(approach, OPENING_HEADER_TIMEOUT);
        break;
    case APPROACH_HANDSHAKE:
        fail(approach, OPENING_TLS_TIMEOUT);
        break;
    case APPROACH_OPENING:
        approach->step = approach->opening.step;
        fail(approach, approach->step == OPENING_AT_GREETING ? OPENING_GREETING_TIMEOUT
                                                             : OPENING_ANSWER_TIMEOUT);
        break;
    case APPROACH_OVER:
        break;
    }
}

void approach_leave_slow(struct approach *approach)
{
    fail(approach, OPENING_SLOW_GREETING);
}

bool approach_is_before_greeting(const struct approach *approach)
{
    return approach->opening.step == OPENING_AT_GREETING &&
           (approach->stage == APPROACH_OPENING || approach->stage == APPROACH_HANDSHAKE);
}

bool approach_waits_for_greeting(const struct approach *approach)
{
    return approach_is_before_greeting(approach) &&
           (approach->stage == APPROACH_HANDSHAKE ? stream_received(approach->leg) == 0
                                                  : buffer_held(*approach->input).n == 0);
}

/* ---- What it holds ---- */

void approach_drop(struct approach *approach)
{
    if (!approach->engine)
        return; /* it was never started */
    buffer_give(&approach->engine->replies, &approach->greeted);
    buffer_give(&approach->engine->lines, &approach->output);
}

static bool reserve_output(struct approach *approach)
{
    if (leg_reserve_output(approach->engine, &approach->output))
        return true;
    fail(approach, OPENING_NO_MEANS);
    return false;
}

static bool wait(struct approach *approach, bool for_output)
{
    leg_wait(approach->engine, approach->leg, approach->input, &approach->output, for_output);
    return false;
}

/* ---- Connecting ---- */

void approach_start(struct approach *approach, struct engine *engine,
    const struct approach_plan *plan, const struct address *to, struct stream *leg,
    struct buffer **input)
{
    int error = 0;
    struct wire *wire;

    *approach = (struct approach){.engine = engine,
        .plan = *plan,
        .to = to,
        .leg = leg,
        .input = input,
        .since_ms = uv_now(engine->loop)};
    opening_init(&approach->opening, plan->opening, plan->client, plan->capabilities);
    approach->opening.leaves_hello = plan->leaves_hello;
    wire = engine->hooks->connect(engine, to, plan->keepalive_s, &error);
    if (!wire) {
        fail_connecting(approach, error);
        return;
    }
    stream_open(leg, &engine->streams, wire, plan->on_event, plan->event_owner);
    stream_watch(leg, WIRE_WRITABLE);
}

static void start_tls(struct approach *approach)
{
    const struct approach_plan *plan = &approach->plan;

    if (stream_start_tls_client(approach->leg, plan->tls, plan->tls_name,
            plan->resumes_tls ? approach->to : NULL) != IO_OK)
        fail_because(approach, OPENING_NO_MEANS, "TLS cannot begin");
    else
        enter(approach, APPROACH_HANDSHAKE);
}

/* After the PROXY header, if there is one. */
static void begin_tls_or_opening(struct approach *approach)
{
    if (approach->plan.opening->goal == OPENING_CONNECT)
        enter(approach, APPROACH_OVER);
    else if (approach->plan.implicit_tls)
        start_tls(approach);
    else
        enter(approach, APPROACH_OPENING);
}

/*
 * Returns whether the connection was made and then reset. What the server said before that may
 * still be read.
 */
static bool was_connected(int error)
{
    return error == ECONNRESET || error == EPIPE;
}

/*
 * A connection that was reset at once still goes on to the opening, where its last words are read.
 * With OPENING_CONNECT nothing would be read, so it fails here.
 */
static bool run_connecting(struct approach *approach)
{
    enum io status = stream_connected(approach->leg);
    int error = stream_error(approach->leg);

    if (status == IO_AGAIN)
        return false;
    if (status != IO_OK &&
        (!was_connected(error) || approach->plan.opening->goal == OPENING_CONNECT)) {
        fail_connecting(approach, error);
        return true;
    }
    if (!approach->plan.write_header) {
        begin_tls_or_opening(approach);
        return true;
    }
    if (!reserve_output(approach))
        return true;
    if (approach->plan.write_header(approach->plan.owner, approach->output))
        enter(approach, APPROACH_HEADER);
    else
        fail_because(approach, OPENING_NO_MEANS, "the PROXY header cannot be written");
    return true;
}

static bool run_header(struct approach *approach)
{
    switch (leg_flush(approach->engine, approach->leg, &approach->output)) {
    case IO_AGAIN:
        return wait(approach, true);
    case IO_OK:
        begin_tls_or_opening(approach);
        break;
    case IO_EOF:
    case IO_ERR:
        buffer_clear(approach->output);
        approach->header_lost = true;
        if (approach->plan.opening->goal == OPENING_CONNECT)
            fail_leg(approach, OPENING_HEADER_LOST);
        else
            begin_tls_or_opening(approach); /* the server may have said why */
        break;
    }
    return true;
}

/* ---- TLS ---- */

static enum opening_failure why_tls_failed(const struct approach *approach)
{
    struct tls_info info;

    (void)stream_tls_info(approach->leg, &info);
    if (info.peer == TLS_PEER_UNVERIFIED)
        return OPENING_CERTIFICATE;
    return approach->leg->failure == STREAM_NOT_TLS ? OPENING_TLS_IN_CLEAR : OPENING_TLS_FAILED;
}

static bool run_handshake(struct approach *approach)
{
    enum io status = leg_handshake(approach->leg);

    if (status == IO_AGAIN)
        return false;
    if (status != IO_OK) {
        fail_leg(approach, why_tls_failed(approach));
        return true;
    }
    /* After STARTTLS the hello is said again. With implicit TLS the greeting is still to come. */
    if (approach->opening.step == OPENING_AT_HANDSHAKE) {
        if (!reserve_output(approach))
            return true;
        opening_tls_started(&approach->opening, approach->output);
    }
    enter(approach, APPROACH_OPENING);
    return true;
}

/* ---- The opening ---- */

/* Replaces the input by the refusal alone, in the form in which a client reads it. */
static void keep_refusal(struct approach *approach, size_t used)
{
    struct slice said = slice_of(buffer_held(*approach->input).p, used);
    struct buffer *refusal = buffer_take(&approach->engine->replies);

    if (!refusal)
        return;
    if (!opening_write_refusal(&approach->opening, said, refusal)) {
        buffer_give(&approach->engine->replies, &refusal);
        return;
    }
    buffer_give(&approach->engine->replies, approach->input);
    *approach->input = refusal;
    approach->refusal_len = buffer_held(refusal).n;
}

static void fail_opening(struct approach *approach, size_t used)
{
    if (approach->plan.keeps_greeting && opening_is_refusal(&approach->opening))
        keep_refusal(approach, used);
    else
        buffer_consume(*approach->input, used);
    fail(approach, approach->opening.failure);
}

/* Keeps the greeting for the client, while the opening goes on. Returns false without memory. */
static bool keep_greeting(struct approach *approach, size_t used)
{
    bool is_in_clear = approach->plan.opening->starttls && !approach->opening.tls;

    if (!approach->plan.keeps_greeting || is_in_clear)
        return true;
    approach->greeted = buffer_take(&approach->engine->replies);
    return approach->greeted &&
           buffer_append(approach->greeted, slice_of(buffer_held(*approach->input).p, used));
}

/*
 * Makes a greeting of our own. If TLS began with STARTTLS, nothing that came in clear may reach the
 * client (C75).
 */
static bool write_own_greeting(struct approach *approach)
{
    const struct opening_plan *plan = approach->plan.opening;

    approach->greeted = buffer_take(&approach->engine->replies);
    return approach->greeted &&
           opening_write_greeting(plan->protocol, plan->hostname, approach->greeted);
}

/* Puts the greeting to the start of the input, in front of what came after it. */
static bool put_greeting_back(struct approach *approach)
{
    size_t greeting_len = buffer_held(approach->greeted).n;

    if (!buffer_append(approach->greeted, buffer_held(*approach->input)))
        return false;
    approach->greeting_len = greeting_len;
    buffer_give(&approach->engine->replies, approach->input);
    *approach->input = approach->greeted;
    approach->greeted = NULL;
    return true;
}

/*
 * The server is ready. If the last answer is the greeting it is in its place already; else the
 * greeting that was kept, or one of our own, goes in front of the input.
 */
static void finish(struct approach *approach, const struct opening_turn *turn)
{
    if (turn->is_greeting && approach->plan.keeps_greeting) {
        approach->greeting_len = turn->used;
    } else {
        if (turn->used > 0)
            buffer_consume(*approach->input, turn->used);
        if (approach->plan.keeps_greeting &&
            ((!approach->greeted && !write_own_greeting(approach)) ||
                !put_greeting_back(approach))) {
            fail(approach, OPENING_NO_MEANS);
            return;
        }
    }
    enter(approach, APPROACH_OVER);
}

/* Does what the opening asks for. Returns false if it wants more bytes. */
static bool obey(struct approach *approach, const struct opening_turn *turn)
{
    switch (turn->next) {
    case OPENING_MORE:
        return false;
    case OPENING_GO_ON:
        if (turn->is_greeting && !keep_greeting(approach, turn->used))
            fail(approach, OPENING_NO_MEANS);
        else
            buffer_consume(*approach->input, turn->used);
        break;
    case OPENING_START_TLS:
        buffer_consume(*approach->input, turn->used);
        start_tls(approach);
        break;
    case OPENING_READY:
        finish(approach, turn);
        break;
    case OPENING_FAILED:
        fail_opening(approach, turn->used);
        break;
    }
    return true;
}

static bool feed(struct approach *approach)
{
    struct slice in = buffer_held(*approach->input);
    enum opening_step step = approach->opening.step;
    struct opening_turn turn = opening_feed(&approach->opening, in, approach->output);

    approach->step = step;
    if (turn.next != OPENING_MORE && approach->plan.heard)
        approach->plan.heard(approach->plan.owner, step, in, &turn);
    return obey(approach, &turn);
}

/*
 * The server has ended in the middle of a line. If that line is a refusal, it can be understood in
 * one way only, so a line end is added and it is used. Any other half line of a server that is gone
 * is useless. A copy of the opening is asked first, because a feed cannot be taken back.
 */
static bool take_cut_refusal(struct approach *approach)
{
    struct opening trial = approach->opening;
    struct slice in = buffer_held(*approach->input);
    struct opening_turn turn;

    if (in.n == 0 || in.p[in.n - 1] == '\n' || !buffer_append(*approach->input, SLICE("\r\n")))
        return false;
    turn = opening_feed(&trial, buffer_held(*approach->input), approach->output);
    return turn.next == OPENING_FAILED && opening_verdict(trial.failure)->client_may_hear &&
           feed(approach);
}

static void fail_closed(struct approach *approach)
{
    approach->step = approach->opening.step;
    fail_leg(approach, approach->header_lost                   ? OPENING_HEADER_LOST
                       : approach->step == OPENING_AT_GREETING ? OPENING_MUTE
                                                               : OPENING_CLOSED);
}

static bool run_opening(struct approach *approach)
{
    enum io status = leg_flush(approach->engine, approach->leg, &approach->output);

    if (status == IO_AGAIN)
        return wait(approach, true);
    /* A failed write does not stop the reading: what the server said before still counts. */
    if (!reserve_output(approach) || feed(approach))
        return true;
    status = leg_read(approach->engine, approach->leg, approach->input);
    if (!*approach->input)
        fail(approach, OPENING_NO_MEANS);
    else if (status == IO_AGAIN)
        return wait(approach, false);
    else if (status != IO_OK && !take_cut_refusal(approach))
        fail_closed(approach);
    return true;
}

/* ---- The whole ---- */

static bool run(struct approach *approach)
{
    switch (approach->stage) {
    case APPROACH_CONNECTING:
        return run_connecting(approach);
    case APPROACH_HEADER:
        return run_header(approach);
    case APPROACH_HANDSHAKE:
        return run_handshake(approach);
    case APPROACH_OPENING:
        return run_opening(approach);
    case APPROACH_OVER:
        break;
    }
    return false;
}

enum approach_result approach_step(struct approach *approach)
{
    while (run(approach))
        continue;
    if (approach->stage != APPROACH_OVER)
        return APPROACH_WAITS;
    if (approach->failure == OPENING_FINE)
        approach_drop(approach);
    return approach->failure == OPENING_FINE ? APPROACH_READY : APPROACH_FAILED;
}
