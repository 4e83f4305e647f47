#include "literal.h"

size_t string_quoted_length(struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\')
            i++;
    }
    return 0;
}

bool strings_are_balanced(struct slice line)
{
    for (;;) {
        size_t n;

        line = slice_after(line, slice_find(line, '"'));
        if (line.n == 0)
            return true;
        n = string_quoted_length(line);
        if (n == 0)
            return false;
        line = slice_after(line, n);
    }
}

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_digit(s.p[i]))
            return false;
    }
    return s.n > 0;
}

/* Returns where the last opening brace is, or s.n if there is none. */
static size_t find_brace(struct slice s)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == '{')
            return i - 1;
    }
    return s.n;
}

enum literal literal_find(struct slice line, uint64_t *octets)
{
    size_t brace = find_brace(line);
    struct slice number;
    bool comes;

    if (line.n == 0 || line.p[line.n - 1] != '}' || brace == line.n)
        return LITERAL_NONE;
    number = slice_of(line.p + brace + 1, line.n - brace - 2);
    comes = number.n > 0 && number.p[number.n - 1] == '+';
    if (comes)
        number.n--;
    /* Inside an open quoted string a backend may see a literal or not. So none is allowed there. */
    if (!is_digits(number) || !strings_are_balanced(line))
        return LITERAL_WRONG;
    if (!slice_number(number, UINT64_MAX, octets))
        *octets = UINT64_MAX;
    return comes ? LITERAL_COMES : LITERAL_WAITS;
}

bool literal_follows(struct slice line, uint64_t *octets)
{
    enum literal literal = literal_find(line, octets);

    return literal == LITERAL_WAITS || literal == LITERAL_COMES;
}
