/* What a probe notes of the server's words, and what it says when the approach is over. */
#include "probe_parts.h"

#include <string.h>

static bool reserve_output(struct probe *probe)
{
    if (leg_reserve_output(probe->engine, &probe->output))
        return true;
    probe_fail(probe, OPENING_NO_MEANS);
    return false;
}

/* For the next event; returns false. */
static bool wait(struct probe *probe, bool for_output)
{
    leg_wait(probe->engine, &probe->leg, &probe->input, &probe->output, for_output);
    return false;
}

static void take_leave(struct probe *probe)
{
    if (!reserve_output(probe))
        return;
    opening_quit(&probe->approach.opening, probe->output);
    probe->phase = PROBE_QUITTING;
}

/* ---- What is noted ---- */

static struct slice keep_line(char memory[PROBE_LINE_MAX], struct slice text)
{
    size_t n = slice_find(text, '\n');

    while (n > 0 && text.p[n - 1] == '\r')
        n--;
    n = n < PROBE_LINE_MAX ? n : PROBE_LINE_MAX;
    memcpy(memory, text.p, n);
    return slice_of(memory, n);
}

void probe_hear(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn)
{
    struct probe *probe = owner;

    if (step != OPENING_AT_GREETING)
        return;
    probe->result.first_word = keep_line(probe->first_memory, in);
    if (turn->is_greeting)
        probe->result.greeting = keep_line(probe->greeting_memory, slice_of(in.p, turn->used));
}

void probe_reach(struct probe *probe)
{
    const struct opening *opening = &probe->approach.opening;
    struct probe_result *result = &probe->result;
    bool lacks_starttls = probe->plan.opening.starttls && !opening->tls &&
                          !(opening->offers & (unsigned)OPENING_OFFERS_STARTTLS);

    result->offers = opening->offers;
    result->knows_offers =
        probe->plan.opening.goal != OPENING_GREETING && opening->greeting == GREETING_READY;
    if (result->knows_offers && lacks_starttls)
        probe_note_failure(probe, OPENING_NO_STARTTLS);
    if (result->failure == OPENING_FINE && probe->plan.recipient) {
        relay_test_init(&probe->relay, probe->plan.opening.hostname, slice_from(probe->plan.sender),
            slice_from(probe->plan.recipient));
        probe->phase = PROBE_ASKING;
    } else {
        take_leave(probe);
    }
}

void probe_fail_opening(struct probe *probe)
{
    const struct approach *approach = &probe->approach;
    enum opening_failure failure = approach->failure;

    probe_note_failure(probe, failure);
    probe->result.offers = approach->opening.offers;
    probe->result.knows_offers = approach->step > OPENING_AT_HELLO ||
                                 failure == OPENING_NO_STARTTLS || failure == OPENING_NO_XCLIENT;
    if (opening_verdict(failure)->may_say_goodbye)
        take_leave(probe);
    else
        probe->phase = PROBE_OVER;
}

/* ---- The relay test and the goodbye ---- */

/* Our end; then whatever it still says is heard, so that nothing is reset. */
static void say_end(struct probe *probe)
{
    stream_shutdown(&probe->leg, false);
    probe->phase = PROBE_LEAVING;
}

/* Both are false where more bytes are wanted. */
static bool feed_goodbye(struct probe *probe)
{
    struct opening_turn turn =
        opening_feed(&probe->approach.opening, buffer_held(probe->input), probe->output);

    if (turn.next == OPENING_MORE)
        return false;
    buffer_consume(probe->input, turn.used);
    if (turn.next != OPENING_GO_ON)
        say_end(probe);
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
        probe_fail(probe, OPENING_WRONG_PROTOCOL);
        break;
    }
    if (probe->input)
        buffer_consume(probe->input, used);
    return true;
}

static void fail_closed(struct probe *probe)
{
    char why[LEG_WHY_MAX];

    probe_fail_because(probe, OPENING_CLOSED, leg_why(&probe->leg, "closed unexpectedly", why));
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
            probe_fail(probe, OPENING_NO_MEANS);
            return true;
        }
    }
    if (status == IO_AGAIN)
        return wait(probe, false);
    if (status != IO_OK)
        fail_closed(probe);
    return true;
}

bool probe_run_talking(struct probe *probe)
{
    return run_talk(probe, probe->phase == PROBE_ASKING ? feed_relay_test : feed_goodbye);
}

bool probe_run_leaving(struct probe *probe)
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
