/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "login_words.h"

static void test_capabilities_are_whole_words(void **state)
{
    assert_true(login_is_disabled(SLICE("IMAP4rev1 LogInDisabled STARTTLS")));
    assert_false(login_is_disabled(SLICE("IMAP4rev1 XLOGINDISABLED LOGINDISABLED2")));
    assert_false(login_is_disabled(SLICE("")));
}

static void test_passwords_are_two_mechanisms(void **state)
{
    assert_true(login_has_plain(SLICE("CRAM-MD5 plain")));
    assert_true(login_has_plain(SLICE("LOGIN")));
    assert_false(login_has_plain(SLICE("CRAM-MD5 PLAIN-CLIENTTOKEN")));
    assert_int_equal(login_offers(SLICE("GSSAPI PLAIN")),
        (unsigned)OPENING_OFFERS_PASSWORDS | (unsigned)OPENING_OFFERS_MECHANISM);
    assert_int_equal(login_offers(SLICE("")), 0);
}

static void test_what_asks_for_tls(void **state)
{
    assert_true(login_wants_tls(SLICE("530 5.7.0 Must issue a STARTTLS command first")));
    assert_true(login_wants_tls(SLICE("-ERR [AUTH] disallowed on non-secure (SSL/TLS) links")));
    assert_true(login_wants_tls(SLICE("a NO [privacyrequired] no")));
    assert_true(login_wants_tls(SLICE("538 Encryption required")));
    assert_true(login_wants_tls(SLICE("tls")));
    assert_false(login_wants_tls(SLICE("-ERR no such user misslt tlsx")));
    assert_false(login_wants_tls(SLICE("")));
}

static void assert_code(const char *text, const char *code)
{
    struct slice got = login_code(slice_from(text));

    if (!slice_equal(got, slice_from(code)))
        fail_msg("%s: %.*s", text, (int)got.n, got.p);
}

/* Only a plain word is a code: what else stands in brackets may repeat what a client said. */
static void test_codes_in_brackets(void **state)
{
    (void)state;
    assert_code("[AUTHENTICATIONFAILED] no", "[AUTHENTICATIONFAILED]");
    assert_code("[SYS/TEMP] later", "[SYS/TEMP]");
    assert_code("(TRYLATER) \"x\"", "(TRYLATER)");
    assert_code("(TRYLATER] x", "");
    assert_code("(SASL \"YQ==\")", "");
    assert_code("[IN-USE]", "[IN-USE]");
    assert_code("no [AUTH]", "");
    assert_code("[ALERT words] no", "");
    assert_code("[]", "");
    assert_code("[AUTH", "");
    assert_code("[A\"B]", "");
    assert_code("[ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ]", "");
    assert_code("", "");
    assert_true(login_code_is_passing(SLICE("[unavailable]")));
    assert_true(login_code_is_passing(SLICE("[SYS/TEMP]")));
    assert_true(login_code_is_passing(SLICE("(TRYLATER)")));
    assert_false(login_code_is_passing(SLICE("[AUTHENTICATIONFAILED]")));
    assert_false(login_code_is_passing(SLICE("[AUTH]")));
    assert_false(login_code_is_passing(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capabilities_are_whole_words),
        cmocka_unit_test(test_passwords_are_two_mechanisms),
        cmocka_unit_test(test_what_asks_for_tls),
        cmocka_unit_test(test_codes_in_brackets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
