/* Names that clients ask for, and the set that serves each. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_set.h"
#include <stdlib.h>
#include <string.h>

static bool normalises(const char *name, const char *expected)
{
    char out[TLS_HOST_MAX + 1];

    return tls_names_normalise(slice_from(name), out) && strcmp(out, expected) == 0;
}

static void test_names(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", ".a", "a..b", "a b", "a/b", "*.a", "a\xc3\xa4", "a:25", "a.."};
    char out[TLS_HOST_MAX + 1];
    char longest[TLS_HOST_MAX + 3];

    assert_true(normalises("Mail.EXAMPLE.org", "mail.example.org"));
    assert_true(normalises("mail.example.org.", "mail.example.org"));
    assert_true(normalises("_a-1.b", "_a-1.b"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(tls_names_normalise(slice_from(bad[i]), out));
    assert_false(tls_names_normalise(slice_of("a\0b", 3), out));
    memset(longest, 'a', sizeof(longest));
    assert_true(tls_names_normalise(slice_of(longest, TLS_HOST_MAX), out));
    assert_false(tls_names_normalise(slice_of(longest, TLS_HOST_MAX + 1), out));
    longest[TLS_HOST_MAX] = '.';
    assert_true(tls_names_normalise(slice_of(longest, TLS_HOST_MAX + 1), out));
}

/* ---- Choosing ---- */

static char *first_names[] = {"mail.example.org", "*.example.org", "*.deep.example.org"};
static char *second_names[] = {"imap.example.org", "*.example.net", "mail.example.org"};
static struct tls_set first = {.names = first_names, .name_count = 3};
static struct tls_set second = {.names = second_names, .name_count = 3};

static size_t claim_only;

static void fill(struct tls_set *set)
{
    for (size_t i = 0; i < set->name_count; i++)
        assert_true(table_put(&set->by_name, slice_from(set->names[i]), set->names[i]));
}

static const struct tls_set *chosen(const char *name)
{
    struct tls_set *const sets[] = {&first, &second};
    const struct tls_service service = {.set_count = 2, .claim_only = claim_only, .sets = sets};
    const struct tls_set *set;

    fill(&first);
    fill(&second);
    set = tls_names_choose(&service, name).set;
    table_free(&first.by_name);
    table_free(&second.by_name);
    return set;
}

/* Of any set, before a wildcard of any; among equals the first. */
static void test_an_exact_name_wins(void **state)
{
    assert_ptr_equal(chosen("imap.example.org"), &second);
    assert_ptr_equal(chosen("mail.example.org"), &first);
    assert_ptr_equal(chosen("pop.example.org"), &first);
}

/* Of any set, even where others have the name itself; and no other name of a set at the end. */
static void test_a_claim_comes_before_all_names(void **state)
{
    static char wildcard[] = "*.example.org";
    static char exact[] = "pop.example.org";

    (void)state;
    assert_true(table_put(&second.by_claim, SLICE("*.example.org"), wildcard));
    assert_ptr_equal(chosen("mail.example.org"), &second);
    assert_ptr_equal(chosen("a.deep.example.org"), &first);
    assert_true(table_put(&first.by_claim, SLICE("pop.example.org"), exact));
    assert_ptr_equal(chosen("pop.example.org"), &first);
    claim_only = 1;
    assert_ptr_equal(chosen("any.example.org"), &second);
    assert_null(chosen("a.example.net"));
    claim_only = 0;
    assert_ptr_equal(chosen("a.example.net"), &second);
    table_free(&first.by_claim);
    table_free(&second.by_claim);
}

/* It stands for one label, the first. */
static void test_wildcards(void **state)
{
    assert_ptr_equal(chosen("a.example.net"), &second);
    assert_ptr_equal(chosen("a.deep.example.org"), &first);
    assert_null(chosen("a.b.example.net"));
    assert_null(chosen("example.net"));
    assert_null(chosen("example.com"));
    assert_null(chosen("org"));
}

/* ---- Names that are told ---- */

static bool load(const char *name, struct tls_set *set, struct tls_fault *fault)
{
    const char *const names[] = {"good.example", name};
    const struct tls_set_parameters parameters = {.name_count = 2, .names = names};

    *set = (struct tls_set){0};
    return tls_names_load(set, &parameters, fault);
}

static void forget(struct tls_set *set)
{
    for (size_t i = 0; i < set->name_count; i++)
        free(set->names[i]);
    free(set->names);
    table_free(&set->by_name);
}

static void test_names_that_are_told(void **state)
{
    static const char *const bad[] = {"*", "*.", "*.*.a", "a.*.b", "", "a b"};
    struct tls_fault fault = {0};
    struct tls_set set;

    assert_true(load("*.Example.ORG", &set, &fault));
    assert_int_equal(set.name_count, 2);
    assert_string_equal(set.names[1], "*.example.org");
    forget(&set);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(load(bad[i], &set, &fault));
        assert_int_equal(fault.culprit, TLS_CULPRIT_NAMES);
        assert_int_equal(fault.index, 1);
        assert_non_null(strstr(fault.error.text, "is no host name; expected mail.example.org"));
        forget(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_an_exact_name_wins),
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_a_claim_comes_before_all_names),
        cmocka_unit_test(test_names_that_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
