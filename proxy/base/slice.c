#include "mailmux/slice.h"

#include <string.h>

static unsigned char lower(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

struct slice slice_from(const char *text)
{
    return slice_of(text, text ? strlen(text) : 0);
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    }
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_equal(slice_of(s.p, prefix.n), prefix);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_equal_nocase(slice_of(s.p, prefix.n), prefix);
}

bool slice_starts_word(struct slice s, struct slice word)
{
    return slice_starts_nocase(s, word) && (s.n == word.n || !byte_is_letter_or_digit(s.p[word.n]));
}

bool slice_ends_nocase(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_equal_nocase(slice_after(s, s.n - suffix.n), suffix);
}

bool slice_has_nocase(struct slice s, struct slice part)
{
    for (; s.n > 0 && s.n >= part.n; s = slice_after(s, 1)) {
        if (slice_starts_nocase(s, part))
            return true;
    }
    return part.n == 0;
}

struct slice slice_trim_end(struct slice s)
{
    while (s.n > 0 && byte_is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct slice slice_trim_start(struct slice s)
{
    while (s.n > 0 && byte_is_blank(*s.p))
        s = slice_after(s, 1);
    return s;
}

struct slice slice_trim(struct slice s)
{
    return slice_trim_end(slice_trim_start(s));
}

size_t slice_find(struct slice s, char byte)
{
    const char *at = s.n > 0 ? memchr(s.p, byte, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

bool slice_word(struct slice *rest, struct slice *word)
{
    struct slice s = slice_trim_start(*rest);
    size_t n = 0;

    while (n < s.n && !byte_is_blank(s.p[n]))
        n++;
    *rest = slice_after(s, n);
    if (n == 0)
        return false;
    *word = slice_of(s.p, n);
    return true;
}

bool slice_has_word(struct slice list, struct slice word)
{
    struct slice other;

    while (slice_word(&list, &other)) {
        if (slice_equal_nocase(other, word))
            return true;
    }
    return false;
}

const char *slice_one_of(struct slice word, const char *const *words)
{
    while (*words && !slice_equal_nocase(word, slice_from(*words)))
        words++;
    return *words;
}

bool slice_is_one_of(struct slice word, const char *const *words)
{
    return slice_one_of(word, words) != NULL;
}

bool slice_split(struct slice *rest, char separator, struct slice *part)
{
    size_t n;

    if (!rest->p)
        return false;
    n = slice_find(*rest, separator);
    *part = slice_of(rest->p, n);
    *rest = n < rest->n ? slice_after(*rest, n + 1) : slice_of(NULL, 0);
    return true;
}

bool slice_number(struct slice s, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit;

        if (!byte_is_digit(s.p[i]))
            return false;
        digit = (uint64_t)(s.p[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (sum > max)
        return false;
    *value = sum;
    return true;
}

struct slice slice_decimal(uint64_t number, char memory[SLICE_DECIMAL_MAX])
{
    size_t at = SLICE_DECIMAL_MAX;

    do {
        memory[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return slice_of(memory + at, SLICE_DECIMAL_MAX - at);
}
