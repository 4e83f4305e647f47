#include "record_twins.h"

#include "tls_lean_parts.h"
#include <stdlib.h>
#include <string.h>

enum { TWINS = 2, BATCH = 200000, READ = 40000, FLOOD = 17000 };

enum { LIBRARY, OWN };

struct twin {
    struct stream_bench bench;
    enum io status;  /* of its last read */
    uint64_t heard;  /* a hash of all plaintext */
    uint64_t octets; /* of plaintext */
};

struct twins {
    struct twin twin[TWINS];
    struct record_tools tools;
    struct traffic peer; /* seals what both get */
    struct memory_bytes batch;
    const uint8_t *script;
    size_t left;
    uint64_t random;
    enum { ANSWERED, ASKED, DUE } answer; /* to a KeyUpdate; DUE when they have it */
    bool is_loose;                        /* what they send is not compared any more */
    size_t *records;
};

static unsigned next_octet(struct twins *twins)
{
    if (twins->left == 0)
        return 0;
    twins->left--;
    return *twins->script++;
}

static size_t next_size(struct twins *twins)
{
    size_t high = next_octet(twins);

    return high << 8 | next_octet(twins);
}

/* ---- What both get ---- */

static void seal(struct twins *twins, enum record_type type, struct slice content)
{
    size_t n = 0;

    if (BATCH - twins->batch.n >= RECORD_WIRE_MAX)
        n = record_seal(
            &twins->peer, &twins->tools, type, content, twins->batch.data + twins->batch.n);
    twins->batch.n += n;
    *twins->records += n > 0;
}

static void seal_data(struct twins *twins, size_t n)
{
    static char bytes[RECORD_CONTENT_MAX];

    while (n > 0) {
        size_t some = n < RECORD_CONTENT_MAX ? n : RECORD_CONTENT_MAX;

        for (size_t i = 0; i < some; i++)
            bytes[i] = (char)(n + i * 31);
        seal(twins, RECORD_TYPE_DATA, slice_of(bytes, some));
        n -= some;
    }
}

static void seal_key_update(struct twins *twins, char request, bool is_cut)
{
    const char message[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, request};
    size_t first = is_cut ? 1 + twins->random % 4 : sizeof(message);

    /*
     * Of our answer the library says the same, but not at the same time, if another message of the
     * handshake protocol comes before it.
     */
    twins->is_loose = twins->is_loose || is_cut || twins->answer != ANSWERED;
    if (request == SSL_KEY_UPDATE_REQUESTED)
        twins->answer = ASKED;
    seal(twins, RECORD_TYPE_HANDSHAKE, slice_of(message, first));
    if (first < sizeof(message))
        seal(twins, RECORD_TYPE_HANDSHAKE, slice_of(message + first, sizeof(message) - first));
    if (!traffic_update(&twins->peer, &twins->tools))
        abort();
}

/* Content of any type, followed by the type itself and zeros [RFC 8446 5.4]. */
static void seal_padded(struct twins *twins, size_t n, size_t zeros)
{
    char inner[256 + 1 + 256] = {0};

    memset(inner, 'p', n);
    inner[n] = RECORD_TYPE_DATA;
    seal(twins, (enum record_type)0, slice_of(inner, n + 1 + zeros));
}

static void seal_odd(struct twins *twins)
{
    char content[64];
    unsigned type = 20 + next_octet(twins) % 6;
    size_t n = next_octet(twins) % sizeof(content);

    /* A header that fills its record the library judges only with the next one. */
    if (type == RECORD_TYPE_HANDSHAKE && n > 0 && n <= 4)
        n = 4 + 1;
    twins->is_loose =
        twins->is_loose || (type == RECORD_TYPE_HANDSHAKE && twins->answer != ANSWERED);
    for (size_t i = 0; i < n; i++)
        content[i] = (char)next_octet(twins);
    seal(twins, (enum record_type)type, slice_of(content, n));
}

static void damage(struct twins *twins)
{
    size_t at = next_size(twins);
    unsigned bit = next_octet(twins) % 8;

    if (twins->batch.n > 0)
        twins->batch.data[at % twins->batch.n] ^= (char)(1u << bit);
}

static void add_raw(struct twins *twins, size_t n, int octet)
{
    if (n > BATCH - twins->batch.n)
        return;
    memset(twins->batch.data + twins->batch.n, octet, n);
    twins->batch.n += n;
}

/* ---- What they do with it ---- */

static void read_all(struct twin *twin, size_t cap)
{
    static char bytes[READ];

    memory_wire_refresh(&twin->bench.wire);
    do {
        size_t n = 0;

        twin->status = stream_read(&twin->bench.stream, bytes, cap, &n);
        for (size_t i = 0; i < n; i++)
            twin->heard = (twin->heard ^ (unsigned char)bytes[i]) * 1099511628211u;
        twin->octets += n;
    } while (twin->status == IO_OK);
}

