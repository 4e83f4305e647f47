/* What the library holds for records: a buffer while they are written, and none behind them. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_bench.h"
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

enum { RECORD = 16384, MUCH = STREAM_PIECE };

static size_t held;  /* octets that the library has */
static size_t large; /* how often it has taken as much as a record */

static void *take(size_t n, const char *file, int line)
{
    void *place = malloc(n);

    held += malloc_usable_size(place);
    large += n >= RECORD ? 1 : 0;
    return place;
}

static void give(void *place, const char *file, int line)
{
    held -= malloc_usable_size(place);
    free(place);
}

static void *take_again(void *place, size_t n, const char *file, int line)
{
    void *more;

    held -= malloc_usable_size(place);
    more = realloc(place, n);
    held += malloc_usable_size(more);
    return more;
}

static struct tls_bench tls;

/* Records that follow each other share a buffer, and it goes back behind the last of them. */
static void test_a_buffer_for_records_in_a_row(void **state)
{
    static const char much[MUCH];
    struct stream_bench bench;
    struct memory_tls peer;
    size_t before;
    size_t put;

    (void)state;
    assert_true(tls_bench_shake(&tls, &bench, &peer));
    assert_int_equal(stream_write(&bench.stream, SLICE("one"), &put), IO_OK);
    before = held;
    large = 0;
    assert_int_equal(stream_write(&bench.stream, slice_of(much, MUCH), &put), IO_OK);
    assert_int_equal(put, MUCH);
    assert_int_equal(large, 1);
    assert_int_equal(held, before);
    assert_true(tls_bench_end(&bench, &peer));
}

/* Where not all of them fit, too. */
static void test_none_behind_as_many_as_fit(void **state)
{
    static const char much[2 * CORK_SIZE];
    struct stream_bench bench;
    struct memory_tls peer;
    size_t before;
    size_t put;

    (void)state;
    assert_true(tls_bench_shake(&tls, &bench, &peer));
    assert_int_equal(stream_write(&bench.stream, SLICE("one"), &put), IO_OK);
    before = held;
    assert_int_equal(stream_write(&bench.stream, slice_of(much, sizeof(much)), &put), IO_OK);
    assert_true(put < sizeof(much));
    assert_int_equal(held, before);
    assert_true(tls_bench_end(&bench, &peer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_buffer_for_records_in_a_row),
        cmocka_unit_test(test_none_behind_as_many_as_fit),
    };
    int failed;

    if (CRYPTO_set_mem_functions(take, take_again, give) != 1 || !tls_bench_init(&tls))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_bench_deinit(&tls);
    return failed;
}
