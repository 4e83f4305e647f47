/* Reasons for an end: each has its words, and no two the same. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/reason.h"
#include <ctype.h>
#include <string.h>

#define COUNT(name, text, party, attack) +1
enum { REASON_COUNT = 0 REASONS(COUNT) };

/* Logs are searched by them. */
static void assert_word(const char *text)
{
    assert_non_null(text);
    assert_true(text[0] != '\0');
    for (; *text; text++)
        assert_true(islower((unsigned char)*text) || *text == '-');
}

static void test_each_has_a_word_of_its_own(void **state)
{
    for (int i = 0; i < REASON_COUNT; i++) {
        assert_word(reason_text((enum reason)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(reason_text((enum reason)i), reason_text((enum reason)j));
    }
}

static void test_each_kind_of_attack_has_one(void **state)
{
    for (int i = 0; i < ATTACK_KINDS; i++) {
        assert_word(attack_text((enum attack)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(attack_text((enum attack)i), attack_text((enum attack)j));
    }
}

static void test_who_ended_it(void **state)
{
    assert_string_equal(party_text(reason_party(REASON_CLIENT_RESET)), "client");
    assert_string_equal(party_text(reason_party(REASON_SERVER_CLOSED)), "server");
    assert_string_equal(party_text(reason_party(REASON_TIMEOUT_IDLE)), "proxy");
}

/* What a peer that is only unlucky does is no attack; what it is counted as otherwise. */
static void test_what_is_counted(void **state)
{
    assert_int_equal(reason_attack(REASON_QUIT), ATTACK_NONE);
    assert_int_equal(reason_attack(REASON_CLIENT_RESET), ATTACK_NONE);
    assert_int_equal(reason_attack(REASON_INJECTION), ATTACK_INJECTION);
    assert_int_equal(reason_attack(REASON_SMUGGLING), ATTACK_SMUGGLING);
    assert_int_equal(reason_attack(REASON_TOO_MANY_SESSIONS), ATTACK_FLOOD);
    for (int i = 0; i < REASON_COUNT; i++) {
        if (reason_attack((enum reason)i) != ATTACK_NONE) /* no server attacks its clients */
            assert_int_equal(reason_party((enum reason)i), PARTY_PROXY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_a_word_of_its_own),
        cmocka_unit_test(test_each_kind_of_attack_has_one),
        cmocka_unit_test(test_who_ended_it),
        cmocka_unit_test(test_what_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
