/* Rings of nodes that live in their elements. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/list.h"

struct item {
    char before;
    struct list node;
    char name;
};

static struct list list;
static struct item items[4];

static int set_up(void **state)
{
    list_init(&list);
    for (size_t i = 0; i < 4; i++) {
        items[i].name = (char)('a' + i);
        list_init(&items[i].node);
    }
    return 0;
}

/* Both ways round. */
static void assert_list(const char *names)
{
    const struct list *node = list.next;
    size_t n = 0;

    for (; names[n]; n++, node = node->next) {
        assert_ptr_not_equal(node, &list);
        assert_int_equal(LIST_ENTRY(node, struct item, node)->name, names[n]);
        assert_ptr_equal(node->next->prev, node);
    }
    assert_ptr_equal(node, &list);
    assert_int_equal(list_is_empty(&list), n == 0);
}

static void test_joins_at_the_end(void **state)
{
    assert_list("");
    for (size_t i = 0; i < 3; i++)
        list_append(&list, &items[i].node);
    assert_list("abc");
}

static void test_joins_before_another(void **state)
{
    list_append(&list, &items[1].node);
    list_insert_before(&items[1].node, &items[0].node);
    list_insert_before(&list, &items[2].node);
    assert_list("abc");
}

static void test_leaves(void **state)
{
    for (size_t i = 0; i < 4; i++)
        list_append(&list, &items[i].node);
    list_remove(&items[1].node);
    assert_list("acd");
    list_remove(&items[1].node); /* it stands alone */
    assert_list("acd");
    assert_true(list_is_empty(&items[1].node));
    list_remove(&items[3].node);
    list_remove(&items[0].node);
    assert_list("c");
    list_remove(&items[2].node);
    assert_list("");
}

static void test_takes_the_first(void **state)
{
    assert_null(list_shift(&list));
    list_append(&list, &items[0].node);
    list_append(&list, &items[1].node);
    assert_ptr_equal(list_shift(&list), &items[0].node);
    assert_true(list_is_empty(&items[0].node));
    assert_list("b");
    list_append(&list, &items[0].node);
    assert_list("ba");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_joins_at_the_end),
        TEST(test_joins_before_another),
        TEST(test_leaves),
        TEST(test_takes_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
