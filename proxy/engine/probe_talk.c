/* What a probe says and hears, once it may. */
#include "probe_parts.h"

#include <string.h>

static bool has_failed(const struct probe *probe)
{
    return probe->result.failure != PROBE_FINE;
}

static void take_leave(struct probe *probe)
{
    if (!probe_reserve_output(probe))
        return;
    opening_quit(&probe->opening, probe->output);
    probe->phase = PROBE_QUITTING;
}

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
    probe_note_failure(probe, PROBE_OPENING, opening_failure_text(failure));
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
        probe_start_tls(probe);
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

    probe_fail_leg(
        probe, PROBE_CLOSED, is_mute ? "closed before its greeting" : "closed unexpectedly");
}

static bool run_talk(struct probe *probe, bool (*feed)(struct probe *probe))
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return probe_wait(probe, true);
    if (status == IO_OK) {
        if (!probe_reserve_output(probe) || feed(probe))
            return true;
        status = leg_read(probe->engine, &probe->leg, &probe->input);
        if (!probe->input) {
            probe_fail(probe, PROBE_NO_MEANS, "out of memory");
            return true;
        }
    }
    if (status == IO_AGAIN)
        return probe_wait(probe, false);
    if (status != IO_OK)
        fail_closed(probe);
    return true;
}

bool probe_run_leaving(struct probe *probe)
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return probe_wait(probe, true);
    if (status == IO_OK)
        status = leg_read(probe->engine, &probe->leg, &probe->input);
    if (status == IO_AGAIN)
        return probe_wait(probe, false);
    if (status == IO_OK)
        buffer_clear(probe->input);
    else
        probe->phase = PROBE_OVER;
    return true;
}

bool probe_run_talking(struct probe *probe)
{
    return run_talk(probe, probe->phase == PROBE_ASKING ? feed_relay_test : feed_opening);
}
