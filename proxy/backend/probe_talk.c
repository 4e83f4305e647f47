/* What a probe says after the approach: the relay test and the goodbye. */
#include "probe_parts.h"

/* Makes sure that there is an output buffer. Returns false without memory. */
static bool reserve_output(struct probe *probe)
{
    return leg_reserve_output(probe->engine, &probe->output);
}

static unsigned fail_for_memory(struct probe *probe)
{
    return probe_fail(probe, OPENING_NO_MEANS, NULL);
}

/* Waits for the next event. */
static unsigned wait(struct probe *probe, bool for_output)
{
    leg_wait(probe->engine, &probe->leg, &probe->input, &probe->output, for_output);
    return PROBE_WAIT;
}

static unsigned take_leave(struct probe *probe)
{
    if (!reserve_output(probe))
        return fail_for_memory(probe);
    opening_quit(&probe->approach.opening, probe->output);
    return PROBE_QUITTING;
}

unsigned probe_reach(struct probe *probe)
{
    probe_note_offers(probe);
    if (probe->result.failure != OPENING_FINE || !probe->plan.recipient)
        return take_leave(probe);
    relay_test_init(&probe->relay, probe->plan.opening.hostname, slice_from(probe->plan.sender),
        slice_from(probe->plan.recipient));
    return PROBE_ASKING;
}

unsigned probe_fail_opening(struct probe *probe)
{
    const struct approach *approach = &probe->approach;
    enum opening_failure failure = approach->failure;

    probe_note_failure(probe, failure);
    probe->result.offers = approach->opening.offers;
    probe->result.knows_offers =
        (approach->step != OPENING_AT_GREETING && approach->step != OPENING_AT_HELLO) ||
        failure == OPENING_NO_STARTTLS || failure == OPENING_NO_XCLIENT;
    return opening_verdict(failure)->may_say_goodbye ? take_leave(probe) : (unsigned)PROBE_OVER;
}

/* ---- The relay test and the goodbye ---- */

/* The next two feed what was read. They return PROBE_WAIT if more bytes are wanted. */
static unsigned feed_goodbye(struct probe *probe)
{
    struct opening_turn turn =
        opening_feed(&probe->approach.opening, buffer_held(probe->input), probe->output);

    if (turn.next == OPENING_MORE)
        return PROBE_WAIT;
    buffer_consume(probe->input, turn.used);
    if (turn.next == OPENING_GO_ON)
        return PROBE_QUITTING;
    stream_shutdown(&probe->leg, false);
    return PROBE_LEAVING; /* the rest is read, so that our close is no reset */
}

static unsigned feed_relay_test(struct probe *probe)
{
    unsigned next = PROBE_ASKING;
    size_t used;

    switch (relay_test_feed(&probe->relay, buffer_held(probe->input), probe->output, &used)) {
    case RELAY_TEST_MORE:
        return PROBE_WAIT;
    case RELAY_TEST_GO_ON:
        break;
    case RELAY_TEST_DONE:
        probe->result.relay = probe->relay.answer;
        next = take_leave(probe);
        break;
    case RELAY_TEST_BROKEN:
        next = probe_fail(probe, OPENING_WRONG_PROTOCOL, NULL);
        break;
    }
    if (probe->input)
        buffer_consume(probe->input, used);
    return next;
}

static unsigned fail_closed(struct probe *probe)
{
    char why[LEG_WHY_MAX];

    return probe_fail(probe, OPENING_CLOSED, leg_why(&probe->leg, "closed unexpectedly", why));
}

/*
 * One step of a conversation: send, feed what was read, read more. `feed` is the talk of the phase.
 */
static unsigned run_talk(struct probe *probe, unsigned (*feed)(struct probe *probe))
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);
    unsigned next;

    if (status == IO_AGAIN)
        return wait(probe, true);
    if (status != IO_OK)
        return fail_closed(probe);
    if (!reserve_output(probe))
        return fail_for_memory(probe);
    next = feed(probe);
    if (next != PROBE_WAIT)
        return next;
    status = leg_read(probe->engine, &probe->leg, &probe->input);
    if (!probe->input)
        return fail_for_memory(probe);
    if (status == IO_AGAIN)
        return wait(probe, false);
    return status == IO_OK ? (unsigned)probe->phase : fail_closed(probe);
}

unsigned probe_run_asking(struct probe *probe)
{
    return run_talk(probe, feed_relay_test);
}

unsigned probe_run_quitting(struct probe *probe)
{
    return run_talk(probe, feed_goodbye);
}

unsigned probe_run_leaving(struct probe *probe)
{
    enum io status = leg_flush(probe->engine, &probe->leg, &probe->output);

    if (status == IO_AGAIN)
        return wait(probe, true);
    if (status == IO_OK)
        status = leg_read(probe->engine, &probe->leg, &probe->input);
    if (status == IO_AGAIN)
        return wait(probe, false);
    if (status != IO_OK)
        return PROBE_OVER;
    buffer_clear(probe->input);
    return PROBE_LEAVING;
}
