#include "record_twins_parts.h"

#include "certificates.h"
#include "tls_client.h"
#include <stdlib.h>
#include <string.h>

/* ---- What both get ---- */

void twins_seal(struct twins *twins, enum record_type type, struct slice content)
{
    size_t n = 0;

    if (TWINS_BATCH - twins->batch.n >= RECORD_WIRE_MAX)
        n = record_seal(
            &twins->peer, &twins->tools, type, content, twins->batch.data + twins->batch.n);
    twins->batch.n += n;
    twins->count->read += n > 0;
}

void twins_seal_data(struct twins *twins, size_t n)
{
    static char bytes[RECORD_CONTENT_MAX];

    do {
        size_t some = n < RECORD_CONTENT_MAX ? n : RECORD_CONTENT_MAX;

        for (size_t i = 0; i < some; i++)
            bytes[i] = (char)(n + i * 31);
        twins_seal(twins, RECORD_TYPE_DATA, slice_of(bytes, some));
        n -= some;
    } while (n > 0);
}

void twins_seal_padded(struct twins *twins, size_t n, size_t zeros)
{
    static char inner[RECORD_CONTENT_MAX];

    memset(inner, 'p', n);
    inner[n] = RECORD_TYPE_DATA;
    memset(inner + n + 1, 0, zeros);
    /* The type of the record that seals it is one more zero. */
    twins_seal(twins, (enum record_type)0, slice_of(inner, n + 1 + zeros));
}

/* Seals a message in one record or in two. */
static void seal_cut(struct twins *twins, struct slice message, size_t first)
{
    if (first == 0 || first >= message.n) {
        twins_seal(twins, RECORD_TYPE_HANDSHAKE, message);
        return;
    }
    twins_seal(twins, RECORD_TYPE_HANDSHAKE, slice_of(message.p, first));
    twins_seal(twins, RECORD_TYPE_HANDSHAKE, slice_after(message, first));
}

void twins_seal_key_update(struct twins *twins, char request, size_t first)
{
    const char message[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, request};

    /*
     * Of our answer the library says the same, but not at the same time, if another message of the
     * handshake protocol comes before it.
     */
    twins->is_loose = twins->is_loose || first > 0 || twins->answer != ANSWERED;
    if (request == SSL_KEY_UPDATE_REQUESTED)
        twins->answer = ASKED;
    seal_cut(twins, slice_of(message, sizeof(message)), first);
    if (!traffic_update(&twins->peer, &twins->tools))
        abort();
}

void twins_seal_ticket(struct twins *twins, unsigned char n, size_t first)
{
    enum { BEFORE = 16, AROUND = 14 };
    static char message[BEFORE + UINT8_MAX + 2];
    const unsigned char begin[BEFORE] = {SSL3_MT_NEWSESSION_TICKET, 0,
        (unsigned char)((n + AROUND) >> 8), (unsigned char)((n + AROUND) & 0xff), 0, 0, 0,
        9 /* seconds */, 1, 2, 3, 4, 1, 7 /* nonce */, 0, n};

    memcpy(message, begin, BEFORE);
    memset(message + BEFORE, 't', n);
    memset(message + BEFORE + n, 0, 2);
    twins->is_loose = twins->is_loose || twins->answer != ANSWERED;
    seal_cut(twins, slice_of(message, (size_t)BEFORE + n + 2), first);
}

/* ---- What they do with it ---- */

static void read_all(struct twin *twin, size_t cap)
{
    static char bytes[TWINS_READ];

    memory_wire_refresh(&twin->bench.wire);
    do {
        size_t n = 0;

        twin->status = stream_read(&twin->bench.stream, bytes, cap, &n);
        for (size_t i = 0; i < n; i++)
            twin->heard = (twin->heard ^ (unsigned char)bytes[i]) * 1099511628211u;
        twin->octets += n;
    } while (twin->status == IO_OK);
}

void twins_feed(struct twins *twins, size_t at, size_t n, size_t cap)
{
    for (int i = 0; i < TWINS; i++) {
        memory_wire_feed(&twins->twin[i].bench.wire, slice_of(twins->batch.data + at, n));
        read_all(&twins->twin[i], cap);
    }
}

/*
 * Returns whether the library writes nothing before it hears more: within a message, and behind a
 * ticket that follows a KeyUpdate (OpenSSL 3.0, as a client). Ours writes then.
 */
