#include "resolve_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 3 * RESOLVE_HOSTS_MAX };

static struct ares_srv_reply replies[MANY];
static char hosts[MANY][300];
static size_t reply_count;

static void add(
    const char *host, unsigned short priority, unsigned short weight, unsigned short port)
{
    struct ares_srv_reply *reply = &replies[reply_count];

    (void)snprintf(hosts[reply_count], sizeof(hosts[0]), "%s", host);
    *reply = (struct ares_srv_reply){
        .host = hosts[reply_count], .priority = priority, .weight = weight, .port = port};
    if (reply_count > 0)
        replies[reply_count - 1].next = reply;
    reply_count++;
}

static size_t left_out;

static size_t take(struct resolve_record records[RESOLVE_HOSTS_MAX], bool *is_declined)
{
    const struct ares_srv_reply *first = reply_count > 0 ? replies : NULL;

    reply_count = 0;
    return resolve_records(first, records, is_declined, &left_out);
}

static void test_order(void **state)
{
    struct resolve_record records[RESOLVE_HOSTS_MAX];
    bool is_declined;

    add("c", 20, 0, 1);
    add("a", 10, 0, 2);
    add("b", 10, 65535, 3);
    add("d", 65535, 5, 65535);
    add("first", 0, 1, 4);
    assert_int_equal(take(records, &is_declined), 5);
    assert_false(is_declined);
    assert_string_equal(records[0].host, "first.");
    assert_string_equal(records[1].host, "a.");
    assert_int_equal(records[1].weight, 1);
    assert_int_equal(records[1].port, 2);
    assert_string_equal(records[2].host, "b.");
    assert_int_equal(records[2].weight, 65535);
    assert_string_equal(records[3].host, "c.");
    assert_string_equal(records[4].host, "d.");
    assert_int_equal(records[4].priority, 65535);
    assert_int_equal(records[4].port, 65535);
}

static void test_the_worst_fall_out(void **state)
{
    struct resolve_record records[RESOLVE_HOSTS_MAX];
    bool is_declined;

    for (unsigned short n = MANY; n > 0; n--)
        add("host.example", n, 0, n);
    assert_int_equal(take(records, &is_declined), RESOLVE_HOSTS_MAX);
    assert_int_equal(left_out, MANY - RESOLVE_HOSTS_MAX);
    for (size_t i = 0; i < RESOLVE_HOSTS_MAX; i++)
        assert_int_equal(records[i].port, i + 1);
    for (unsigned short n = 1; n <= MANY; n++)
        add("host.example", 7, 0, n);
    assert_int_equal(take(records, &is_declined), RESOLVE_HOSTS_MAX);
    assert_int_equal(left_out, MANY - RESOLVE_HOSTS_MAX);
    for (size_t i = 0; i < RESOLVE_HOSTS_MAX; i++)
        assert_int_equal(records[i].port, i + 1);
}

static void test_what_cannot_be_used(void **state)
{
    static const char *const wrong[] = {"two words", "a..b", ".a", "a.", "x\\032y", "x\\.y", "a/b",
        "a:b", "[::1]", "\xc3\xa4.example", "a\r\nb"};
    struct resolve_record records[RESOLVE_HOSTS_MAX];
    char label[65];
    char name[255];
    bool is_declined;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        add(wrong[i], 0, 0, 25);
    add("no.port", 0, 0, 0);
    (void)memset(label, 'x', 64);
    label[64] = '\0';
    add(label, 0, 0, 25);
    (void)memset(name, 'x', 254);
    name[63] = name[127] = name[191] = '.';
    name[254] = '\0';
    add(name, 0, 0, 25);
    assert_int_equal(take(records, &is_declined), 0);
    assert_false(is_declined);

    label[63] = '\0';
    add(label, 0, 0, 25);
    name[253] = '\0';
    add(name, 0, 0, 25);
    add("_under-score.Example", 0, 0, 25);
    assert_int_equal(take(records, &is_declined), 3);
    assert_int_equal(strlen(records[1].host), 254);
}

static void test_declined(void **state)
{
    struct resolve_record records[RESOLVE_HOSTS_MAX];
    bool is_declined;

    add("", 0, 0, 0);
    assert_int_equal(take(records, &is_declined), 0);
    assert_true(is_declined);
    add(".", 0, 0, 25);
    add("host.example", 0, 0, 25);
    assert_int_equal(take(records, &is_declined), 1);
    assert_true(is_declined);
    assert_int_equal(take(records, &is_declined), 0);
    assert_false(is_declined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_the_worst_fall_out),
        cmocka_unit_test(test_what_cannot_be_used),
        cmocka_unit_test(test_declined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
