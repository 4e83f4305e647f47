/*
 * Target: records of TLS 1.3 that mailmux opens and seals itself (net/tls_lean.c, tls_record.c).
 * Input: a script of what a peer sends and of what is written (tests/harness/record_twins.c).
 * Holds: they do what a stream of the library does with the same octets: the same plaintext, the
 * same octets sent, the same end.
 */
#include "fuzz.h"
#include "record_twins.h"
#include "tls_lean.h"
#include "tls_set.h"

static struct tls_bench tls;

static void end(void)
{
    tls_bench_deinit(&tls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *difference;
    struct record_count count = {0};

    if (!tls.set) {
        FUZZ_REQUIRE(tls_bench_init(&tls));
        tls_lean_prepare(tls.set->context);
        (void)atexit(end);
    }
    difference = record_twins_play(&tls, data, n, &count);
    if (difference)
        (void)fprintf(stderr, "%s differs\n", difference);
    FUZZ_REQUIRE(!difference);
    return 0;
}
