#include "feeder.h"
#include "imap_parts.h"

static void assert_slice(struct slice got, const char *want)
{
    if (!slice_equal(got, slice_from(want)))
        fail_msg("want <%s>, got <%.*s>", want, (int)got.n, got.p);
}

static void tags_have_their_letters_and_their_maximum(void **state)
{
    static const char *const good[] = {"a NOOP", "A001 x", "a.b/c:d] x", "&~ x", "a"};
    static const char *const bad[] = {"", " a", "+ x", "a+b x", "(a x", "a) x", "a{ x", "a% x",
        "a* x", "a\" x", "a\\ x", "a\t x", "\x7f x", "\xc3\xa4 x"};
    struct slice tag;
    struct slice rest;
    char line[IMAP_TAG_MAX + 8];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(imap_tag_cut(slice_from(good[i]), &tag, &rest));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(imap_tag_cut(slice_from(bad[i]), &tag, &rest));
    memset(line, 'a', sizeof(line));
    line[IMAP_TAG_MAX] = ' ';
    assert_true(imap_tag_cut(slice_of(line, sizeof(line)), &tag, &rest));
    assert_int_equal(tag.n, IMAP_TAG_MAX);
    assert_int_equal(rest.n, 8);
    line[IMAP_TAG_MAX] = 'a';
    line[IMAP_TAG_MAX + 1] = ' ';
    assert_false(imap_tag_cut(slice_of(line, sizeof(line)), &tag, &rest));
}

static void strings_are_cut_and_read(void **state)
{
    struct slice rest = SLICE("  fred \"a \\\"b\\\\\" x\"y\" \"open");
    struct slice string;
    char text[8];

    (void)state;
    assert_true(imap_string_cut(&rest, &string));
    assert_slice(string, "fred");
    assert_true(imap_string_cut(&rest, &string));
    assert_slice(string, "\"a \\\"b\\\\\"");
    assert_slice(slice_of(text, imap_string_text(string, text, sizeof(text))), "a \"b\\");
    assert_slice(slice_of(text, imap_string_text(string, text, 2)), "a ");
    assert_true(imap_string_cut(&rest, &string));
    assert_slice(string, "x");
    assert_true(imap_string_cut(&rest, &string));
    assert_slice(string, "\"y\"");
    assert_false(imap_string_cut(&rest, &string));
    assert_slice(rest, " \"open");
}

/* C100 */
static void private_id_fields_are_found_and_left_out(void **state)
{
    static const struct {
        const char *parameters;
        enum imap_list list;
        const char *written;
    } rows[] = {
        {"NIL", IMAP_LIST_CLEAN, ""},
        {"nil ", IMAP_LIST_CLEAN, ""},
        {"()", IMAP_LIST_CLEAN, "NIL"},
        {"(\"name\" \"x\")", IMAP_LIST_CLEAN, "(\"name\" \"x\")"},
        {"(\"x-a\" \"1\")", IMAP_LIST_PRIVATE, "NIL"},
        {"(\"a\" NIL \"X-b\" \"1\" \"c\" \"x-\")", IMAP_LIST_PRIVATE, "(\"a\" NIL \"c\" \"x-\")"},
        {"(\"\\x\\-a\" \"1\")", IMAP_LIST_PRIVATE, "NIL"},
        {"(x-a 1)", IMAP_LIST_PRIVATE, "NIL"},
        {"(\"x\" \"1\")", IMAP_LIST_CLEAN, "(\"x\" \"1\")"},
        {"", IMAP_LIST_BAD, ""},
        {"(", IMAP_LIST_BAD, ""},
        {"(\"a\")", IMAP_LIST_BAD, "NIL"},
        {"(\"a\" (\"x-b\" \"c\"))", IMAP_LIST_BAD, "NIL"},
        {"\"x-a\" \"1\"", IMAP_LIST_BAD, ""},
        {"(\"a\" b\"c\" \"x-a\" \"1\" \"d\")", IMAP_LIST_BAD, "NIL"},
        {"(\"a\"\"b\")", IMAP_LIST_BAD, "NIL"},
        {"(\"a\" \"b\" )", IMAP_LIST_CLEAN, "(\"a\" \"b\")"},
        {"(\"a\" \"b\" \"c)", IMAP_LIST_BAD, "(\"a\" \"b\")"},
    };
    char memory[200];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buffer out;

        buffer_init(&out, memory, sizeof(memory));
        assert_int_equal(imap_id_check(slice_from(rows[i].parameters)), rows[i].list);
        imap_id_write(slice_from(rows[i].parameters), &out);
        assert_slice(buffer_held(&out), rows[i].written);
    }
}

