#include "feeder.h"
#include "managesieve_parts.h"

static struct feeder feeder;

static void greetings_are_classified(void **state)
{
    static const struct {
        struct slice text;
        enum greeting greeting;
        size_t used; /* if it is READY or REFUSED */
    } rows[] = {
        {SLICE("OK\r\n"), GREETING_READY, 4},
        {SLICE("ok {2}\r\nxy\r\nrest"), GREETING_READY, 12},
        {SLICE("\"SASL\" \"\"\r\n{3}\r\nabc {0}\r\n\r\nOK\r\n"), GREETING_READY, 31},
        {SLICE("\"SASL\" \"\"\r\n"), GREETING_MORE, 0},
        {SLICE("\"SASL\" {9}\r\nPLAIN"), GREETING_MORE, 0},
        {SLICE("O"), GREETING_MORE, 0},
        {SLICE(""), GREETING_MORE, 0},
        {SLICE("BYE\r\n"), GREETING_REFUSED, 5},
        {SLICE("\"A\"\r\nNO (TRYLATER) \"a\rb\"\r\n"), GREETING_REFUSED, 26},
        {SLICE("\"A\0\"\r\n"), GREETING_WRONG, 0},
        {SLICE("OKAY\r\n"), GREETING_WRONG, 0},
        {SLICE("\r\n"), GREETING_WRONG, 0},
        {SLICE("\"\" \"x\"\r\n"), GREETING_WRONG, 0},
        {SLICE("\"A\" x\r\n"), GREETING_WRONG, 0},
        {SLICE("\"A\" {1}x\r\n"), GREETING_WRONG, 0},
        {SLICE("* OK ready\r\n"), GREETING_WRONG, 0},
        {SLICE("\"A\" {99999}\r\n"), GREETING_LARGE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t used = 0;

        assert_int_equal(
            protocol_managesieve.greeting(rows[i].text, 1000, &used), rows[i].greeting);
        if (rows[i].used > 0)
            assert_int_equal(used, rows[i].used);
    }
}

/* A literal of a client counts with its line, and a wrong one is none. */
static void literals_are_found_in_front_of_the_rest(void **state)
{
    static const struct {
        const char *text;
        size_t head;
    } rows[] = {
        {"NOOP\r\n", 0},
        {"NOOP {3}\r\nabc\r\n", 0},
        {"NOOP {3+}", 0},
        {"NOOP {3+}\r\n", 14},
        {"NOOP {3+}\nabc", 13},
        {"NOOP {3+}\r\nabc\r\n", 14},
        {"NOOP {3+}\r\nabc {2+}\r\n\r\nx", 23},
        {"NOOP \"{3+}\r\n", 0},
        {"NOOP {64+}\r\n", 76},
        {"NOOP {65+}\r\n", 201},
        {"AUTHENTICATE {65+}\r\n", 85},
        {"AUTHENTICATE {180+}\r\n", 201},
        {"AUTHENTICATE {99999999999999999999+}\r\n", 201},
    };
    struct dialog_policy policy = feeder_policy;
    const size_t limit = 200;

    (void)state;
    policy.literal = 64;
    feeder_init(&feeder, &protocol_managesieve, &policy, (struct dialog_legs){0});
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(
            managesieve_literals(&feeder.dialog, slice_from(rows[i].text), limit), rows[i].head);
}

/* C53 */
static void any_split_gives_the_same(void **state)
{
    static const char *const client[] = {"NOOP\r\n", "NOOP \"a\"\r\n", "NOOP {3+}\r\n", "abc",
        "CAPABILITY\r\n", "AUTHENTICATE \"PLAIN\"\r\n", "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n",
        "AUTHENTICATE \"PLAIN\" {8+}\r\n", "AGEAYg==", "\"AGEAYg==\"\r\n", "{4+}\r\nYQ==\r\n",
        "\"*\"\r\n", "LOGOUT\r\n", "FROB\r\n", "\r\n", "\n", "\r", " ", "\"", "{5}\r\n",
        "{99999999+}\r\n", "PUTSCRIPT \"x\" {6+}\r\nNOOP\r\n\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    static const char *const server[] = {"OK\r\n", "OK\r\n", "NO\r\n", "NO {3}\r\nabc\r\n",
        "\"\"\r\n", "{4}\r\nYQ==\r\n", "\"SASL\" \"PLAIN X-PLUS\"\r\n", "\"STARTTLS\"\r\n",
        "\"SIEVE\" {3}\nabc\n", "\r\n", "\n", "\r", "x", "OK", "OK \"a\rb\"\n"};

    (void)state;
    FEEDER_CHECK_SPLITS(&protocol_managesieve, true, client, server);
    FEEDER_CHECK_SPLITS(&protocol_managesieve, false, client, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greetings_are_classified),
        cmocka_unit_test(literals_are_found_in_front_of_the_rest),
        cmocka_unit_test(any_split_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
