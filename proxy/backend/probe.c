/* A probe's life and its approach; what is said behind that is in probe_talk.c. */
#include "probe_parts.h"

#include "mailmux/proxy_header.h"
#include <stdio.h>
#include <string.h>

static void step(struct probe *probe);

static void on_event(void *owner, struct wire *wire, unsigned events)
{
    (void)wire;
    (void)events;
    step(owner);
}

static void on_deadline(struct deadline *deadline)
{
    struct probe *probe = LIST_ENTRY(deadline, struct probe, deadline);

    probe->is_late = true;
    step(probe);
}

/* ---- How it ends ---- */

static void note(struct probe *probe, enum opening_failure failure, const char *why)
{
    struct probe_result *result = &probe->result;

    result->failure = failure;
    (void)snprintf(result->why, sizeof(result->why), "%s", why);
}

void probe_note_failure(struct probe *probe, enum opening_failure failure)
{
    note(probe, failure, opening_verdict(failure)->text);
}

void probe_fail_because(struct probe *probe, enum opening_failure failure, const char *why)
{
    if (probe->phase < PROBE_QUITTING)
        note(probe, failure, why);
    probe->phase = PROBE_OVER;
}

void probe_fail(struct probe *probe, enum opening_failure failure)
{
    probe_fail_because(probe, failure, opening_verdict(failure)->text);
}

static void close_all(struct probe *probe)
{
    deadline_clear(&probe->engine->deadlines, &probe->deadline);
    if (probe->leg.ops)
        stream_close(&probe->leg, false);
    buffer_give(&probe->engine->replies, &probe->input);
    buffer_give(&probe->engine->lines, &probe->output);
    approach_drop(&probe->approach);
}

static void end(struct probe *probe)
{
    probe_done *on_done = probe->on_done;

    close_all(probe);
    probe->result.words = buffer_held(&probe->capabilities);
    probe->on_done = NULL;
    on_done(probe->owner, probe);
}

/* ---- The approach ---- */

/*
 * Version 1 has no LOCAL, and Postfix takes its UNKNOWN for a mistake: there the header names the
 * ends of this connection, which are those that LOCAL would leave it.
 */
static bool write_header(void *owner, struct buffer *out)
{
    struct probe *probe = owner;
    const struct opening_client *client = probe->plan.client;
    const struct engine_hooks *using = probe->engine->hooks;
    struct proxy_header header = {.version = probe->plan.header, .command = PROXY_HEADER_LOCAL};

    if (client) {
        header.command = PROXY_HEADER_PROXY;
        header.has_addresses = true;
        header.source = client->source;
        header.destination = client->destination;
    } else if (header.version == 1 && using->local_address) {
        header.has_addresses = using->local_address(probe->leg.wire, &header.source);
        header.destination = probe->address;
    }
    return proxy_header_write(&header, out);
}

static void note_tls(struct probe *probe)
{
    struct probe_result *result = &probe->result;
    struct tls_info info;

    if (!probe->leg.ops)
        return;
    (void)stream_tls_info(&probe->leg, &info);
    result->has_tls = probe->leg.handshaken;
    result->has_certificate = result->has_tls && info.peer != TLS_PEER_UNKNOWN;
    result->tls_state = info.peer;
    result->tls_fault = info.peer_fault;
    result->tls_seconds = info.peer_seconds;
    (void)snprintf(
        result->tls_version, sizeof(result->tls_version), "%s", info.version ? info.version : "");
    (void)snprintf(result->tls_peer, sizeof(result->tls_peer), "%s", info.peer_name);
}

static void take_failure(struct probe *probe)
{
    const struct approach *approach = &probe->approach;

    probe->result.step = approach->step;
    switch (opening_verdict(approach->failure)->trouble) {
    case TROUBLE_MISUNDERSTANDING:
    case TROUBLE_WORDS:
        probe_fail_opening(probe);
        break;
    case TROUBLE_NONE:
    case TROUBLE_OURS:
    case TROUBLE_NO_CONNECTION:
    case TROUBLE_NO_WORD:
    case TROUBLE_TLS:
    case TROUBLE_CERTIFICATE:
        probe_fail_because(probe, approach->failure, approach->why);
        break;
    }
}

static bool run_approach(struct probe *probe)
{
    switch (approach_step(&probe->approach)) {
    case APPROACH_WAITS:
        return false;
    case APPROACH_READY:
        note_tls(probe);
        if (probe->plan.connects_only)
            probe->phase = PROBE_OVER;
        else
            probe_reach(probe);
        break;
    case APPROACH_FAILED:
        note_tls(probe);
        take_failure(probe);
        break;
    }
    return true;
}

/* ---- The whole ---- */

static void be_late(struct probe *probe)
{
    switch (probe->phase) {
    case PROBE_APPROACHING:
        approach_expire(&probe->approach);
        break;
    case PROBE_ASKING:
        probe_fail(probe, OPENING_ANSWER_TIMEOUT);
        break;
    case PROBE_QUITTING:
    case PROBE_LEAVING:
    case PROBE_OVER:
        probe->phase = PROBE_OVER;
        break;
    }
}

/* False: it must wait, or is over. */
static bool run(struct probe *probe)
{
    switch (probe->phase) {
    case PROBE_APPROACHING:
        return run_approach(probe);
    case PROBE_ASKING:
    case PROBE_QUITTING:
        return probe_run_talking(probe);
    case PROBE_LEAVING:
        return probe_run_leaving(probe);
    case PROBE_OVER:
        break;
    }
    return false;
}

static void step(struct probe *probe)
{
    if (probe->is_late)
        be_late(probe);
    while (run(probe))
        continue;
    if (probe->phase == PROBE_OVER)
        end(probe);
}

void probe_start(struct probe *probe, struct engine *engine, const struct probe_plan *plan,
    const struct address *address, probe_done *on_done, void *owner)
{
    struct approach_plan approach;
    uint64_t now_ms = uv_now(engine->loop);

    *probe = (struct probe){
        .engine = engine, .plan = *plan, .address = *address, .on_done = on_done, .owner = owner};
    buffer_init(
        &probe->capabilities, probe->capabilities_memory, sizeof(probe->capabilities_memory));
    deadline_init(&probe->deadline, on_deadline);
    approach = (struct approach_plan){.opening = &probe->plan.opening,
        .client = plan->client,
        .capabilities = &probe->capabilities,
        .connects_only = plan->connects_only,
        .implicit_tls = plan->implicit_tls,
        .tls = plan->tls,
        .tls_name = plan->tls_name,
        .write_header = plan->header != 0 ? write_header : NULL,
        .heard = probe_hear,
        .owner = probe,
        .on_event = on_event,
        .event_owner = probe};
    approach_start(&probe->approach, engine, &approach, address, &probe->leg, &probe->input);
    /* A failure at once is reported in a turn of its own. */
    deadline_set(&engine->deadlines, &probe->deadline, CLASS_CONNECT,
        probe->leg.ops ? now_ms + plan->timeout_ms : now_ms);
}

void probe_stop(struct probe *probe)
{
    if (!probe->on_done)
        return;
    probe->on_done = NULL;
    close_all(probe);
}
