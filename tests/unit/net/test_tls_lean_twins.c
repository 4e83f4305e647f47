/*
 * Records of our own beside the library's, with random scripts. RECORD_TWINS in the environment
 * says how many records there are at least, for a longer run; RECORD_SEED which scripts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "record_twins.h"
#include "tls_lean.h"
#include "tls_set.h"
#include <stdlib.h>

enum { SCRIPT = 600, RECORDS = 3000 };

static struct tls_bench tls;

static int setup_group(void **state)
{
    (void)state;
    if (!tls_bench_init(&tls))
        return -1;
    tls_lean_prepare(tls.set->context);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    tls_bench_deinit(&tls);
    return 0;
}

static void test_the_same_as_the_library(void **state)
{
    const char *wanted = getenv("RECORD_TWINS");
    size_t least = wanted ? strtoul(wanted, NULL, 10) : RECORDS;
    size_t records = 0;
    const char *seed = getenv("RECORD_SEED");
    uint64_t random = seed ? strtoul(seed, NULL, 10) | 1 : 88172645463325252u;
    uint8_t script[SCRIPT];

    (void)state;
    for (unsigned long round = 0; records < least; round++) {
        const char *difference;

        for (size_t i = 0; i < SCRIPT; i++)
            script[i] = (uint8_t)(memory_random(&random) >> 24);
        difference = record_twins_play(&tls, script, sizeof(script), &records);
        if (difference)
            fail_msg("round %lu, record %zu: %s differs", round, records, difference);
    }
    print_message("%zu records\n", records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_same_as_the_library)};

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