static enum greeting greet(const char *text, size_t *used)
{
    return protocol_imap.greeting(slice_from(text), 100, used);
}

static void greetings_are_classified(void **state)
{
    size_t used = 0;
    char long_line[120];

    (void)state;
    assert_int_equal(greet("", &used), GREETING_MORE);
    assert_int_equal(greet("* OK rea", &used), GREETING_MORE);
    assert_int_equal(greet("* OK ready\r\nmore", &used), GREETING_READY);
    assert_int_equal(used, 12);
    assert_int_equal(greet("* ok\n", &used), GREETING_READY);
    assert_int_equal(greet("* PREAUTH x\r\n", &used), GREETING_PREAUTH);
    assert_int_equal(greet("* BYE x\r\n", &used), GREETING_REFUSED);
    assert_int_equal(greet("* NO x\r\n", &used), GREETING_REFUSED);
    assert_int_equal(greet("* BAD x\r\n", &used), GREETING_REFUSED);
    assert_int_equal(greet("* OKAY x\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("a OK x\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("+OK x\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("* OK a\rb\r\n", &used), GREETING_WRONG);
    assert_int_equal(greet("\r\n", &used), GREETING_WRONG);
    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    assert_int_equal(greet(long_line, &used), GREETING_WRONG);
}

/* Returns what the server says of logins by its answer to a LOGIN. */
static enum dialog_logins logins_after(const char *command, const char *answer)
{
    static struct feeder feeder;

    feeder_init(&feeder, &protocol_imap, &feeder_policy, (struct dialog_legs){0});
    feeder_send(&feeder, DIALOG_CLIENT, slice_from(command), SIZE_MAX);
    feeder_send(&feeder, DIALOG_SERVER, slice_from(answer), SIZE_MAX);
    assert_int_equal(feeder.dialog.failures, 1);
    return feeder.dialog.logins;
}

/* The tag is the client's word, and says nothing of the server. */
static void the_text_of_an_answer_tells_that_tls_is_missing(void **state)
{
    (void)state;
    assert_int_equal(
        logins_after("a LOGIN fred x\r\n", "a NO TLS first\r\n"), DIALOG_LOGINS_REFUSED);
    assert_int_equal(logins_after("a LOGIN fred x\r\n", "a BAD [PRIVACYREQUIRED] no\r\n"),
        DIALOG_LOGINS_REFUSED);
    assert_int_equal(
        logins_after("tls.1 LOGIN fred x\r\n", "tls.1 NO wrong\r\n"), DIALOG_LOGINS_UNTOLD);
}

/* C118, C119 rest on it: the session cleanses what is marked. */
/* C53 */
static void any_split_gives_the_same(void **state)
{
    static const char *const client[] = {"a ", "b ", "NOOP", "LOGIN fred x", "LOGIN ", "{3}",
        "{3+}", "{0+}", "{70}", "{70+}", "\r\n", "\r\n", "\r\n", "\n", "abc", "AUTHENTICATE PLAIN",
        " AGEAYg==", "AGEAYg==\r\n", "*\r\n", "\"", "\\", "(", ")", "ID (\"x-a\" \"b\")", "ID NIL",
        "CAPABILITY", "a NOOP\r\n", "b LOGIN {3+}\r\nabc {1}\r\n", "\r", "FROB", "LOGOUT", " ", "+",
        "}", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    static const char *const server[] = {"a OK done\r\n", "b OK done\r\n", "a NO\r\n", "b NO x\r\n",
        "* OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\n",
        "+ go\r\n", "+\r\n", "* ID (\"a\" {3}\r\n", "abc", " NIL)\r\n", "* BYE\r\n", "* ", "\r\n",
        "\n", "a BAD [ALERT] x\r\n", "\r", "* OK [REFERRAL x] [ALERT] y\r\n", "x", "b BAD\n",
        "* OK [X\r\n", "a OK [CAPABILITY AUTH=PLAIN] x\r\n"};

    (void)state;
    FEEDER_CHECK_SPLITS(&protocol_imap, true, client, server);
    FEEDER_CHECK_SPLITS(&protocol_imap, false, client, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_have_their_letters_and_their_maximum),
        cmocka_unit_test(strings_are_cut_and_read),
        cmocka_unit_test(private_id_fields_are_found_and_left_out),
        cmocka_unit_test(greetings_are_classified),
        cmocka_unit_test(the_text_of_an_answer_tells_that_tls_is_missing),
        cmocka_unit_test(any_split_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
