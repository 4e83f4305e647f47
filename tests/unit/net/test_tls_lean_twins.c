/*
 * Records of our own beside the library's, with random scripts and cut at every place. For a longer
 * run RECORD_TWINS in the environment says how many records each way there are at least, and
 * RECORD_SEED which scripts; with RECORD_CUTS every cut is tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lean_test.h"
#include "record_twins.h"
#include <stdlib.h>

enum { SCRIPT = 1200, RECORDS = 3000 };

static size_t wanted(void)
{
    const char *text = getenv("RECORD_TWINS");

    return text ? strtoul(text, NULL, 10) : RECORDS;
}

/* Of how many cuts one is tried. */
static size_t step(size_t otherwise)
{
    return getenv("RECORD_CUTS") ? 1 : otherwise;
}

static void test_the_same_as_the_library(void **state)
{
    const char *seed = getenv("RECORD_SEED");
    uint64_t random = seed ? strtoul(seed, NULL, 10) | 1 : 88172645463325252u;
    struct record_count count = {0};
    uint8_t script[SCRIPT];

    (void)state;
    for (unsigned long round = 0; count.read < wanted() || count.written < wanted(); round++) {
        const char *difference;

        for (size_t i = 0; i < SCRIPT; i++)
            script[i] = (uint8_t)(memory_random(&random) >> 24);
        difference = record_twins_play(&tls, script, sizeof(script), &count);
        if (difference)
            fail_msg("round %lu, record %zu: %s differs", round, count.read, difference);
    }
    print_message("%zu records read, %zu written\n", count.read, count.written);
}

static void test_cut_at_every_place(void **state)
{
    struct record_count count = {0};

    (void)state;
    for (int kind = 0; kind < 2 * TRAFFIC_SUITES; kind++) {
        enum traffic_suite suite = (enum traffic_suite)(kind / 2);
        bool is_client = kind % 2 == 1;
        const char *difference = record_twins_cut_short(&tls, is_client, suite, step(97), &count);

        if (!difference)
            difference = record_twins_cut_large(&tls, is_client, suite, step(1031), &count);
        if (difference)
            fail_msg("%s differs (suite %d, client %d)", difference, suite, is_client);
    }
    print_message("%zu records read, %zu written\n", count.read, count.written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_as_the_library),
        cmocka_unit_test(test_cut_at_every_place),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
