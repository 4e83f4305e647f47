#include "mailmux/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CAP = 16, LARGE = 100 };

static void a_buffer_is_enlarged_until_it_is_given_back(void **state)
{
    struct buffer_pool pool;
    struct buffer *buffer;
    struct buffer *first;
    char *old;

    (void)state;
    buffer_pool_init(&pool, CAP, 1);
    first = buffer = buffer_take(&pool);
    assert_true(buffer_append(buffer, SLICE("0123456789abcdef")));
    buffer_consume(buffer, 4);
    old = buffer->data;
    assert_true(buffer_enlarge(&pool, buffer, CAP)); /* it is as large */
    assert_ptr_equal(buffer->data, old);
    assert_true(buffer_enlarge(&pool, buffer, LARGE));
    assert_int_equal(pool.extra, LARGE - CAP);
    assert_memory_equal(old, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", CAP);
    assert_true(slice_equal(buffer_held(buffer), SLICE("456789abcdef")));
    assert_int_equal(buffer_room(buffer), LARGE - 12);
    assert_true(buffer_enlarge(&pool, buffer, 2 * LARGE));
    assert_true(slice_equal(buffer_held(buffer), SLICE("456789abcdef")));
    assert_int_equal(pool.extra, 2 * LARGE - CAP);
    buffer_give_cleansed(&pool, &buffer);
    assert_int_equal(pool.extra, 0);
    buffer = buffer_take(&pool);
    assert_ptr_equal(buffer, first);
    assert_int_equal(buffer_room(buffer), CAP);
    buffer_give(&pool, &buffer);
    buffer_pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_enlarged_until_it_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
