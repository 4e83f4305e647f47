#include "feeder.h"
#include "pop3_parts.h"

static struct feeder feeder;

static enum greeting greet(const char *text, size_t *used)
{
    return protocol_pop3.greeting(slice_from(text), 100, used);
}

static void greetings_are_classified(void **state)
{
    size_t used = 0;

    (void)state;
    assert_int_equal(greet("+OK", &used), GREETING_MORE);
    assert_int_equal(greet("+OK\r\nmore", &used), GREETING_READY);
    assert_int_equal(used, 5);
    assert_int_equal(greet("-ERR busy\n", &used), GREETING_REFUSED);
    assert_int_equal(greet("+ OK\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("+OKAY\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("-ERROR\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("+OK a\rb\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("\r\n", &used), GREETING_WRONG);
}

static void statuses_are_whole_words(void **state)
{
    (void)state;
    assert_int_equal(pop3_status_parse(SLICE("+OK")), POP3_OK);
    assert_int_equal(pop3_status_parse(SLICE("+ok x")), POP3_OK);
    assert_int_equal(pop3_status_parse(SLICE("-ERR")), POP3_ERR);
    assert_int_equal(pop3_status_parse(SLICE("+")), POP3_CHALLENGE);
    assert_int_equal(pop3_status_parse(SLICE("+ x")), POP3_CHALLENGE);
    assert_int_equal(pop3_status_parse(SLICE("+x")), POP3_WRONG);
    assert_int_equal(pop3_status_parse(SLICE("")), POP3_WRONG);
    assert_int_equal(pop3_status_parse(SLICE("-")), POP3_WRONG);
}

/* C9: the digest covers the challenge, so it is shown whole or not at all. */
static void challenges_are_taken_away_whole(void **state)
{
    static const struct {
        const char *greeting;
        const char *shown;
    } rows[] = {
        {"+OK <1.2@x>\r\n", "+OK\r\n"},
        {"+OK ready <1.2@x>\r\n", "+OK ready\r\n"},
        {"+OK ready <1.2@x> now\r\n", "+OK ready now\r\n"},
        {"+OK <1.2@x> and <3.4@y>\r\n", "+OK and\r\n"},
        {"+OK <<1.2@x>>\r\n", "+OK>\r\n"},
        {"+OK a > b < c\r\n", "+OK a > b < c\r\n"},
    };
    struct dialog_policy policy = feeder_policy;

    (void)state;
    policy.require_tls = REQUIRE_TLS_AUTH;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct actions actions;
        struct slice shown;

        feeder_init(&feeder, &protocol_pop3, &policy, (struct dialog_legs){0});
        actions = actions_of(&feeder.out[0], &feeder.out[1]);
        dialog_start(&feeder.dialog, GREETING_READY, slice_from(rows[i].greeting), &actions);
        shown = buffer_held(&feeder.out[0]);
        assert_int_equal(shown.n, strlen(rows[i].shown));
        assert_memory_equal(shown.p, rows[i].shown, shown.n);
    }
}

/* C118, C119 rest on it: the session cleanses what is marked. */
/* C53 */
static void any_split_gives_the_same(void **state)
{
    static const char *const client[] = {"NOOP\r\n", "CAPA\r\n", "USER fred\r\n", "PASS x\r\n",
        "AUTH\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGEAYg==\r\n", "AGEAYg==\r\n", "*\r\n",
        "LANG\r\n", "LANG en\r\n", "UTF8\n", "QUIT\r\n", "FROB\r\n", "\r\n", "\n", "\r", " ",
        "AUTH EXTERNAL\r\n", "APOP a b\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    static const char *const server[] = {"+OK\r\n", "+OK\r\n", "-ERR\r\n", "-ERR x\n", "+ \r\n",
        "+\r\n", "SASL PLAIN X-PLUS\r\n", "STLS\r\n", "USER\r\n", ".\r\n", ".\n", "..\r\n", "\r\n",
        "\n", "\r", "x", "+OK", " <a@b>"};

    (void)state;
    FEEDER_CHECK_SPLITS(&protocol_pop3, true, client, server);
    FEEDER_CHECK_SPLITS(&protocol_pop3, false, client, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greetings_are_classified),
        cmocka_unit_test(statuses_are_whole_words),
        cmocka_unit_test(challenges_are_taken_away_whole),
        cmocka_unit_test(any_split_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
