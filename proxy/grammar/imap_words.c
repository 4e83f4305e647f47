/* The words of IMAP command lines [RFC 9051 9]. Literals are not handled here. */
#include "imap_parts.h"

#include <string.h>

static bool is_atom_char(char c)
{
    return c > ' ' && c < 0x7f && !strchr("(){%*\"\\]", c);
}

bool imap_is_atom(struct slice word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (!is_atom_char(word.p[i]))
            return false;
    }
    return word.n > 0;
}

bool imap_tag_cut(struct slice line, struct slice *tag, struct slice *rest)
{
    size_t n = slice_find(line, ' ');

    if (n == 0 || n > IMAP_TAG_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (line.p[i] == '+' || (line.p[i] != ']' && !is_atom_char(line.p[i])))
            return false;
    }
    *tag = slice_of(line.p, n);
    *rest = slice_after(line, n);
    return true;
}

static size_t atom_length(struct slice s)
{
    size_t n = 0;

    while (n < s.n && (is_atom_char(s.p[n]) || s.p[n] == ']'))
        n++;
    return n;
}

bool imap_string_cut(struct slice *rest, struct slice *string)
{
    struct slice s = slice_trim_start(*rest);
    size_t n = s.n > 0 && *s.p == '"' ? string_quoted_length(s) : atom_length(s);

    if (n == 0)
        return false;
    *string = slice_of(s.p, n);
    *rest = slice_after(s, n);
    return true;
}

size_t imap_string_text(struct slice string, char *text, size_t cap)
{
    bool quoted = *string.p == '"';
    size_t end = quoted ? string.n - 1 : string.n;
    size_t n = 0;

    for (size_t i = quoted ? 1 : 0; i < end && n < cap; i++) {
        if (quoted && string.p[i] == '\\' && i + 1 < end)
            i++;
        text[n++] = string.p[i];
    }
    return n;
}

/* ---- ID [RFC 2971] ---- */

struct id_pair {
    struct slice field;
    struct slice value;
};

/* Cuts out what is between the parentheses. Returns false if there are none. */
static bool id_inside(struct slice parameters, struct slice *inside)
{
    struct slice s = slice_trim(parameters);

    if (s.n < 2 || s.p[0] != '(' || s.p[s.n - 1] != ')')
        return false;
    *inside = slice_of(s.p + 1, s.n - 2);
    return true;
}

/*
 * Cuts off a string. A blank or the end must follow it. Otherwise a backend might read a longer
 * string than this one, and take fields for values.
 */
static bool id_string(struct slice *rest, struct slice *string)
{
    return imap_string_cut(rest, string) && (rest->n == 0 || slice_trim_start(*rest).n < rest->n);
}

static bool id_next(struct slice *inside, struct id_pair *pair)
{
    struct slice rest = *inside;

    if (!id_string(&rest, &pair->field) || !id_string(&rest, &pair->value))
        return false;
    *inside = rest;
    return true;
}

/*
 * Returns whether the field is private. It is judged as a backend reads it: without the backslashes
 * of a quoted string.
 */
static bool is_private(struct slice field)
{
    char text[2];
    size_t n = imap_string_text(field, text, sizeof(text));

    return slice_equal_nocase(slice_of(text, n), SLICE("x-"));
}

enum imap_list imap_id_check(struct slice parameters)
{
    enum imap_list found = IMAP_LIST_CLEAN;
    struct slice inside;
    struct id_pair pair;

    if (slice_equal_nocase(slice_trim(parameters), SLICE("NIL")))
        return IMAP_LIST_CLEAN;
    if (!id_inside(parameters, &inside))
        return IMAP_LIST_BAD;
    while (id_next(&inside, &pair)) {
        if (is_private(pair.field))
            found = IMAP_LIST_PRIVATE;
    }
    return slice_trim(inside).n == 0 ? found : IMAP_LIST_BAD;
}

bool imap_id_write(struct slice parameters, struct buffer *out)
{
    struct slice inside;
    struct id_pair pair;
    bool any = false;

    if (!id_inside(parameters, &inside))
        return false;
    while (id_next(&inside, &pair)) {
        if (is_private(pair.field))
            continue;
        if (!buffer_append(out, any ? SLICE(" ") : SLICE("(")) || !buffer_append(out, pair.field) ||
            !buffer_append(out, SLICE(" ")) || !buffer_append(out, pair.value))
            return false;
        any = true;
    }
    return buffer_append(out, any ? SLICE(")") : SLICE("NIL"));
}
