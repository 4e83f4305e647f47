/* What a probe finds out: why it failed, the server's words and offers, its TLS. */
#include "probe_parts.h"

#include "mailmux/line.h"
#include <stdio.h>
#include <string.h>

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

unsigned probe_fail(struct probe *probe, enum opening_failure failure, const char *why)
{
    if (probe->phase == PROBE_APPROACHING || probe->phase == PROBE_ASKING)
        note(probe, failure, why ? why : opening_verdict(failure)->text);
    return PROBE_OVER;
}

static struct slice keep_line(char memory[PROBE_LINE_MAX], struct slice text)
{
    struct slice line = line_trim_returns(slice_of(text.p, slice_find(text, '\n')));
    size_t n = line.n < PROBE_LINE_MAX ? line.n : PROBE_LINE_MAX;

    memcpy(memory, line.p, n);
    return slice_of(memory, n);
}

/* The library drops what it knows with the connection. */
static void note_failed_tls(struct probe *probe)
{
    struct probe_result *result = &probe->result;
    const char *clear = stream_said_in_clear(&probe->leg);
    struct tls_advice advice;

    stream_tls_advice(&probe->leg, &advice);
    (void)snprintf(result->hint, sizeof(result->hint), "%s", advice.hint);
    if (clear && result->first_word.n == 0)
        result->first_word = keep_line(probe->first_memory, slice_from(clear));
}

void probe_note_tls(struct probe *probe)
{
    struct probe_result *result = &probe->result;
    struct tls_info info;

    if (!stream_is_open(&probe->leg))
        return;
    (void)stream_tls_info(&probe->leg, &info);
    result->has_tls = probe->leg.handshaken;
    result->has_certificate = result->has_tls && info.peer != TLS_PEER_UNKNOWN;
    result->tls_fault = info.peer_fault;
    result->tls_seconds = info.peer_seconds;
    (void)snprintf(
        result->tls_version, sizeof(result->tls_version), "%s", info.version ? info.version : "");
    (void)snprintf(result->tls_peer, sizeof(result->tls_peer), "%s", info.peer_name);
    if (probe->leg.failure != STREAM_FINE)
        note_failed_tls(probe);
}

void probe_note_offers(struct probe *probe)
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