static bool library_waits(const struct twins *twins)
{
    const struct stream *stream = &twins->twin[LIBRARY].bench.stream;

    return stream->failure == STREAM_FINE && SSL_in_init(stream->ssl);
}

void twins_write(struct twins *twins, size_t n)
{
    static char bytes[65536];

    if (twins->answer == DUE && n > 0)
        twins->answer = ANSWERED;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 7);
    for (int i = 0; i < TWINS; i++)
        (void)stream_bench_write(&twins->twin[i].bench, NULL, slice_of(bytes, n));
    twins->has_waited = twins->has_waited || library_waits(twins);
    twins->count->written += (n + RECORD_CONTENT_MAX - 1) / RECORD_CONTENT_MAX;
}

/* ---- What they have done ---- */

const char *twins_compare(struct twins *twins)
{
    struct twin *a = &twins->twin[LIBRARY];
    struct twin *b = &twins->twin[OWN];
    struct slice sent;
    struct slice own;

    for (int i = 0; i < TWINS; i++)
        (void)stream_bench_write(&twins->twin[i].bench, NULL, slice_of("", 0));
    sent = memory_wire_sent(&a->bench.wire);
    own = memory_wire_sent(&b->bench.wire);
    if (a->bench.stream.failure != b->bench.stream.failure)
        return "the failure";
    if (a->bench.stream.failure == STREAM_KEY_UPDATES)
        return NULL; /* the library still gives what it has read from the wire already */
    if (a->octets != b->octets || a->heard != b->heard)
        return "the plaintext";
    if (a->status != b->status)
        return "the result of a read";
    if (twins->is_loose)
        return NULL;
    if (sent.n != own.n ||
        memcmp(sent.p + twins->compared, own.p + twins->compared, sent.n - twins->compared) != 0)
        return "what is sent";
    twins->compared = sent.n;
    return NULL;
}

/* Notes what an opened record says. */
static void note_sent(struct twins_sent *sent, enum record_type type, struct slice content)
{
    const unsigned char *p = (const unsigned char *)content.p;

    for (size_t i = 0; i < content.n; i++) {
        if (type == RECORD_TYPE_DATA)
            sent->data = (sent->data ^ p[i]) * 1099511628211u;
        else if (type == RECORD_TYPE_ALERT)
            sent->alerts = (sent->alerts + 1 + p[i]) * 1099511628211u;
    }
    sent->octets += type == RECORD_TYPE_DATA ? content.n : 0;
    sent->updates += type == RECORD_TYPE_HANDSHAKE;
    if (type == RECORD_TYPE_ALERT && content.n == 2 && p[1] == SSL3_AD_CLOSE_NOTIFY)
        sent->is_closed = true;
    else if (type == RECORD_TYPE_ALERT && content.n == 2)
        sent->alert = p[1];
}

struct twins_sent twins_open_sent(struct twins *twins, int which)
{
    static char opened[RECORD_WIRE_MAX];
    const struct twin *twin = &twins->twin[which];
    struct slice rest = memory_wire_sent(&twin->bench.wire);
    struct traffic traffic = twins->sent;
    struct twins_sent sent = {.is_good = true};
    size_t n;

    while (rest.n > 0 && sent.is_good && record_measure(rest, &n) == RECORD_FINE) {
        enum record_type type;
        struct slice content;

        sent.is_good =
            record_open(&traffic, &twins->tools, rest.p, n, opened, &type, &content) == RECORD_FINE;
        if (!sent.is_good)
            break;
        rest = slice_after(rest, n);
        note_sent(&sent, type, content);
        if (type == RECORD_TYPE_HANDSHAKE) /* a KeyUpdate */
            sent.is_good = traffic_update(&traffic, &twins->tools);
    }
    sent.is_good = sent.is_good && (rest.n == 0 || twin->bench.stream.unwritable);
    traffic_end(&traffic, &twins->tools);
    return sent;
}

const char *twins_compare_all(struct twins *twins)
{
    const char *difference = twins_compare(twins);
    struct twins_sent a;
    struct twins_sent b;

    if (difference)
        return difference;
    a = twins_open_sent(twins, LIBRARY);
    b = twins_open_sent(twins, OWN);
    if (!a.is_good || !b.is_good)
        return "whether what is sent can be opened";
    if (!twins->has_waited && (a.octets != b.octets || a.data != b.data))
        return "the data that is sent";
    /* The end of it went nowhere; or the library goes on to a later record, and complains of that.
     */
    if (twins->twin[OWN].bench.stream.unwritable ||
        twins->twin[OWN].bench.stream.failure == STREAM_KEY_UPDATES)
        return NULL;
    return a.alerts != b.alerts ? "the alert that is sent" : NULL;
}