/* Feeds the batch in pieces, and lets both read after each. */
static void deliver(struct twins *twins)
{
    size_t most = twins->random % 3 == 0 ? 40 : 20000;

    for (size_t at = 0; at < twins->batch.n;) {
        size_t piece = 1 + memory_random(&twins->random) % most;
        size_t cap = 1 + memory_random(&twins->random) % (most == 40 ? 100 : READ);

        if (piece > twins->batch.n - at)
            piece = twins->batch.n - at;
        for (int i = 0; i < TWINS; i++) {
            memory_wire_feed(&twins->twin[i].bench.wire, slice_of(twins->batch.data + at, piece));
            read_all(&twins->twin[i], cap);
        }
        at += piece;
    }
    twins->batch.n = 0;
    if (twins->answer == ASKED)
        twins->answer = DUE;
}

static void write_both(struct twins *twins, size_t n)
{
    static char bytes[65536];

    if (twins->answer == DUE && n > 0)
        twins->answer = ANSWERED;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 7);
    for (int i = 0; i < TWINS; i++)
        (void)stream_bench_write(&twins->twin[i].bench, NULL, slice_of(bytes, n));
}

/* Returns what differs, or NULL. */
static const char *compare(const struct twins *twins)
{
    const struct twin *a = &twins->twin[LIBRARY];
    const struct twin *b = &twins->twin[OWN];
    struct slice sent = memory_wire_sent(&a->bench.wire);
    struct slice own = memory_wire_sent(&b->bench.wire);

    if (a->octets != b->octets || a->heard != b->heard)
        return "the plaintext";
    if (a->bench.stream.failure != b->bench.stream.failure)
        return "the failure";
    if (a->status != b->status)
        return "the result of a read";
    if (twins->is_loose)
        return NULL;
    if (sent.n != own.n || memcmp(sent.p, own.p, sent.n) != 0)
        return "what is sent";
    return NULL;
}

static bool is_over(const struct twins *twins)
{
    return twins->twin[LIBRARY].status == IO_ERR || twins->twin[LIBRARY].status == IO_EOF;
}

static void step(struct twins *twins)
{
    unsigned op = next_octet(twins);

    switch (op % 12) {
    case 0:
    case 1:
    case 2:
        seal_data(twins, next_size(twins) % (op < 128 ? 300 : 40000));
        break;
    case 3:
        seal_key_update(twins, (char)(op / 12 % 2), op / 24 % 4 == 3);
        break;
    case 4:
    case 5:
        seal_odd(twins);
        break;
    case 6:
        seal_padded(twins, next_octet(twins), next_octet(twins));
        break;
    case 7:
        if (op > 200)
            damage(twins);
        break;
    case 8:
        if (op > 240)
            add_raw(twins, next_octet(twins), (int)next_octet(twins));
        break;
    case 9:
        write_both(twins, next_size(twins));
        break;
    default:
        deliver(twins);
        break;
    }
}

/* ---- Beginning and end ---- */

/* Gives the second stream the keys of the first. */
static void make_twin(struct twins *twins, enum traffic_suite suite)
{
    const struct tls_secrets *secrets = twins->twin[LIBRARY].bench.stream.secrets;
    struct stream_bench *bench = &twins->twin[OWN].bench;
    struct tls_lean *lean = calloc(1, sizeof(*lean));
    struct record_tools *tools;

    stream_bench_open(bench);
    tools = &bench->context.lean->records;
    if (!lean || !secrets ||
        !traffic_begin(&lean->in, tools, suite, secrets->client, secrets->read) ||
        !traffic_begin(&lean->out, tools, suite, secrets->server, secrets->written) ||
        !traffic_begin(&twins->peer, &twins->tools, suite, secrets->client, secrets->read))
        abort();
    bench->stream.lean = lean;
    bench->stream.handshaken = true;
}

static const char *play(struct twins *twins)
{
    const char *difference = NULL;

    while (twins->left > 0 && !is_over(twins) && !difference) {
        step(twins);
        if (twins->batch.n == 0 && !is_over(twins))
            difference = compare(twins);
    }
    /* What is incomplete becomes complete, so that both must judge it. */
    if (!difference && !is_over(twins)) {
        deliver(twins);
        add_raw(twins, FLOOD, 0);
        deliver(twins);
    }
    return difference ? difference : compare(twins);
}

const char *record_twins_play(
    const struct tls_bench *bench, const uint8_t *octets, size_t n, size_t *records)
{
    static const char *const suites[TRAFFIC_SUITES] = {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};
    struct twins twins = {.script = octets, .left = n, .records = records};
    struct memory_tls peer;
    enum traffic_suite suite = (enum traffic_suite)(next_octet(&twins) % TRAFFIC_SUITES);
    const char *difference;

    twins.random = next_size(&twins) | 1;
    twins.batch.data = malloc(BATCH);
    if (!twins.batch.data || !record_tools_init(&twins.tools) ||
        !tls_bench_begin(bench, &twins.twin[LIBRARY].bench, &peer) ||
        SSL_set_ciphersuites(peer.ssl, suites[suite]) != 1 ||
        stream_bench_shake(&twins.twin[LIBRARY].bench, &peer) != IO_OK)
        abort();
    make_twin(&twins, suite);
    difference = play(&twins);
    traffic_end(&twins.peer, &twins.tools);
    record_tools_deinit(&twins.tools);
    free(twins.batch.data);
    if (!tls_bench_end(&twins.twin[LIBRARY].bench, &peer) ||
        !stream_bench_close(&twins.twin[OWN].bench))
        return "a buffer that was not given back";
    return difference;
}
