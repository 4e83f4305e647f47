#include "feeder.h"
#include "literal.h"

static void literals_are_found_at_the_end_of_a_line(void **state)
{
    static const struct {
        const char *line;
        enum literal literal;
        uint64_t octets;
    } rows[] = {
        {"", LITERAL_NONE, 0},
        {"}", LITERAL_NONE, 0},
        {"a LOGIN x}", LITERAL_NONE, 0},
        {"a LOGIN {5} ", LITERAL_NONE, 0},
        {"a LOGIN {0}", LITERAL_WAITS, 0},
        {"a LOGIN {12}", LITERAL_WAITS, 12},
        {"a LOGIN {12+}", LITERAL_COMES, 12},
        {"a LOGIN ~{12+}", LITERAL_COMES, 12},
        {"a LOGIN \"{\" {7}", LITERAL_WAITS, 7},
        {"a LOGIN \"\\\"\" {7}", LITERAL_WAITS, 7},
        {"a LOGIN {1}{2}", LITERAL_WAITS, 2},
        {"a LOGIN {18446744073709551615}", LITERAL_WAITS, UINT64_MAX},
        {"a LOGIN {18446744073709551616}", LITERAL_WAITS, UINT64_MAX},
        {"a LOGIN {99999999999999999999+}", LITERAL_COMES, UINT64_MAX},
        {"a LOGIN {}", LITERAL_WRONG, 0},
        {"a LOGIN {+}", LITERAL_WRONG, 0},
        {"a LOGIN {++}", LITERAL_WRONG, 0},
        {"a LOGIN {-1}", LITERAL_WRONG, 0},
        {"a LOGIN {+1}", LITERAL_WRONG, 0},
        {"a LOGIN {1x}", LITERAL_WRONG, 0},
        {"a LOGIN { 1}", LITERAL_WRONG, 0},
        {"a LOGIN \"x {1}", LITERAL_WRONG, 0},
        {"a LOGIN \"x\\\" {1}", LITERAL_WRONG, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t octets = 0;

        assert_int_equal(literal_find(slice_from(rows[i].line), &octets), rows[i].literal);
        assert_int_equal(octets, rows[i].octets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_found_at_the_end_of_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
