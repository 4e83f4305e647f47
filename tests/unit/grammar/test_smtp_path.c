/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtp_parts.h"
#include "smtp_path.h"
#include <stdlib.h>
#include <string.h>

static void assert_mailbox(const char *arguments, const char *expected)
{
    struct slice domain = {0};

    if (smtp_path_parse(slice_from(arguments), &domain) != SMTP_PATH_MAILBOX)
        fail_msg("%s: not taken for a mailbox", arguments);
    if (!slice_equal(domain, slice_from(expected)))
        fail_msg("%s: the domain is \"%.*s\"", arguments, (int)domain.n, domain.p);
}

static void assert_path(const char *arguments, enum smtp_path expected)
{
    struct slice domain = SLICE("untouched");
    enum smtp_path path = smtp_path_parse(slice_from(arguments), &domain);

    if (path != expected)
        fail_msg("%s: %d, expected %d", arguments, (int)path, (int)expected);
    assert_true(slice_equal(domain, SLICE("untouched")));
}

static void test_mailboxes(void **state)
{
    assert_mailbox("TO:<u@example.org>", "example.org");
    assert_mailbox("to:<u@EXAMPLE.org>", "EXAMPLE.org");
    assert_mailbox("TO:<first.last+tag=x/y#$&'*-?^_`{|}~@example.org>", "example.org");
    assert_mailbox("TO:<a..b.@example.org>", "example.org"); /* some people have such names */
    assert_mailbox("TO:<u@example.org.>", "example.org");
    assert_mailbox("TO:<u@a-b_c.1.example>", "a-b_c.1.example");
    assert_mailbox("TO:<u@localhost>", "localhost");
    assert_mailbox("TO:<u@b\xc3\xbc"
                   "cher.example>",
        "b\xc3\xbc"
        "cher.example");
    assert_mailbox("TO:<\xc3\xbc@example.org>", "example.org");
    assert_mailbox("TO:<postmaster@example.org>", "example.org");
}

static void test_quoted_local_parts(void **state)
{
    assert_mailbox("TO:<\"a b\"@example.org>", "example.org");
    assert_mailbox("TO:<\"a>b\"@example.org>", "example.org");
    assert_mailbox("TO:<\"a\\\"b\\\\\"@example.org>", "example.org");
    assert_mailbox("TO:<\"\"@example.org>", "example.org");
    assert_mailbox("TO:<\"<u,v;w:(x)\"@example.org> NOTIFY=NEVER", "example.org");
}

