/* Twins that do what a script says: random octets, or those of a fuzzer. */
#include "record_twins_parts.h"

#include <errno.h>
#include <string.h>

enum { FLOOD = 17000 };

struct script {
    struct twins twins;
    const uint8_t *octets;
    size_t left;
    uint64_t random;
    bool is_calm; /* nothing that ends the connection, so that much comes on one */
};

static unsigned next_octet(struct script *script)
{
    if (script->left == 0)
        return 0;
    script->left--;
    return *script->octets++;
}

static size_t next_size(struct script *script)
{
    size_t high = next_octet(script);

    return high << 8 | next_octet(script);
}

static void seal_odd(struct script *script)
{
    struct twins *twins = &script->twins;
    char content[64];
    unsigned type = 20 + next_octet(script) % 6;
    size_t n = next_octet(script) % sizeof(content);

    /* A header that fills its record the library judges only with the next one. */
    if (type == RECORD_TYPE_HANDSHAKE && n > 0 && n <= 4)
        n = 4 + 1;
    twins->is_loose =
        twins->is_loose || (type == RECORD_TYPE_HANDSHAKE && twins->answer != ANSWERED);
    for (size_t i = 0; i < n; i++)
        content[i] = (char)next_octet(script);
    /* What is in a ticket the library looks at, and a relay does not. */
    if (twins->is_client && type == RECORD_TYPE_HANDSHAKE &&
        content[0] == SSL3_MT_NEWSESSION_TICKET)
        content[0] = SSL3_MT_CERTIFICATE_REQUEST;
    twins_seal(twins, (enum record_type)type, slice_of(content, n));
}

static void damage(struct script *script)
{
    struct memory_bytes *batch = &script->twins.batch;
    size_t at = next_size(script);
    unsigned bit = next_octet(script) % 8;

    if (batch->n > 0)
        batch->data[at % batch->n] ^= (char)(1u << bit);
}

static void add_raw(struct twins *twins, size_t n, int octet)
{
    if (n > TWINS_BATCH - twins->batch.n)
        return;
    memset(twins->batch.data + twins->batch.n, octet, n);
    twins->batch.n += n;
}

/* Feeds the batch in pieces, and lets both read after each. */
static void deliver(struct script *script)
{
    struct twins *twins = &script->twins;
    size_t most = script->random % 3 == 0 ? 40 : 20000;

    for (size_t at = 0; at < twins->batch.n;) {
        size_t piece = 1 + memory_random(&script->random) % most;
        size_t cap = 1 + memory_random(&script->random) % (most == 40 ? 100 : TWINS_READ);

        if (piece > twins->batch.n - at)
            piece = twins->batch.n - at;
        twins_feed(twins, at, piece, cap);
        at += piece;
    }
    twins->batch.n = 0;
    if (twins->answer == ASKED)
        twins->answer = DUE;
}

/* One direction ends, or both. */
static void end_some(struct script *script)
{
    struct twins *twins = &script->twins;
    unsigned how = next_octet(script);
    int failure = how % 2 == 1 ? ECONNRESET : EPIPE;

    deliver(script);
    for (int i = 0; i < TWINS; i++) {
        struct stream_bench *bench = &twins->twin[i].bench;

        switch (how / 2 % 4) {
        case 0:
            stream_shutdown(&bench->stream, failure == EPIPE);
            break;
        case 1:
            memory_wire_feed_end(&bench->wire);
            break;
        case 2:
            memory_wire_fail(&bench->wire, failure);
            break;
        default: /* a write takes the error away, and a read finds an end */
            memory_wire_fail(&bench->wire, failure);
            (void)stream_bench_write(bench, NULL, SLICE("x"));
            memory_wire_fail(&bench->wire, 0);
            memory_wire_feed_end(&bench->wire);
            break;
        }
    }
    twins_feed(twins, 0, 0, TWINS_READ);
}

static void step(struct script *script)
{
    struct twins *twins = &script->twins;
    unsigned op = next_octet(script);
    unsigned danger = script->is_calm ? 0 : op;
    size_t cut = op / 24 % 4 == 3 ? 1 + script->random % 20 : 0;

    switch (op % 14) {
    case 0:
    case 1:
    case 2:
        twins_seal_data(twins, next_size(script) % (op < 200 ? 300 : 40000));
        break;
    case 3:
        twins_seal_key_update(twins, (char)(op / 14 % 2), cut % 5);
        break;
    case 4:
        if (danger > 200)
            seal_odd(script);
        else
            twins_seal_data(twins, next_octet(script) % 3);
        break;
    case 5:
        if (twins->is_client || !script->is_calm)
            twins_seal_ticket(twins, (unsigned char)(next_octet(script) | 1), cut > 4 ? cut : 0);
        break;
    case 6:
        twins_seal_padded(twins, next_octet(script), next_size(script) % (op < 200 ? 300 : 16000));
        break;
    case 7:
        if (danger > 200)
            damage(script);
        break;
    case 8:
        if (danger > 240)
            add_raw(twins, next_octet(script), (int)next_octet(script));
        else if (danger > 220)
            end_some(script);
        break;
    case 9:
    case 10:
    case 11:
        twins_write(twins, next_size(script) % (op < 200 ? 300 : 65536));
        break;
    default:
        deliver(script);
        break;
    }
}

static const char *play(struct script *script)
{
    struct twins *twins = &script->twins;
    const char *difference = NULL;

    while (script->left > 0 && !twins_are_over(twins) && !difference) {
        step(script);
        if (twins->batch.n == 0 && !twins_are_over(twins))
            difference = twins_compare(twins);
    }
    /* What is incomplete becomes complete, so that both must judge it. */
    if (!difference && !twins_are_over(twins)) {
        deliver(script);
        add_raw(twins, FLOOD, 0);
        deliver(script);
    }
    return difference ? difference : twins_compare_all(twins);
}

const char *record_twins_play(
    const struct tls_bench *bench, const uint8_t *octets, size_t n, struct record_count *count)
{
    struct script script = {.octets = octets, .left = n};
    unsigned kind = next_octet(&script);
    const char *difference;

    script.random = next_size(&script) | 1;
    script.is_calm = kind / 32 % 4 == 3;
    script.twins.count = count;
    twins_begin(&script.twins, bench, kind / TRAFFIC_SUITES % 2 == 1,
        (enum traffic_suite)(kind % TRAFFIC_SUITES));
    if (kind >= 128) { /* a wire that takes a part of what is sent */
        for (int i = 0; i < TWINS; i++)
            script.twins.twin[i].bench.wire.sends =
                (struct memory_script){.random = script.random, .most = 1 + kind % 16 * 2000};
    }
    difference = play(&script);
    if (!twins_end(&script.twins))
        return "a buffer that was not given back";
    return difference;
}