bool twins_are_over(const struct twins *twins)
{
    return twins->twin[LIBRARY].status == IO_ERR || twins->twin[LIBRARY].status == IO_EOF;
}

/* ---- Beginning and end ---- */

/*
 * What all clients share, since it takes longer to make than a handshake. It is kept for the life
 * of the process.
 */
static struct tls_client *shared_client(void)
{
    static struct tls_client *client;
    struct tls_fault fault;

    if (!client)
        client = tls_client_new(&(struct tls_client_parameters){.no_verify = true,
                                    .rules = {.policy = TLS_INTERMEDIATE, .own_records = true}},
            &fault);
    if (!client)
        abort();
    return client;
}

static SSL_CTX *shared_context(void)
{
    static SSL_CTX *context;

    if (!context)
        context = memory_tls_client_context();
    return context;
}

/* Begins the handshake of the first. A client knows nothing of its server, and does not ask. */
static void begin_first(struct twins *twins, const struct tls_bench *bench, struct memory_tls *peer)
{
    struct stream_bench *first = &twins->twin[LIBRARY].bench;
    enum io status;

    stream_bench_open(first);
    if (twins->is_client) {
        memory_tls_init_server(peer, &first->wire, certificates_path(bench->directory, "a", "pem"),
            certificates_path(bench->directory, "a", "key"));
        status = stream_start_tls_client(&first->stream, shared_client(), NULL, NULL);
    } else {
        memory_tls_init_client(peer, &first->wire, shared_context());
        status = stream_start_tls_server(&first->stream, &bench->service, NULL);
    }
    if (status != IO_OK)
        abort();
}

/* Gives the second stream the keys of the first. */
static void make_twin(struct twins *twins, enum traffic_suite suite)
{
    const struct tls_secrets *secrets = twins->twin[LIBRARY].bench.stream.secrets;
    struct stream_bench *bench = &twins->twin[OWN].bench;
    struct tls_lean *lean = calloc(1, sizeof(*lean));
    const unsigned char *in;
    const unsigned char *out;
    struct record_tools *tools;

    if (!lean || !secrets)
        abort();
    in = twins->is_client ? secrets->server : secrets->client;
    out = twins->is_client ? secrets->client : secrets->server;
    stream_bench_open(bench);
    tools = &bench->context.lean->records;
    if (!traffic_begin(&lean->in, tools, suite, in, secrets->read) ||
        !traffic_begin(&lean->out, tools, suite, out, secrets->written) ||
        !traffic_begin(&twins->peer, &twins->tools, suite, in, secrets->read) ||
        !traffic_begin(&twins->sent, &twins->tools, suite, out, secrets->written))
        abort();
    lean->is_client = twins->is_client;
    twins->twin[OWN].status = IO_AGAIN;
    bench->stream.lean = lean;
    bench->stream.handshaken = true;
}

void twins_begin(
    struct twins *twins, const struct tls_bench *bench, bool is_client, enum traffic_suite suite)
{
    static const char *const suites[TRAFFIC_SUITES] = {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};
    struct twin *first = &twins->twin[LIBRARY];
    struct record_count *count = twins->count;
    struct memory_tls peer;

    *twins = (struct twins){.is_client = is_client, .count = count};
    twins->batch.data = malloc(TWINS_BATCH);
    if (!twins->batch.data || !record_tools_init(&twins->tools))
        abort();
    begin_first(twins, bench, &peer);
    if (SSL_set_ciphersuites(peer.ssl, suites[suite]) != 1 ||
        stream_bench_shake(&first->bench, &peer) != IO_OK)
        abort();
    read_all(first, 1); /* the tickets of a server */
    if (first->status != IO_AGAIN)
        abort();
    make_twin(twins, suite);
    memory_tls_deinit(&peer);
}

bool twins_end(struct twins *twins)
{
    bool is_clean = stream_bench_close(&twins->twin[LIBRARY].bench);

    is_clean = stream_bench_close(&twins->twin[OWN].bench) && is_clean;
    traffic_end(&twins->peer, &twins->tools);
    traffic_end(&twins->sent, &twins->tools);
    record_tools_deinit(&twins->tools);
    free(twins->batch.data);
    return is_clean;
}
