#include "mailmux/capabilities.h"

/*
 * Keywords with a list behind them, in which each word (a mechanism, an attribute of XCLIENT)
 * counts by itself.
 */
static const char *const lists[] = {"AUTH", "SASL", "XCLIENT", NULL};

static bool has_line(struct slice words, struct slice wanted)
{
    struct slice line;

    while (slice_split(&words, '\n', &line)) {
        if (slice_equal_nocase(line, wanted))
            return true;
    }
    return false;
}

static bool has_in_list(struct slice words, struct slice keyword, struct slice wanted)
{
    struct slice line;
    struct slice first;

    while (slice_split(&words, '\n', &line)) {
        if (slice_word(&line, &first) && slice_equal_nocase(first, keyword) &&
            slice_has_word(line, wanted))
            return true;
    }
    return false;
}

static void put(struct buffer *out, struct slice keyword, struct slice word)
{
    const size_t blanks = 3;

    if (buffer_room(out) < keyword.n + word.n + blanks)
        return;
    if (buffer_held(out).n > 0)
        (void)buffer_append(out, SLICE(", "));
    (void)buffer_append(out, keyword);
    if (word.n > 0)
        (void)(buffer_append(out, SLICE(" ")) && buffer_append(out, word));
}

static bool list_missing(
    struct slice keyword, struct slice rest, struct slice other, struct buffer *out)
{
    struct slice word;
    bool is_found = false;

    while (slice_word(&rest, &word)) {
        if (has_in_list(other, keyword, word))
            continue;
        put(out, keyword, word);
        is_found = true;
    }
    return is_found;
}

bool capabilities_missing(struct slice words, struct slice other, struct buffer *out)
{
    struct slice line;
    bool is_found = false;

    while (slice_split(&words, '\n', &line)) {
        struct slice rest = line;
        struct slice keyword;

        /* IMPLEMENTATION is skipped: two releases of one program differ in it [RFC 2449 6.9]. */
        if (!slice_word(&rest, &keyword) || slice_equal_nocase(keyword, SLICE("IMPLEMENTATION")))
            continue;
        if (slice_is_one_of(keyword, lists)) {
            is_found = list_missing(keyword, rest, other, out) || is_found;
        } else if (!has_line(other, line)) {
            put(out, line, SLICE(""));
            is_found = true;
        }
    }
    return is_found;
}
