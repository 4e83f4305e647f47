/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_line.h"
#include <string.h>

static struct config_line parse_bytes(const char *bytes, size_t n)
{
    struct config_line line;

    config_line_parse(slice_of(bytes, n), &line);
    return line;
}

static struct config_line parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void assert_entry(const char *text, const char *key, const char *value)
{
    struct config_line line = parse(text);

    assert_int_equal(line.kind, LINE_ENTRY);
    assert_true(slice_equal(line.key, slice_from(key)));
    assert_true(slice_equal(line.value, slice_from(value)));
}

static void assert_section(const char *text, const char *word, const char *name)
{
    struct config_line line = parse(text);

    assert_int_equal(line.kind, LINE_SECTION);
    assert_true(slice_equal(line.word, slice_from(word)));
    assert_true(slice_equal(line.name, slice_from(name)));
}

static void assert_bad(const char *text, const char *part)
{
    struct config_line line = parse(text);

    assert_int_equal(line.kind, LINE_BAD);
    assert_non_null(strstr(line.error.text, part));
}

static void test_blank_lines(void **state)
{
    const char *const texts[] = {"", " ", "\t", "\r", "# x", "; x", "   # x = [y", "\t;"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(parse(texts[i]).kind, LINE_BLANK);
}

static void test_entries(void **state)
{
    assert_entry("key=value", "key", "value");
    assert_entry("  key  =  value  \r", "key", "value");
    assert_entry("\tkey\t=\tvalue\t", "key", "value");
    assert_entry("key = a = b : c", "key", "a = b : c");
    assert_entry("key = [::]:25", "key", "[::]:25");
    assert_entry("key =", "key", "");
    assert_entry("key = # nothing", "key", "");
}

static void test_comments_behind_values(void **state)
{
    assert_entry("key = value # comment", "key", "value");
    assert_entry("key = value ; comment", "key", "value");
    assert_entry("key = value\t;comment", "key", "value");
    assert_entry("key = a#b;c", "key", "a#b;c");
    assert_entry("key = \"a # b ; c\" # comment", "key", "\"a # b ; c\"");
    assert_entry("key = a # an open \" in a comment", "key", "a");
    assert_section("[proxy] # comment", "proxy", "");
}

static void test_sections(void **state)
{
    assert_section("[proxy]", "proxy", "");
    assert_section("  [ listener   smtp ]  ", "listener", "smtp");
    assert_section("[tls a.example-1_b]", "tls", "a.example-1_b");
    assert_bad("[proxy", "']' is missing");
    assert_bad("[]", "[kind] or [kind name]");
    assert_bad("[a b c]", "[kind] or [kind name]");
    assert_bad("[a] b", "behind the ']'");
    assert_bad("[a/b]", "consists of letters");
}

static void test_bad_entries(void **state)
{
    assert_bad("key value", "there is no '='");
    assert_bad("server mx1 10.0.0.1:25", "there is no '='");
    assert_bad("key : value", "a ':' stands where '=' belongs");
    assert_bad("key: a=b", "a ':' stands where '=' belongs");
    assert_bad("= value", "nothing stands before the '='");
    assert_bad("two words = value", "not a key");
    assert_bad("key = \"value", "not closed");
}

static void test_length(void **state)
{
    char text[2000];

    memset(text, 'v', sizeof(text));
    memcpy(text, "key=", 4);
    assert_int_equal(parse_bytes(text, 1024).kind, LINE_ENTRY);
    assert_int_equal(parse_bytes(text, 1025).kind, LINE_BAD);
    assert_non_null(strstr(parse_bytes(text, 2000).error.text, "2000 bytes; at most 1024"));

    /* Comments and blanks do not count. */
    memcpy(text + 100, "  # ", 4);
    assert_int_equal(parse_bytes(text, sizeof(text)).kind, LINE_ENTRY);
}

static void test_section_length(void **state)
{
    char text[64];

    memset(text, 'n', sizeof(text));
    memcpy(text, "[tls ", 5);
    text[49] = ']';
    assert_int_equal(parse_bytes(text, 50).kind, LINE_SECTION);
    text[49] = 'n';
    text[50] = ']';
    assert_int_equal(parse_bytes(text, 51).kind, LINE_BAD);
    text[61] = ']';
    text[50] = 'n';
    assert_non_null(strstr(parse_bytes(text, 62).error.text, "60 bytes; at most 48"));
}

static void test_key_length(void **state)
{
    char text[64];

    memset(text, 'k', sizeof(text));
    memcpy(text + 48, "=v", 2);
    assert_int_equal(parse_bytes(text, 50).kind, LINE_ENTRY);
    memcpy(text + 48, "k=v", 3);
    assert_int_equal(parse_bytes(text, 51).kind, LINE_BAD);
    assert_non_null(strstr(parse_bytes(text, 51).error.text, "49 bytes; none has more than 48"));
}

static void test_control_bytes(void **state)
{
    struct config_line line = parse_bytes("key = a\0b", 9);

    assert_int_equal(line.kind, LINE_BAD);
    assert_non_null(strstr(line.error.text, "byte 8 of the line is a NUL"));
    assert_bad("key = a\x1b[31m", "control character (0x1b)");
    assert_bad("key = a\rb", "control character (0x0d)");
    assert_bad("# comment\x07", "control character (0x07)");
    assert_entry("key = gr\xc3\xbc\xc3\x9f", "key", "gr\xc3\xbc\xc3\x9f");
}

static void test_unquote(void **state)
{
    struct slice value = SLICE("\"a b\"");

    assert_true(config_value_unquote(&value));
    assert_true(slice_equal(value, SLICE("a b")));
    value = SLICE("\"\"");
    assert_true(config_value_unquote(&value));
    assert_int_equal(value.n, 0);
    value = SLICE("\"a\" \"b\"");
    assert_false(config_value_unquote(&value));
    value = SLICE("\"");
    assert_false(config_value_unquote(&value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blank_lines),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_comments_behind_values),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_section_length),
        cmocka_unit_test(test_key_length),
        cmocka_unit_test(test_control_bytes),
        cmocka_unit_test(test_unquote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