static void test_literals(void **state)
{
    assert_mailbox("TO:<u@[192.0.2.1]>", "[192.0.2.1]");
    assert_mailbox("TO:<u@[IPv6:2001:db8::1]>", "[IPv6:2001:db8::1]");
    assert_path("TO:<u@[192.0.2.1>", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@[192.0.2.1].example.org>", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@[a@b]>", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@[192.0.2.1]@example.org>", SMTP_PATH_ROUTE);
}

static void test_without_brackets(void **state)
{
    assert_mailbox("TO:u@example.org", "example.org");
    assert_mailbox("TO: u@example.org", "example.org");
    assert_mailbox("TO:\t<u@example.org>", "example.org");
    assert_mailbox("TO:u@example.org NOTIFY=NEVER", "example.org");
    assert_mailbox("TO:\"a b\"@example.org", "example.org");
    assert_path("TO:u@example.org>", SMTP_PATH_MALFORMED);
    assert_path("TO:u@example.org, v@other.example", SMTP_PATH_MALFORMED);
    assert_path("TO:u@example.org v@other.example", SMTP_PATH_MALFORMED);
    assert_path("TO:User <u@example.org>", SMTP_PATH_MALFORMED);
    assert_path("TO:u%other.example@example.org", SMTP_PATH_ROUTE);
}

static void test_parameters(void **state)
{
    assert_mailbox(
        "TO:<u@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;u@other.example", "example.org");
    assert_mailbox("TO:<u@example.org>  RRVS=2014-04-03T23:01:00Z", "example.org");
    assert_mailbox("TO:<u@example.org> X", "example.org");
    assert_path("TO:<u@example.org>NOTIFY=NEVER", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@example.org> <v@other.example>", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@example.org> X=<v@other.example>", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@example.org> v@other.example", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@example.org> =x", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@example.org> -x=y", SMTP_PATH_MALFORMED);
    assert_path("TO:<u@example.org>>", SMTP_PATH_MALFORMED);
}

static void test_postmaster(void **state)
{
    assert_path("TO:<postmaster>", SMTP_PATH_POSTMASTER);
    assert_path("TO:<PostMaster> NOTIFY=NEVER", SMTP_PATH_POSTMASTER);
    assert_path("TO:postmaster", SMTP_PATH_POSTMASTER);
    assert_path("TO:<postmaster@>", SMTP_PATH_MALFORMED);
    assert_path("TO:<\"postmaster\">", SMTP_PATH_MALFORMED);
    assert_path("TO:<postmasters>", SMTP_PATH_MALFORMED);
    assert_path("TO:<u>", SMTP_PATH_MALFORMED);
}

/* Whatever makes one server deliver here makes another one send the message on. */
static void test_routes(void **state)
{
    assert_path("TO:<@example.org:u@other.example>", SMTP_PATH_ROUTE);
    assert_path("TO:<@example.org,@b.example:u@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:@example.org:u@other.example", SMTP_PATH_ROUTE);
    assert_path("TO:<u%other.example@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<other.example!u@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<u@other.example@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<\"u@other.example\"@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<\"u%other.example\"@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<\"other.example!u\"@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<\"u\\@other.example\"@example.org>", SMTP_PATH_ROUTE);
    assert_path("TO:<u%other.example>", SMTP_PATH_ROUTE);
    assert_path("TO:<other.example!u>", SMTP_PATH_ROUTE);
    assert_path("TO:<\"u@other.example\">", SMTP_PATH_ROUTE);
    assert_path("TO:<postmaster%other.example>", SMTP_PATH_ROUTE);
    assert_path("TO:<u@example.org@other.example>", SMTP_PATH_ROUTE);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {"", "TO", "TO:", "TO:<", "TO:<>", "TO:>", "TO:< >", "TO:<@",
        "TO <u@example.org>", "TO :<u@example.org>", "FROM:<u@example.org>", "<u@example.org>",
        "u@example.org", "TO:<u@example.org", "TO:<u@>", "TO:<@example.org>", "TO:<u@.example.org>",
        "TO:<u@example..org>", "TO:<u@.>", "TO:<u@#3221225985>", "TO:<u@exa mple.org>",
        "TO:< u@example.org>", "TO:<u@example.org >", "TO:<u @example.org>", "TO:<<u@example.org>>",
        "TO:<(x)u@example.org>", "TO:<u@example.org(x)>", "TO:<u,v@example.org>",
        "TO:<list:u@example.org;>", "TO:<u\\@other.example@example.org>", "TO:<\"u@example.org>",
        "TO:<\"u\"v@example.org>", "TO:<v\"u\"@example.org>", "TO:<\"u\".\"v\"@example.org>",
        "TO:<\"u\\", "TO:<\"u\t\"@example.org>", "TO:<u\x01@example.org>", "TO:<u@example.org\x7f>",
        "TO:<u@example.org:25>", "TO:<u@example.org/x>"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct slice domain;
        enum smtp_path path = smtp_path_parse(slice_from(texts[i]), &domain);

        if (path == SMTP_PATH_MAILBOX || path == SMTP_PATH_POSTMASTER)
            fail_msg("%s: taken", texts[i]);
    }
}

/* No read beyond the slice, wherever it is cut. */
static void test_every_beginning(void **state)
{
    static const char *const wholes[] = {"TO:<\"a\\\"b\"@[IPv6:2001:db8::1]> NOTIFY=NEVER",
        "TO:<@a,@b:u@c>", "TO:u@example.org X=Y", "TO:<postmaster> X"};

    for (size_t i = 0; i < sizeof(wholes) / sizeof(*wholes); i++) {
        for (size_t n = 0; n <= strlen(wholes[i]); n++) {
            char *copy = malloc(n > 0 ? n : 1); /* the sanitizer watches its end */
            struct slice domain;

            assert_non_null(copy);
            memcpy(copy, wholes[i], n);
            (void)smtp_path_parse(slice_of(copy, n), &domain);
            free(copy);
        }
    }
}

static bool matches(const char *domain, const char *pattern)
{
    return smtp_domain_matches(slice_from(domain), slice_from(pattern));
}

static void test_domains(void **state)
{
    assert_true(matches("example.org", "example.org"));
    assert_true(matches("EXAMPLE.Org", "example.ORG"));
    assert_false(matches("a.example.org", "example.org"));
    assert_false(matches("xexample.org", "example.org"));
    assert_true(matches("a.example.org", "*.example.org"));
    assert_true(matches("a.b.EXAMPLE.org", "*.example.org"));
    assert_false(matches("example.org", "*.example.org"));
    assert_false(matches(".example.org", "*.example.org"));
    assert_false(matches("xexample.org", "*.example.org"));
    assert_false(matches("example.org.evil.example", "*.example.org"));
    assert_true(matches("[192.0.2.1]", "[192.0.2.1]"));
    assert_true(matches("[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"));
    assert_false(matches("[192.0.2.1]", "192.0.2.1"));
    assert_true(matches("b\xc3\xbc"
                        "cher.example",
        "b\xc3\xbc"
        "cher.example"));
    assert_false(matches("b\xc3\x9c"
                         "cher.example",
        "b\xc3\xbc"
        "cher.example"));
}

static void assert_text(const char *arguments, const char *keyword, const char *path)
{
    struct slice got = smtp_path_text(slice_from(arguments), slice_from(keyword));

    if (!slice_equal(got, slice_from(path)))
        fail_msg("%s: %.*s", arguments, (int)got.n, got.p);
}

/* For the log: the path, and no parameter. */
static void test_the_text_of_a_path(void **state)
{
    (void)state;
    assert_text("TO:<a@b.test>", "TO:", "<a@b.test>");
    assert_text("from: <a@b.test> SIZE=1 AUTH=<c@d.test>", "FROM:", "<a@b.test>");
    assert_text("FROM:<>", "FROM:", "<>");
    assert_text("TO:a@b.test NOTIFY=NEVER", "TO:", "a@b.test");
    assert_text("TO:<a@b.test", "TO:", "<a@b.test");
    assert_text("TO:", "TO:", "");
    assert_text("", "TO:", "");
    assert_text("<a@b.test>", "TO:", "<a@b.test>");
}

static void test_enhanced_codes(void **state)
{
    static const char *const codes[][2] = {{"5.7.8 no", "5.7.8"}, {"4.7.0", "4.7.0"},
        {"5.999.999 x", "5.999.999"}, {"5.7 no", ""}, {"no 5.7.8", ""}, {"5.7.8.9", "5.7.8"},
        {"192.168.100.200 is no code", ""}, {"", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        struct slice got = smtp_enhanced_code(slice_from(codes[i][0]));

        if (!slice_equal(got, slice_from(codes[i][1])))
            fail_msg("%s: %.*s", codes[i][0], (int)got.n, got.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_quoted_local_parts),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_without_brackets),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_postmaster),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_every_beginning),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_the_text_of_a_path),
        cmocka_unit_test(test_enhanced_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
