/*
 * From a connected server to one that is ready for a session: TLS, and the opening. Whatever fails
 * ends this try, with its reason in one log line; nothing goes on with less than was asked for.
 */
#include "upstream_parts.h"

#include "leg.h"
#include "tls_info.h"

static const struct config_timeouts *timeouts(const struct upstream *upstream)
{
    return &upstream->service->config->timeouts;
}

static const struct config_backend *backend(const struct upstream *upstream)
{
    return upstream->service->backend;
}

void upstream_drop_opening(struct upstream *upstream)
{
    buffer_give(&upstream->engine->replies, &upstream->greeted);
    buffer_give(&upstream->engine->lines, &upstream->output);
}

static bool is_late(const struct upstream *upstream)
{
    return upstream->late || upstream->try_failed;
}

/*
 * From then on it may keep this client waiting, or turn it away, by rules of its own, and serve
 * others well: nobody must be able to mark a server down for all.
 */
static bool knows_client(const struct upstream *upstream)
{
    return upstream_wants_header(upstream) || upstream->opening.step == OPENING_AT_IDENTITY;
}

/* Ends a try for which the server is to blame, if not the client. */
static void fail_unless_client(struct upstream *upstream, const char *why)
{
    if (knows_client(upstream))
        upstream_abandon(upstream, why);
    else
        upstream_fail(upstream, why);
}

static void fail_late_unless_client(struct upstream *upstream, const char *why)
{
    if (knows_client(upstream))
        upstream_abandon(upstream, why);
    else
        upstream_fail_late(upstream, why);
}

/* Takes a buffer for what the opening says next, where there is none. */
static bool reserve_output(struct upstream *upstream)
{
    if (leg_reserve_output(upstream->engine, &upstream->output))
        return true;
    upstream_abandon(upstream, "out of memory");
    return false;
}

static enum io flush(struct upstream *upstream)
{
    return leg_flush(upstream->engine, upstream->leg, &upstream->output);
}

static bool wait(struct upstream *upstream, bool for_output)
{
    leg_wait(upstream->engine, upstream->leg, upstream->input, &upstream->output, for_output);
    return false;
}

/* ---- TLS ---- */

static void start_tls(struct upstream *upstream)
{
    const char *name = backend(upstream)->tls_name;
    char host[POOL_NAME_MAX];

    if (!name) {
        if (!pool_host_of(upstream->service->pool, upstream->choice.name, host)) {
            upstream_abandon(upstream, "no longer configured");
            return;
        }
        name = host;
    }

    if (stream_start_tls_client(upstream->leg, upstream->service->server_tls, name) != IO_OK) {
        upstream_abandon(upstream, "TLS cannot begin");
        return;
    }
    upstream_set_deadline(
        upstream, &upstream->try_deadline, CLASS_HANDSHAKE, timeouts(upstream)->handshake);
    upstream->phase = UPSTREAM_HANDSHAKE;
}

static void begin_opening(struct upstream *upstream)
{
    upstream_set_deadline(
        upstream, &upstream->try_deadline, CLASS_GREETING, timeouts(upstream)->greeting);
    upstream->phase = UPSTREAM_GREETING;
}

static void begin_tls_or_opening(struct upstream *upstream)
{
    if (backend(upstream)->tls == BACKEND_TLS_IMPLICIT)
        start_tls(upstream);
    else
        begin_opening(upstream);
}

/* ---- The PROXY header ---- */

void upstream_open_leg(struct upstream *upstream)
{
    upstream_set_identity(upstream);
    opening_init(&upstream->opening, &upstream->service->opening, &upstream->identity, NULL);
    if (!upstream_wants_header(upstream)) {
        begin_tls_or_opening(upstream);
        return;
    }
    if (!reserve_output(upstream))
        return;
    if (!upstream_write_header(upstream, upstream->output)) {
        upstream_abandon(upstream, "the PROXY header cannot be written");
        return;
    }
    upstream_set_deadline(
        upstream, &upstream->try_deadline, CLASS_GREETING, timeouts(upstream)->greeting);
    upstream->phase = UPSTREAM_HEADER;
}

bool upstream_run_header(struct upstream *upstream)
{
    char why[LEG_WHY_MAX];

    if (is_late(upstream)) {
        upstream_fail_late(upstream, "it did not take the PROXY header in time");
        return true;
    }
    switch (flush(upstream)) {
    case IO_AGAIN:
        return wait(upstream, true);
    case IO_OK:
        begin_tls_or_opening(upstream);
        break;
    case IO_EOF:
    case IO_ERR:
        upstream_fail(upstream, leg_why(upstream->leg, "it did not take the PROXY header", why));
        break;
    }
    return true;
}

/* ---- The handshake ---- */

/* A certificate is bad for everybody. */
static void fail_handshake(struct upstream *upstream)
{
    struct tls_info info;
    char why[LEG_WHY_MAX];

    (void)stream_tls_info(upstream->leg, &info);
    (void)leg_why(upstream->leg, "TLS failed", why);
    if (info.peer == TLS_PEER_UNVERIFIED)
        upstream_fail(upstream, why);
    else
        fail_unless_client(upstream, why);
}

bool upstream_run_handshake(struct upstream *upstream)
{
    enum io status;

    if (is_late(upstream)) {
        fail_late_unless_client(upstream, "no TLS handshake in time");
        return true;
    }
    status = leg_handshake(upstream->leg);
    if (status == IO_AGAIN)
        return false;
    if (status != IO_OK) {
        fail_handshake(upstream);
        return true;
    }
    if (upstream->opening.step == OPENING_AT_HANDSHAKE) {
        if (!reserve_output(upstream))
            return true;
        opening_tls_started(&upstream->opening, upstream->output);
    }
    begin_opening(upstream);
    return true;
}

