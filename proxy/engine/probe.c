#include "probe.h"

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

static bool has_failed(const struct probe *probe)
{
    return probe->result.failure != PROBE_FINE;
}

static void note_failure(struct probe *probe, enum probe_failure failure, const char *why)
{
    struct probe_result *result = &probe->result;

    result->failure = failure;
    result->phase = probe->phase;
    result->step = probe->opening.step;
    (void)snprintf(result->why, sizeof(result->why), "%s", why);
}

/* It cannot be spoken to any more. After our goodbye that says nothing about the server. */
static void fail(struct probe *probe, enum probe_failure failure, const char *why)
{
    if (probe->phase < PROBE_QUITTING)
        note_failure(probe, failure, why);
    probe->phase = PROBE_OVER;
}

static void fail_leg(struct probe *probe, enum probe_failure failure, const char *what)
{
    char why[LEG_WHY_MAX];

    fail(probe, failure, leg_why(&probe->leg, what, why));
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

static bool wait(struct probe *probe, bool for_output)
{
    leg_wait(probe->engine, &probe->leg, &probe->input, &probe->output, for_output);
    return false;
}

static bool reserve_output(struct probe *probe)
{
    if (leg_reserve_output(probe->engine, &probe->output))
        return true;
    fail(probe, PROBE_NO_MEANS, "out of memory");
    return false;
}

static void take_leave(struct probe *probe)
{
    if (!reserve_output(probe))
        return;
    opening_quit(&probe->opening, probe->output);
    probe->phase = PROBE_QUITTING;
}

static void start_tls(struct probe *probe)
{
    if (stream_start_tls_client(&probe->leg, probe->plan.tls, probe->plan.tls_name) != IO_OK)
        fail_leg(probe, PROBE_NO_MEANS, "TLS cannot begin");
    else
        probe->phase = PROBE_HANDSHAKE;
}

/* ---- Connecting ---- */

static bool write_header(struct probe *probe)
{
    const struct opening_client *client = probe->plan.client;
    struct proxy_header header = {.version = probe->plan.header, .command = PROXY_HEADER_LOCAL};

    if (client) {
        header.command = PROXY_HEADER_PROXY;
        header.has_addresses = true;
        header.source = client->source;
        header.destination = client->destination;
    }
    return proxy_header_write(&header, probe->output);
}

/* The header, if any, is out. */
static void begin(struct probe *probe)
{
    if (probe->plan.connects_only)
        probe->phase = PROBE_OVER;
    else if (probe->plan.implicit_tls)
        start_tls(probe);
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
        fail(probe, leg_lacks_means(failure) ? PROBE_NO_MEANS : PROBE_NO_CONNECTION,
            strerror(failure));
        return true;
    }
    wire->ready |= (unsigned)WIRE_READABLE; /* worth a try: the greeting may be there */
    if (probe->plan.header == 0) {
        begin(probe);
        return true;
    }
    if (!reserve_output(probe))
        return true;
    if (write_header(probe))
        probe->phase = PROBE_HEADER;
    else
        fail(probe, PROBE_NO_MEANS, "the PROXY header cannot be written");
    return true;
}

static bool run_header(struct probe *probe)
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return wait(probe, true);
    if (status == IO_OK)
        begin(probe);
    else
        fail_leg(probe, PROBE_CLOSED, "it did not take the PROXY header");
    return true;
}

/* ---- TLS ---- */

static void note_tls(struct probe *probe)
{
    struct probe_result *result = &probe->result;
    struct tls_info info;

    (void)stream_tls_info(&probe->leg, &info);
    result->has_tls = probe->leg.handshaken;
    result->has_certificate = info.peer != TLS_PEER_UNKNOWN;
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
        fail_leg(probe, tls_failure(probe), "TLS failed");
        return true;
    }
    if (probe->opening.step == OPENING_AT_HANDSHAKE) {
        if (!reserve_output(probe))
            return true;
        opening_tls_started(&probe->opening, probe->output);
    }
    probe->phase = PROBE_TALKING;
    return true;
}

/* ---- What it says ---- */

static struct slice keep_line(char memory[PROBE_LINE_MAX], struct slice text)
{
    size_t n = slice_find(text, '\n');

    while (n > 0 && text.p[n - 1] == '\r')
        n--;
    n = n < PROBE_LINE_MAX ? n : PROBE_LINE_MAX;
    memcpy(memory, text.p, n);
    return slice_of(memory, n);
}

static void note_failed_opening(struct probe *probe, enum opening_failure failure)
{
    probe->result.opening = failure;
    note_failure(probe, PROBE_OPENING, opening_failure_text(failure));
}

/* Its goal is reached, which includes what sessions need but the goal does not ask for. */
static void reach(struct probe *probe)
{
    const struct opening *opening = &probe->opening;
    struct probe_result *result = &probe->result;
    bool lacks_starttls = probe->plan.opening.starttls && !opening->tls &&
                          !(opening->offers & (unsigned)OPENING_OFFERS_STARTTLS);

    result->offers = opening->offers;
    result->knows_offers =
        probe->plan.opening.goal != OPENING_GREETING && opening->greeting == GREETING_READY;
    if (result->knows_offers && lacks_starttls)
        note_failed_opening(probe, OPENING_NO_STARTTLS);
    if (!has_failed(probe) && probe->plan.recipient) {
        relay_test_init(
            &probe->relay, probe->plan.opening.hostname, slice_from(probe->plan.recipient));
        probe->phase = PROBE_ASKING;
    } else {
        take_leave(probe);
    }
}

