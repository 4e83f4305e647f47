/* A probe's life, its connection and TLS; what is said on it is in probe_talk.c. */
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

void probe_note_failure(struct probe *probe, enum probe_failure failure, const char *why)
{
    struct probe_result *result = &probe->result;

    result->failure = failure;
    result->step = probe->opening.step;
    (void)snprintf(result->why, sizeof(result->why), "%s", why);
}

/* It cannot be spoken to any more. After our goodbye that says nothing about the server. */
void probe_fail(struct probe *probe, enum probe_failure failure, const char *why)
{
    if (probe->phase < PROBE_QUITTING)
        probe_note_failure(probe, failure, why);
    probe->phase = PROBE_OVER;
}

void probe_fail_leg(struct probe *probe, enum probe_failure failure, const char *what)
{
    char why[LEG_WHY_MAX];

    probe_fail(probe, failure, leg_why(&probe->leg, what, why));
}

static void close_all(struct probe *probe)
{
    deadline_clear(&probe->engine->deadlines, &probe->deadline);
    if (probe->leg.ops)
        stream_close(&probe->leg, false);
    buffer_give(&probe->engine->replies, &probe->input);
    buffer_give(&probe->engine->lines, &probe->output);
}

static void end(struct probe *probe)
{
    probe_done *on_done = probe->on_done;

    close_all(probe);
    probe->result.words = buffer_held(&probe->capabilities);
    probe->on_done = NULL;
    on_done(probe->owner, probe);
}

/* ---- What is said to it ---- */

bool probe_wait(struct probe *probe, bool for_output)
{
    leg_wait(probe->engine, &probe->leg, &probe->input, &probe->output, for_output);
    return false;
}

bool probe_reserve_output(struct probe *probe)
{
    if (leg_reserve_output(probe->engine, &probe->output))
        return true;
    probe_fail(probe, PROBE_NO_MEANS, "out of memory");
    return false;
}

void probe_start_tls(struct probe *probe)
{
    if (stream_start_tls_client(&probe->leg, probe->plan.tls, probe->plan.tls_name) != IO_OK)
        probe_fail_leg(probe, PROBE_NO_MEANS, "TLS cannot begin");
    else
        probe->phase = PROBE_HANDSHAKE;
}

/* ---- Connecting ---- */

/*
 * Version 1 has no LOCAL, and Postfix takes its UNKNOWN for a mistake: there the header names the
 * ends of this connection, which are those that LOCAL would leave it.
 */
static bool write_header(struct probe *probe)
{
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
    return proxy_header_write(&header, probe->output);
}

/* The header, if any, is out. */
static void begin(struct probe *probe)
{
    if (probe->plan.connects_only)
        probe->phase = PROBE_OVER;
    else if (probe->plan.implicit_tls)
        probe_start_tls(probe);
    else
        probe->phase = PROBE_TALKING;
}

static bool run_connecting(struct probe *probe)
{
    struct wire *wire = probe->leg.wire;
    int failure;

    if (!(wire->ready & (unsigned)WIRE_WRITABLE))
        return false;
    failure = probe->engine->hooks->connected(wire);
    if (failure != 0) {
        probe_fail(probe, leg_lacks_means(failure) ? PROBE_NO_MEANS : PROBE_NO_CONNECTION,
            strerror(failure));
        return true;
    }
    wire->ready |= (unsigned)WIRE_READABLE; /* worth a try: the greeting may be there */
    if (probe->plan.header == 0) {
        begin(probe);
        return true;
    }
    if (!probe_reserve_output(probe))
        return true;
    if (write_header(probe))
        probe->phase = PROBE_HEADER;
    else
        probe_fail(probe, PROBE_NO_MEANS, "the PROXY header cannot be written");
    return true;
}

static bool run_header(struct probe *probe)
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return probe_wait(probe, true);
    if (status == IO_OK)
        begin(probe);
    else
        probe_fail_leg(probe, PROBE_CLOSED, "it did not take the PROXY header");
    return true;
}

/* ---- TLS ---- */

static void note_tls(struct probe *probe)
{
    struct probe_result *result = &probe->result;
    struct tls_info info;

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

static enum probe_failure tls_failure(const struct probe *probe)
{
    if (probe->result.tls_state == TLS_PEER_UNVERIFIED)
        return PROBE_CERTIFICATE;
    return probe->leg.failure == STREAM_NOT_TLS ? PROBE_IN_CLEAR : PROBE_NO_TLS;
}

static bool run_handshake(struct probe *probe)
{
    enum io status = leg_handshake(&probe->leg);

    if (status == IO_AGAIN)
        return false;
    note_tls(probe);
    if (status != IO_OK) {
        probe_fail_leg(probe, tls_failure(probe), "TLS failed");
        return true;
    }
    if (probe->opening.step == OPENING_AT_HANDSHAKE) {
        if (!probe_reserve_output(probe))
            return true;
        opening_tls_started(&probe->opening, probe->output);
    }
    probe->phase = PROBE_TALKING;
    return true;
}

/* ---- The whole ---- */

static void fail_late(struct probe *probe)
{
    switch (probe->phase) {
    case PROBE_CONNECTING:
        probe_fail(probe, PROBE_NO_CONNECTION, "timed out connecting");
        break;
    case PROBE_HEADER:
        probe_fail(probe, PROBE_SILENT, "it did not take the PROXY header in time");
        break;
    case PROBE_HANDSHAKE:
        probe_fail(probe, PROBE_SILENT, "no TLS handshake in time");
        break;
    case PROBE_TALKING:
    case PROBE_ASKING:
        probe_fail(probe, PROBE_SILENT,
            probe->opening.step == OPENING_AT_GREETING ? "no greeting in time"
                                                       : "no answer in time");
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
    case PROBE_CONNECTING:
        return run_connecting(probe);
    case PROBE_HEADER:
        return run_header(probe);
    case PROBE_HANDSHAKE:
        return run_handshake(probe);
    case PROBE_TALKING:
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
        fail_late(probe);
    while (run(probe))
        continue;
    if (probe->phase == PROBE_OVER)
        end(probe);
}

void probe_start(struct probe *probe, struct engine *engine, const struct probe_plan *plan,
    const struct address *address, probe_done *on_done, void *owner)
{
    uint64_t now_ms = uv_now(engine->loop);
    int failure = 0;
    struct wire *wire;

    *probe = (struct probe){
        .engine = engine, .plan = *plan, .address = *address, .on_done = on_done, .owner = owner};
    buffer_init(
        &probe->capabilities, probe->capabilities_memory, sizeof(probe->capabilities_memory));
    opening_init(&probe->opening, &probe->plan.opening, plan->client, &probe->capabilities);
    deadline_init(&probe->deadline, on_deadline);
    wire = engine->hooks->connect(engine, address, 0, &failure);
    if (wire) {
        wire->on_event = on_event;
        wire->owner = probe;
        stream_open(&probe->leg, &engine->streams, wire);
        wire_watch(wire, WIRE_WRITABLE);
        now_ms += plan->timeout_ms;
    } else {
        probe_fail(probe, leg_lacks_means(failure) ? PROBE_NO_MEANS : PROBE_NO_CONNECTION,
            strerror(failure));
    }
    /* Who has failed already is told so in a turn of its own. */
    deadline_set(&engine->deadlines, &probe->deadline, CLASS_CONNECT, now_ms);
}

void probe_stop(struct probe *probe)
{
    if (!probe->on_done)
        return;
    probe->on_done = NULL;
    close_all(probe);
}
