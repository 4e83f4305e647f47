/* When memory is given back: after a burst, and at no other time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_return.h"
#include <string.h>

static struct memory_return memory;
static struct totals totals;
static unsigned given_back;

int __wrap_malloc_trim(size_t pad);

int __wrap_malloc_trim(size_t pad)
{
    assert_int_equal(pad, 0);
    given_back++;
    return 1;
}

static int set_up(void **state)
{
    memory = (struct memory_return){0};
    memset(&totals, 0, sizeof(totals));
    given_back = 0;
    return 0;
}

/* There are so many sessions now, as a session counts itself, and then the main thread looks. */
static void look(uint64_t alive)
{
    atomic_store(&totals.alive, alive);
    if (alive > atomic_load(&totals.most_alive))
        atomic_store(&totals.most_alive, alive);
    memory_return_look(&memory, &totals);
}

static void test_after_a_burst_and_once(void **state)
{
    look(0);
    look(10000);
    look(10000);
    look(40);
    assert_int_equal(given_back, 0); /* they may still be going */
    look(38);
    assert_int_equal(given_back, 1);
    look(38);
    look(0);
    assert_int_equal(given_back, 1);
    look(10000);
    look(10);
    look(10);
    assert_int_equal(given_back, 2); /* and after the next one */
}

/* The last of a burst may take long: it is not waited for. */
static void test_while_a_few_still_go(void **state)
{
    look(10000);
    look(3000);
    look(2500);
    assert_int_equal(given_back, 1);
    look(1000);
    look(900);
    assert_int_equal(given_back, 2);
}

static void test_not_in_usual_times(void **state)
{
    for (int i = 0; i < 1000; i++) {
        look(5000);
        look(3000);
        look(3000);
    }
    assert_int_equal(given_back, 0);
}

/* It came and went between two looks. */
static void test_after_a_short_one(void **state)
{
    look(0);
    atomic_store(&totals.most_alive, 5000);
    look(0);
    assert_int_equal(given_back, 1);
}

static void test_not_for_a_few(void **state)
{
    look(255);
    look(0);
    look(0);
    assert_int_equal(given_back, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_after_a_burst_and_once),
        TEST(test_while_a_few_still_go),
        TEST(test_not_in_usual_times),
        TEST(test_after_a_short_one),
        TEST(test_not_for_a_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
