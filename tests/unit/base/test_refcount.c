/* The last one to let go is told so, once, and in time to free what was shared. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/refcount.h"
#include <pthread.h>

static void test_the_last_one(void **state)
{
    struct refcount count;

    refcount_init(&count);
    refcount_take(&count);
    refcount_take(&count);
    assert_false(refcount_drop(&count));
    assert_false(refcount_drop(&count));
    assert_true(refcount_drop(&count));
}

enum { THREADS = 4, ROUNDS = 10000 };

static struct refcount shared;

/* Comes with a reference, and leaves without. NULL: it was not the last. */
static void *hold(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        refcount_take(&shared);
        if (refcount_drop(&shared))
            return &shared;
    }
    return refcount_drop(&shared) ? &shared : NULL;
}

static void test_among_threads(void **state)
{
    pthread_t threads[THREADS];
    void *last;

    refcount_init(&shared);
    for (int i = 0; i < THREADS; i++) {
        refcount_take(&shared);
        assert_int_equal(pthread_create(&threads[i], NULL, hold, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &last), 0);
        assert_null(last);
    }
    assert_true(refcount_drop(&shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_one),
        cmocka_unit_test(test_among_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
