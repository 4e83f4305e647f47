/* Counts by the name of a listener: one writer for each, any number of readers. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tally.h"
#include <pthread.h>

static void test_each_listener_has_its_own(void **state)
{
    struct tallies tallies = {NULL};
    uint64_t sum[TALLY_KINDS] = {0};
    struct tally *a = tallies_of(&tallies, "a");
    struct tally *b = tallies_of(&tallies, "b");

    tally_add(a, TALLY_BEGUN, 2);
    tally_add(b, TALLY_BYTES_IN, 7);
    assert_ptr_equal(tallies_of(&tallies, "a"), a);
    tally_add(tallies_of(&tallies, "a"), TALLY_BEGUN, 1);
    tallies_sum(&tallies, "a", sum);
    assert_int_equal(sum[TALLY_BEGUN], 3);
    assert_int_equal(sum[TALLY_BYTES_IN], 0);
    tallies_sum(&tallies, "a", sum); /* it adds to what is there, for the next thread's */
    assert_int_equal(sum[TALLY_BEGUN], 6);
    tallies_sum(&tallies, "nothing", sum);
    assert_int_equal(sum[TALLY_BYTES_IN], 0);
    tallies_deinit(&tallies);
    tallies_deinit(&tallies);
}

static void test_a_missing_one_counts_nothing(void **state)
{
    tally_add(NULL, TALLY_BEGUN, 1);
}

enum { ROUNDS = 20000 };

static void *write_on(void *argument)
{
    static const char *const names[] = {"a", "b", "c"};

    for (int i = 0; i < ROUNDS; i++)
        tally_add(tallies_of(argument, names[i % 3]), TALLY_ENDED, 1);
    return NULL;
}

/* ThreadSanitizer looks at it as well. */
static void test_it_is_read_while_it_is_written(void **state)
{
    struct tallies tallies = {NULL};
    uint64_t sum[TALLY_KINDS] = {0};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, write_on, &tallies), 0);
    for (int i = 0; i < ROUNDS && sum[TALLY_ENDED] < ROUNDS / 4; i++) {
        sum[TALLY_ENDED] = 0;
        tallies_sum(&tallies, "c", sum);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    sum[TALLY_ENDED] = 0;
    for (const char *const *name = (const char *const[]){"a", "b", "c", NULL}; *name; name++)
        tallies_sum(&tallies, *name, sum);
    assert_int_equal(sum[TALLY_ENDED], ROUNDS);
    tallies_deinit(&tallies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_listener_has_its_own),
        cmocka_unit_test(test_a_missing_one_counts_nothing),
        cmocka_unit_test(test_it_is_read_while_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