/* It has said no in so many words, so a goodbye has its place. */
static bool is_in_step(enum opening_failure failure)
{
    switch (failure) {
    case OPENING_GREETING_REFUSED:
    case OPENING_HELLO_REFUSED:
    case OPENING_NO_STARTTLS:
    case OPENING_STARTTLS_REFUSED:
    case OPENING_NO_XCLIENT:
    case OPENING_IDENTITY_REFUSED:
        return true;
    case OPENING_FINE:
    case OPENING_WRONG_PROTOCOL:
    case OPENING_TOO_LARGE:
    case OPENING_PREAUTHENTICATED:
    case OPENING_FAREWELL:
    case OPENING_STRANGE_ANSWER:
    case OPENING_INJECTED:
        break;
    }
    return false;
}

static void fail_opening(struct probe *probe, enum opening_step at)
{
    enum opening_failure failure = probe->opening.failure;

    note_failed_opening(probe, failure);
    probe->result.step = at;
    probe->result.offers = probe->opening.offers;
    probe->result.knows_offers =
        at > OPENING_AT_HELLO || failure == OPENING_NO_STARTTLS || failure == OPENING_NO_XCLIENT;
    if (is_in_step(failure))
        take_leave(probe);
    else
        probe->phase = PROBE_OVER;
}

/* Our end; then whatever it still says is heard, so that nothing is reset. */
static void say_end(struct probe *probe)
{
    stream_shutdown(&probe->leg, false);
    probe->phase = PROBE_LEAVING;
}

/* Both are false where more bytes are wanted. */
static bool feed_opening(struct probe *probe)
{
    struct slice in = buffer_held(probe->input);
    enum opening_step at = probe->opening.step;
    struct opening_turn turn = opening_feed(&probe->opening, in, probe->output);
    bool is_quitting = probe->phase == PROBE_QUITTING;

    if (turn.next == OPENING_MORE)
        return false;
    if (at == OPENING_AT_GREETING) {
        probe->result.first_word = keep_line(probe->first_memory, in);
        if (turn.is_greeting)
            probe->result.greeting = keep_line(probe->greeting_memory, slice_of(in.p, turn.used));
    }
    buffer_consume(probe->input, turn.used);
    if (turn.next == OPENING_START_TLS)
        start_tls(probe);
    else if (turn.next != OPENING_GO_ON && is_quitting)
        say_end(probe);
    else if (turn.next == OPENING_READY)
        reach(probe);
    else if (turn.next == OPENING_FAILED)
        fail_opening(probe, at);
    return true;
}

static bool feed_relay_test(struct probe *probe)
{
    size_t used;

    switch (relay_test_feed(&probe->relay, buffer_held(probe->input), probe->output, &used)) {
    case RELAY_TEST_MORE:
        return false;
    case RELAY_TEST_GO_ON:
        break;
    case RELAY_TEST_DONE:
        probe->result.relay = probe->relay.answer;
        take_leave(probe);
        break;
    case RELAY_TEST_BROKEN:
        note_failed_opening(probe, OPENING_WRONG_PROTOCOL);
        probe->phase = PROBE_OVER;
        break;
    }
    if (probe->input)
        buffer_consume(probe->input, used);
    return true;
}

static void fail_closed(struct probe *probe)
{
    bool is_mute = probe->opening.step == OPENING_AT_GREETING;

    fail_leg(probe, PROBE_CLOSED, is_mute ? "closed before its greeting" : "closed unexpectedly");
}

static bool run_talk(struct probe *probe, bool (*feed)(struct probe *probe))
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return wait(probe, true);
    if (status == IO_OK) {
        if (!reserve_output(probe) || feed(probe))
            return true;
        status = leg_read(probe->engine, &probe->leg, &probe->input);
        if (!probe->input) {
            fail(probe, PROBE_NO_MEANS, "out of memory");
            return true;
        }
    }
    if (status == IO_AGAIN)
        return wait(probe, false);
    if (status != IO_OK)
        fail_closed(probe);
    return true;
}

static bool run_leaving(struct probe *probe)
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return wait(probe, true);
    if (status == IO_OK)
        status = leg_read(probe->engine, &probe->leg, &probe->input);
    if (status == IO_AGAIN)
        return wait(probe, false);
    if (status == IO_OK)
        buffer_clear(probe->input);
    else
        probe->phase = PROBE_OVER;
    return true;
}

/* ---- The whole ---- */

static void fail_late(struct probe *probe)
{
    switch (probe->phase) {
    case PROBE_CONNECTING:
        fail(probe, PROBE_NO_CONNECTION, "timed out connecting");
        break;
    case PROBE_HEADER:
        fail(probe, PROBE_SILENT, "it did not take the PROXY header in time");
        break;
    case PROBE_HANDSHAKE:
        fail(probe, PROBE_SILENT, "no TLS handshake in time");
        break;
    case PROBE_TALKING:
    case PROBE_ASKING:
        fail(probe, PROBE_SILENT,
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
    case PROBE_QUITTING:
        return run_talk(probe, feed_opening);
    case PROBE_ASKING:
        return run_talk(probe, feed_relay_test);
    case PROBE_LEAVING:
        return run_leaving(probe);
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

    *probe = (struct probe){.engine = engine, .plan = *plan, .on_done = on_done, .owner = owner};
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
        fail(probe, leg_lacks_means(failure) ? PROBE_NO_MEANS : PROBE_NO_CONNECTION,
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
