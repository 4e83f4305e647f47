/* Lines that wait, and the count of those for which there was no room. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_ring.h"
#include <stdio.h>
#include <string.h>

enum { SIZE = 400 };

static char bytes[SIZE];
static struct log_ring ring;

static int set_up(void **state)
{
    log_ring_init(&ring, bytes, sizeof(bytes));
    return 0;
}

static void put(unsigned number)
{
    char line[32];
    int n = snprintf(line, sizeof(line), "line %u", number);

    log_ring_put(&ring, slice_of(line, (size_t)n));
}

/* Returns the lines that were lost before it. */
static uint64_t assert_next(unsigned number)
{
    char expected[32];
    char line[SIZE];
    uint64_t lost = 0;
    size_t n = log_ring_take(&ring, line, &lost);

    (void)snprintf(expected, sizeof(expected), "line %u", number);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(line, expected, n);
    return lost;
}

static uint64_t assert_empty(void)
{
    char line[SIZE];
    uint64_t lost = 0;

    assert_int_equal(log_ring_take(&ring, line, &lost), 0);
    return lost;
}

static void test_lines_come_out_in_their_order_at_every_wrap(void **state)
{
    put(0);
    for (unsigned number = 1; number < 1000; number++) {
        put(number);
        assert_int_equal(assert_next(number - 1), 0);
    }
    assert_int_equal(assert_next(999), 0);
    assert_int_equal(assert_empty(), 0);
}

/* Puts lines until some are lost. Returns how many lines are in the ring. */
static unsigned fill(unsigned lost)
{
    unsigned kept = 0;

    while (ring.lost == 0)
        put(kept++);
    for (unsigned n = 1; n < lost; n++)
        put(1000);
    return kept - 1;
}

static void test_what_was_lost_is_told_where_it_is_missing(void **state)
{
    unsigned kept = fill(5);

    for (unsigned number = 0; number < kept; number++)
        assert_int_equal(assert_next(number), 0);
    put(7);
    put(8);
    assert_int_equal(assert_next(7), 5);
    assert_int_equal(assert_next(8), 0);
    assert_int_equal(assert_empty(), 0);
}

static void test_what_was_lost_last_is_told_behind_all(void **state)
{
    unsigned kept = fill(3);

    for (unsigned number = 0; number < kept; number++)
        assert_int_equal(assert_next(number), 0);
    assert_int_equal(assert_empty(), 3);
    assert_int_equal(assert_empty(), 0);
}

/* A reader that is slow gets one gap, not one between any two lines. */
static void test_a_gap_lasts_until_a_quarter_is_free(void **state)
{
    unsigned kept = fill(1);

    assert_int_equal(assert_next(0), 0);
    put(1000);
    assert_int_equal(ring.lost, 2);
    for (unsigned number = 1; number <= kept / 2; number++)
        assert_int_equal(assert_next(number), 0);
    put(2000);
    assert_int_equal(ring.lost, 0);
    for (unsigned number = kept / 2 + 1; number < kept; number++)
        assert_int_equal(assert_next(number), 0);
    assert_int_equal(assert_next(2000), 2);
}

/* Lines that go out together: as many as fit, and none behind a gap. */
static void test_more_lines_of_a_piece(void **state)
{
    char line[SIZE];

    assert_int_equal(log_ring_take_more(&ring, line, sizeof(line)), 0);
    put(1);
    put(2);
    assert_int_equal(log_ring_take_more(&ring, line, strlen("line 1") - 1), 0);
    assert_int_equal(log_ring_take_more(&ring, line, strlen("line 1")), strlen("line 1"));
    assert_memory_equal(line, "line 1", strlen("line 1"));
    assert_int_equal(assert_next(2), 0);
}

static void test_a_piece_ends_at_a_gap(void **state)
{
    unsigned kept = fill(1);
    char line[SIZE];

    for (unsigned number = 0; number < kept; number++)
        assert_int_equal(assert_next(number), 0);
    put(7);
    assert_int_equal(log_ring_take_more(&ring, line, sizeof(line)), 0);
    assert_int_equal(assert_next(7), 1);
}

/* It begins anew whenever it is empty, so a ring that is hardly used stays small in memory. */
static void test_an_empty_ring_begins_anew(void **state)
{
    for (unsigned number = 0; number < 10; number++) {
        put(number);
        assert_int_equal(ring.first, 0);
        assert_int_equal(assert_next(number), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_come_out_in_their_order_at_every_wrap),
        TEST(test_what_was_lost_is_told_where_it_is_missing),
        TEST(test_what_was_lost_last_is_told_behind_all),
        TEST(test_a_gap_lasts_until_a_quarter_is_free),
        TEST(test_more_lines_of_a_piece),
        TEST(test_a_piece_ends_at_a_gap),
        TEST(test_an_empty_ring_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