/* ---- What we say, and what we hear ---- */

/* The refused greeting is kept; the one before it, if any, goes. */
static void keep_refusal(struct upstream *upstream, size_t used)
{
    buffer_give(&upstream->engine->replies, &upstream->refusal);
    upstream->refusal = *upstream->input;
    *upstream->input = NULL;
    upstream->greeting_len = used;
    upstream_abandon(upstream, opening_failure_text(OPENING_GREETING_REFUSED));
}

/* Words that depend on the client, where the server has heard of it, must not mark the server. */
static bool is_servers_fault(enum opening_failure failure)
{
    switch (failure) {
    case OPENING_WRONG_PROTOCOL:
    case OPENING_TOO_LARGE:
    case OPENING_PREAUTHENTICATED:
    case OPENING_STRANGE_ANSWER:
    case OPENING_NO_STARTTLS:
    case OPENING_STARTTLS_REFUSED:
    case OPENING_INJECTED:
    case OPENING_NO_XCLIENT:
        return true;
    case OPENING_FINE:
    case OPENING_GREETING_REFUSED:
    case OPENING_FAREWELL:
    case OPENING_HELLO_REFUSED:
    case OPENING_IDENTITY_REFUSED:
        break;
    }
    return false;
}

/* What a server says in clear where TLS was asked for is nobody's word: it goes no further. */
static void fail(struct upstream *upstream, size_t used)
{
    enum opening_failure failure = upstream->opening.failure;

    if (failure == OPENING_GREETING_REFUSED && !upstream->service->opening.starttls)
        keep_refusal(upstream, used);
    else if (is_servers_fault(failure))
        upstream_fail(upstream, opening_failure_text(failure));
    else
        upstream_abandon(upstream, opening_failure_text(failure));
}

/* The opening goes on behind the greeting, which the client is to have later. */
static bool keep_greeting(struct upstream *upstream, size_t used)
{
    if (upstream->service->opening.starttls)
        return true;
    upstream->greeted = buffer_take(&upstream->engine->replies);
    return upstream->greeted &&
           buffer_append(upstream->greeted, slice_of(buffer_held(*upstream->input).p, used));
}

static bool write_own_greeting(struct upstream *upstream)
{
    upstream->greeted = buffer_take(&upstream->engine->replies);
    return upstream->greeted && opening_write_greeting(upstream->service->protocol,
                                    upstream->service->opening.hostname, upstream->greeted);
}

/* The greeting to the start of the input, in front of what came behind it. */
static bool put_greeting_back(struct upstream *upstream)
{
    size_t greeting_len = buffer_held(upstream->greeted).n;

    if (!buffer_append(upstream->greeted, buffer_held(*upstream->input)))
        return false;
    upstream->greeting_len = greeting_len; /* until here it is that of a refusal that is kept */
    buffer_give(&upstream->engine->replies, upstream->input);
    *upstream->input = upstream->greeted;
    upstream->greeted = NULL;
    return true;
}

static void finish(struct upstream *upstream, const struct opening_turn *turn)
{
    upstream->greeting = upstream->opening.greeting;
    if (turn->is_greeting) {
        upstream->greeting_len = turn->used;
    } else {
        buffer_consume(*upstream->input, turn->used);
        if ((!upstream->greeted && !write_own_greeting(upstream)) || !put_greeting_back(upstream)) {
            upstream_abandon(upstream, "out of memory");
            return;
        }
    }
    upstream_drop_opening(upstream);
    upstream->phase = UPSTREAM_OVER;
}

/* Does what the opening asks for. False: it wants more bytes. */
static bool obey(struct upstream *upstream, const struct opening_turn *turn)
{
    switch (turn->next) {
    case OPENING_MORE:
        return false;
    case OPENING_GO_ON:
        if (turn->is_greeting && !keep_greeting(upstream, turn->used))
            upstream_abandon(upstream, "out of memory");
        else
            buffer_consume(*upstream->input, turn->used);
        break;
    case OPENING_START_TLS:
        buffer_consume(*upstream->input, turn->used);
        start_tls(upstream);
        break;
    case OPENING_READY:
        finish(upstream, turn);
        break;
    case OPENING_FAILED:
        fail(upstream, turn->used);
        break;
    }
    return true;
}

static void fail_silent(struct upstream *upstream)
{
    fail_late_unless_client(upstream, upstream->opening.step == OPENING_AT_GREETING
                                          ? "no greeting in time"
                                          : "no answer in time");
}

static void fail_closed(struct upstream *upstream)
{
    char why[LEG_WHY_MAX];

    if (upstream->opening.step == OPENING_AT_GREETING && !upstream->leg->handshaken)
        fail_unless_client(upstream, "closed before its greeting");
    else
        fail_unless_client(upstream, leg_why(upstream->leg, "closed before a session began", why));
}

bool upstream_run_opening(struct upstream *upstream)
{
    if (is_late(upstream)) {
        fail_silent(upstream);
        return true;
    }
    while (upstream->phase == UPSTREAM_GREETING) {
        struct opening_turn turn;
        enum io status = flush(upstream);

        if (status == IO_AGAIN)
            return wait(upstream, true);
        if (status == IO_OK) {
            if (!reserve_output(upstream))
                return true;
            turn =
                opening_feed(&upstream->opening, buffer_held(*upstream->input), upstream->output);
            if (obey(upstream, &turn))
                continue;
            status = leg_read(upstream->engine, upstream->leg, upstream->input);
            if (!*upstream->input) {
                upstream_abandon(upstream, "out of memory");
                return true;
            }
        }
        if (status == IO_AGAIN)
            return wait(upstream, false);
        if (status != IO_OK)
            fail_closed(upstream);
    }
    return true;
}
