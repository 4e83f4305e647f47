/*
 * Target: the server's side of a TLS handshake (net/tls_server.c, tls_names.c, tls_bio.c, tls.c),
 * and the reader of a ClientHello before it (grammar/client_hello.c; see hello_oracle.c).
 * Input: one octet of options, then what a client sends. Options are bits: 1 strict SNI; 2 the
 * exception for mail exchangers; 4 we have no ALPN; 8 the first 100 octets were read before TLS
 * began (the prefix).
 * Holds: outcome, chosen set and name for the log do not depend on how the bytes are cut; all
 * buffers are given back; what does not begin like TLS is refused as such. The reader's answer does
 * not depend on the cuts either, and the name and the protocols are those that OpenSSL finds.
 */
#include "certificates.h"
#include "fuzz.h"
#include "hello_oracle.h"
#include "stream_bench.h"
#include "tls_context.h"
#include "tls_info.h"

enum { SETS = 2, PREFIX_MAX = 100, NAME_MAX_KEPT = 256 };

struct outcome {
    enum io status;
    enum stream_failure failure;
    const struct tls_set *set;
    char name[NAME_MAX_KEPT];
};

static struct tls_set *sets[SETS];
static char *directory;

static void remove_directory(void)
{
    for (int i = 0; i < SETS; i++)
        tls_set_free(&sets[i]);
    certificates_directory_free(&directory);
}

static void begin(void)
{
    static const char *const names[SETS] = {"mail.example", "other.example"};
    static const char *const files[SETS] = {"a", "b"};
    struct tls_fault fault;

    if (directory)
        return;
    directory = certificates_directory_new();
    for (int i = 0; i < SETS; i++) {
        const char *certificate;
        const char *key;

        certificates_make(
            directory, &(struct certificate_request){.file = files[i], .name = names[i]});
        certificate = certificates_path(directory, files[i], "pem");
        key = certificates_path(directory, files[i], "key");
        sets[i] = tls_set_new(&(struct tls_set_parameters){.name = names[i],
                                  .certificate_count = 1,
                                  .certificates = &certificate,
                                  .keys = &key,
                                  .rules = {.policy = TLS_INTERMEDIATE}},
            &fault);
        FUZZ_REQUIRE(sets[i] != NULL);
    }
    (void)atexit(remove_directory);
}

static struct buffer *take_prefix(struct stream_bench *bench, struct slice *bytes)
{
    struct buffer *prefix = buffer_take(&bench->pool);
    size_t n = bytes->n < PREFIX_MAX ? bytes->n : PREFIX_MAX;

    FUZZ_REQUIRE(prefix && buffer_append(prefix, slice_of(bytes->p, n)));
    *bytes = slice_after(*bytes, n);
    return prefix;
}

/* Shakes hands until it succeeds or fails. The client ends behind its bytes, so it does one. */
static enum io shake(struct stream_bench *bench)
{
    enum io status = IO_AGAIN;

    memory_wire_feed_end(&bench->wire);
    for (int turn = 0; turn < STREAM_BENCH_TURNS && status == IO_AGAIN; turn++) {
        memory_wire_refresh(&bench->wire);
        status = stream_handshake(&bench->stream);
        memory_wire_drop(&bench->wire, memory_wire_sent(&bench->wire).n);
    }
    return status;
}

static struct outcome try(
    const struct tls_service *service, struct slice bytes, bool prefixed, uint64_t seed)
{
    struct outcome outcome = {0};
    struct stream_bench bench;
    struct buffer *prefix = NULL;
    struct tls_info info;

    stream_bench_open(&bench);
    if (seed != 0)
        memory_wire_set_random(&bench.wire, seed, 1 + seed % 20);
    if (prefixed && bytes.n > 0)
        prefix = take_prefix(&bench, &bytes);
    memory_wire_feed(&bench.wire, bytes);
    FUZZ_REQUIRE(stream_start_tls_server(&bench.stream, service, &prefix) == IO_OK);
    outcome.status = shake(&bench);
    outcome.failure = bench.stream.failure;
    outcome.set = bench.stream.set;
    if (stream_tls_info(&bench.stream, &info) && info.sni)
        (void)snprintf(outcome.name, sizeof(outcome.name), "%s", info.sni);
    FUZZ_REQUIRE(stream_bench_close(&bench));
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const alpn[] = {"imap"};
    struct slice bytes = fuzz_slice(data, n);
    unsigned options = n > 0 ? data[0] : 0;
    struct tls_service service = {.listener = "imaps",
        .protocol = "imap",
        .alpn_count = options & 4 ? 0 : 1,
        .alpn = alpn,
        .set_count = SETS,
        .sets = sets,
        .strict_sni = options & 1,
        .smtp_fallback = options & 2};
    struct outcome whole;
    struct outcome split;

    begin();
    bytes = slice_after(bytes, 1);
    hello_oracle_check(bytes);
    whole = try(&service, bytes, options & 8, 0);
    split = try(&service, bytes, options & 8, fuzz_seed(bytes));
    FUZZ_REQUIRE(whole.status == split.status && whole.failure == split.failure);
    FUZZ_REQUIRE(whole.set == split.set && strcmp(whole.name, split.name) == 0);
    FUZZ_REQUIRE(whole.status != IO_AGAIN);
    if (bytes.n > 0 && bytes.p[0] != 0x16 && bytes.p[0] != 0x15)
        FUZZ_REQUIRE(whole.failure == STREAM_NOT_TLS);
    return 0;
}
