/*
 * For the tests of streams that leave the library: one certificate set for a program, from whose
 * sessions a stream may take over. Comes behind cmocka.h.
 */
#ifndef MAILMUX_LEAN_TEST_H
#define MAILMUX_LEAN_TEST_H

#include "tls_bench.h"
#include "tls_lean.h"
#include "tls_set.h"

static struct tls_bench tls;

static inline int setup_group(void **state)
{
    (void)state;
    if (!tls_bench_init(&tls))
        return -1;
    tls_lean_prepare(tls.set->context);
    return 0;
}

static inline int teardown_group(void **state)
{
    (void)state;
    tls_bench_deinit(&tls);
    return 0;
}

#endif
