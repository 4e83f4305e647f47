/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_value.h"
#include "mailmux/config.h"
#include <string.h>

static bool has_choices(const struct directive *row)
{
    return row->type == VALUE_CHOICE || row->type == VALUE_CHOICES;
}

static void test_rows_are_whole(void **state)
{
    for (size_t i = 0; i < directive_count(); i++) {
        const struct directive *row = directive_at(i);

        assert_non_null(row->key);
        assert_non_null(row->help);
        assert_true(row->size > 0);
        assert_true(row->offset + row->size <= section_infos[row->section].size);
        assert_int_equal(row->help[strlen(row->help) - 1], '.');
        assert_true(has_choices(row) == (row->choices != NULL));
        assert_ptr_equal(directive_find(row->section, slice_from(row->key)), row);
        assert_int_equal(directive_index(row), i);
        assert_true(!(row->is_required && row->fallback));
    }
}

static bool is_number(const struct directive *row)
{
    return row->type == VALUE_NUMBER || row->type == VALUE_DURATION || row->type == VALUE_SIZE;
}

static void test_numbers_fit_their_fields(void **state)
{
    for (size_t i = 0; i < directive_count(); i++) {
        const struct directive *row = directive_at(i);

        if (!is_number(row))
            continue;
        assert_true(row->size == 4 || row->size == 8);
        assert_true(row->min <= row->max);
        assert_true(row->size == 8 || row->max <= UINT32_MAX);
    }
}

static void test_defaults_are_allowed(void **state)
{
    for (size_t i = 0; i < directive_count(); i++) {
        const struct directive *row = directive_at(i);
        struct error error;
        uint64_t number;
        unsigned choice;

        if (!row->fallback)
            continue;
        if (is_number(row))
            assert_true(config_number_parse(row, slice_from(row->fallback), &number, &error));
        else if (has_choices(row))
            assert_true(config_choice_parse(row, slice_from(row->fallback), &choice, &error));
    }
}

static void test_sections_are_found(void **state)
{
    for (size_t i = 0; i < SECTION_KINDS; i++) {
        assert_int_equal(section_infos[i].kind, i);
        assert_ptr_equal(section_find(slice_from(section_infos[i].word)), &section_infos[i]);
    }
    assert_null(section_find(SLICE("Proxy")));
    assert_null(directive_find(SECTION_PROXY, SLICE("bind")));
}

static void test_allowed_values_are_told(void **state)
{
    char text[DIRECTIVE_TEXT_MAX];

    assert_string_equal(
        directive_allowed(directive_find(SECTION_LISTENER, SLICE("require_tls")), text),
        "no, auth, yes");
    assert_string_equal(
        directive_allowed(directive_find(SECTION_TIMEOUTS, SLICE("imap_idle")), text),
        "30m to 720h");
    assert_string_equal(
        directive_allowed(directive_find(SECTION_TIMEOUTS, SLICE("keepalive")), text),
        "1s to 8h, or off");
    for (size_t i = 0; i < directive_count(); i++) {
        assert_true(strlen(directive_allowed(directive_at(i), text)) > 0);
        assert_true(strlen(directive_type_name(directive_at(i))) > 0);
        assert_true(strlen(directive_default(directive_at(i))) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_numbers_fit_their_fields),
        cmocka_unit_test(test_defaults_are_allowed),
        cmocka_unit_test(test_sections_are_found),
        cmocka_unit_test(test_allowed_values_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
