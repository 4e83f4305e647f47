/* A probe's life, its phases as a table, and its approach. */
#include "probe_parts.h"

#include "mailmux/check.h"
#include "mailmux/proxy_header.h"

/* ---- How it ends ---- */

static void close_all(struct probe *probe)
{
    deadline_clear(&probe->engine->deadlines, &probe->deadline);
    stream_close(&probe->leg, false);
    buffer_give(&probe->engine->replies, &probe->input);
    buffer_give(&probe->engine->lines, &probe->output);
    approach_drop(&probe->approach);
}

/* ---- The approach ---- */

/*
 * Writes the PROXY header. Without a client its command is LOCAL. Version 1 has no LOCAL, and
 * Postfix takes its UNKNOWN for an error, so the header then names the two ends of this connection,
 * which are the addresses that LOCAL would leave in force.
 */
static bool write_header(void *owner, struct buffer *out)
{
    struct probe *probe = owner;
    const struct opening_client *client = probe->plan.client;
    struct proxy_header header = {.version = probe->plan.header, .command = PROXY_HEADER_LOCAL};

    if (client) {
        header.command = PROXY_HEADER_PROXY;
        header.has_addresses = true;
        header.source = client->source;
        header.destination = client->destination;
    } else if (header.version == 1) {
        header.has_addresses = stream_local_address(&probe->leg, &header.source);
        header.destination = probe->address;
    }
    return proxy_header_write(&header, out);
}

/* After a failure by the server's words the connection still works, and a goodbye may be said. */
static unsigned take_failure(struct probe *probe)
{
    const struct approach *approach = &probe->approach;

    probe->result.step = approach->step;
    switch (opening_verdict(approach->failure)->trouble) {
    case TROUBLE_MISUNDERSTANDING:
    case TROUBLE_WORDS:
        return probe_fail_opening(probe);
    case TROUBLE_NONE:
    case TROUBLE_OURS:
    case TROUBLE_NO_CONNECTION:
    case TROUBLE_NO_WORD:
    case TROUBLE_TLS:
    case TROUBLE_CERTIFICATE:
        break;
    }
    return probe_fail(probe, approach->failure, approach->why);
}

static unsigned run_approach(struct probe *probe)
{
    enum approach_result result = approach_step(&probe->approach);

    if (result == APPROACH_WAITS)
        return PROBE_WAIT;
    probe_note_tls(probe);
    if (result == APPROACH_FAILED)
        return take_failure(probe);
    return probe->plan.opening.goal == OPENING_CONNECT ? (unsigned)PROBE_OVER : probe_reach(probe);
}

static unsigned expire_approach(struct probe *probe)
{
    approach_expire(&probe->approach);
    return PROBE_APPROACHING;
}

/* ---- The table ---- */

static unsigned expire_asking(struct probe *probe)
{
    return probe_fail(probe, OPENING_ANSWER_TIMEOUT, NULL);
}

/* The time is over, but all that was to be found out is known. */
static unsigned be_over(struct probe *probe)
{
    (void)probe;
    return PROBE_OVER;
}

static unsigned end(struct probe *probe)
{
    probe_done *on_done = probe->on_done;

    close_all(probe);
    probe->result.words = buffer_held(&probe->capabilities);
    probe->on_done = NULL;
    on_done(probe->owner, probe);
    return PROBE_WAIT; /* the owner may have started another probe in this memory */
}

struct phase {
    const char *name;
    unsigned follows; /* a bit for each phase that it may follow */
    unsigned (*run)(struct probe *probe);
    unsigned (*expire)(struct probe *probe); /* the deadline has passed */
};

#define AFTER(phase) (1u << PROBE_##phase)

static const struct phase phases[PROBE_PHASES] = {
    [PROBE_APPROACHING] = {"approaching", AFTER(APPROACHING), run_approach, expire_approach},
    [PROBE_ASKING] = {"asking", AFTER(APPROACHING) | AFTER(ASKING), probe_run_asking,
        expire_asking},
    [PROBE_QUITTING] = {"quitting", AFTER(APPROACHING) | AFTER(ASKING) | AFTER(QUITTING),
        probe_run_quitting, be_over},
    [PROBE_LEAVING] = {"leaving", AFTER(QUITTING) | AFTER(LEAVING), probe_run_leaving, be_over},
    [PROBE_OVER] = {"over", AFTER(APPROACHING) | AFTER(ASKING) | AFTER(QUITTING) | AFTER(LEAVING),
        end, be_over},
};

/*
 * Enters a phase; nothing else does. Returns false if the probe waits, or if the pair of phases is
 * not in the table.
 */
static bool enter(struct probe *probe, unsigned next)
{
    if (next == PROBE_WAIT || !check_holds((phases[next].follows & (1u << probe->phase)) != 0))
        return false;
    probe->phase = (enum probe_phase)next;
    return true;
}

static void step(struct probe *probe)
{
    while (enter(probe, phases[probe->phase].run(probe)))
        continue;
}

static void on_event(void *owner, struct stream *leg, unsigned events)
{
    (void)leg;
    (void)events;
    step(owner);
}

static void on_deadline(struct deadline *deadline)
{
    struct probe *probe = LIST_ENTRY(deadline, struct probe, deadline);

    if (enter(probe, phases[probe->phase].expire(probe)))
        step(probe);
}

/* ---- From outside ---- */

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
        .implicit_tls = plan->implicit_tls,
        .tls = plan->tls,
        .tls_name = plan->tls_name,
        .write_header = plan->header != 0 ? write_header : NULL,
        .heard = probe_hear,
        .owner = probe,
        .on_event = on_event,
        .event_owner = probe};
    approach_start(&probe->approach, engine, &approach, address, &probe->leg, &probe->input);
    /*
     * A failure at once is reported by the deadline, in a later turn of the loop, so that on_done
     * does not come from inside this call.
     */
    deadline_set(&engine->deadlines, &probe->deadline, CLASS_CONNECT,
        stream_is_open(&probe->leg) ? now_ms + plan->timeout_ms : now_ms);
}

void probe_stop(struct probe *probe)
{
    if (!probe->on_done)
        return;
    probe->on_done = NULL;
    close_all(probe);
}
