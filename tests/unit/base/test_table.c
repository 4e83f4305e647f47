/* Values by keys: many of them, replaced ones, and keys that are nearly alike. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/table.h"
#include <stdio.h>

enum { MANY = 5000, NAME_MAX_OCTETS = 24 };

static char names[MANY][NAME_MAX_OCTETS];
static struct table table;

static int empty(void **state)
{
    table_free(&table);
    return 0;
}

static void test_nothing_is_in_an_empty_one(void **state)
{
    assert_null(table_get(&table, SLICE("a")));
    assert_null(table_get(&table, SLICE("")));
}

static void test_finds_each_of_many(void **state)
{
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%zu.example.org", i);
        assert_true(table_put(&table, slice_from(names[i]), names[i]));
    }
    assert_int_equal(table.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(table_get(&table, slice_from(names[i])), names[i]);
    assert_null(table_get(&table, SLICE("n5000.example.org")));
    assert_null(table_get(&table, SLICE("n1.example.or")));
    assert_null(table_get(&table, SLICE("n1.example.orgs")));
}

static void test_a_key_has_one_value(void **state)
{
    int first;
    int second;

    assert_true(table_put(&table, SLICE("key"), &first));
    assert_true(table_put(&table, SLICE("key"), &second));
    assert_int_equal(table.count, 1);
    assert_ptr_equal(table_get(&table, SLICE("key")), &second);
}

/* A NUL is an octet as any other, and the empty key is a key. */
static void test_keys_are_octets(void **state)
{
    int with_nul;
    int without;
    int none;

    assert_true(table_put(&table, slice_of("a\0b", 3), &with_nul));
    assert_true(table_put(&table, SLICE("a"), &without));
    assert_true(table_put(&table, SLICE(""), &none));
    assert_ptr_equal(table_get(&table, slice_of("a\0b", 3)), &with_nul);
    assert_ptr_equal(table_get(&table, SLICE("a")), &without);
    assert_ptr_equal(table_get(&table, SLICE("")), &none);
}

static void count(void *owner, void *value)
{
    size_t *visits = owner;

    assert_in_range((uintptr_t)value, (uintptr_t)names, (uintptr_t)names + sizeof(names) - 1);
    ++*visits;
}

static void test_visits_each_value_once(void **state)
{
    size_t visits = 0;

    test_finds_each_of_many(state);
    table_each(&table, count, &visits);
    assert_int_equal(visits, MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_nothing_is_in_an_empty_one, empty),
        cmocka_unit_test_teardown(test_finds_each_of_many, empty),
        cmocka_unit_test_teardown(test_a_key_has_one_value, empty),
        cmocka_unit_test_teardown(test_keys_are_octets, empty),
        cmocka_unit_test_teardown(test_visits_each_value_once, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
