/*
 * A slice borrows bytes: it owns nothing and is valid until the buffer behind it is next written,
 * consumed or given back. It is never terminated by NUL. Any thread; no state.
 */
#ifndef MAILMUX_SLICE_H
#define MAILMUX_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p;
    size_t n;
};

/* A slice over a string literal, its NUL left out. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){p, n};
}

/* What a byte is in ASCII; every byte from 0x80 on is none of these. */
static inline bool byte_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool byte_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool byte_is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static inline bool byte_is_letter_or_digit(char c)
{
    return byte_is_letter(c) || byte_is_digit(c);
}

/* The bytes of a C string; NULL gives the empty slice. */
struct slice slice_from(const char *text);

bool slice_equal(struct slice a, struct slice b);

/* With _nocase ASCII letters are compared without case, every other byte as it is. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);

/* As slice_starts_nocase, and neither a letter nor a digit follows the word. */
bool slice_starts_word(struct slice s, struct slice word);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* Whether the part stands anywhere in s; ASCII letters are compared without case. */
bool slice_has_nocase(struct slice s, struct slice part);

/* The slice without its first n bytes; empty when it has fewer. */
struct slice slice_after(struct slice s, size_t n);

/* Without blanks (SP, HT) at both ends, at the start alone, or at the end alone. */
struct slice slice_trim(struct slice s);
struct slice slice_trim_start(struct slice s);
struct slice slice_trim_end(struct slice s);

/* The offset of the first such byte, or s.n. */
size_t slice_find(struct slice s, char byte);

/*
 * Cuts the next word off *rest: blanks (SP, HT) are skipped, then bytes up to the next blank taken.
 * Returns false, and leaves *word alone, when nothing is left.
 */
bool slice_word(struct slice *rest, struct slice *word);

/* One of the words of a list, with blanks between them, is this one; letters without case. */
bool slice_has_word(struct slice list, struct slice word);

/* The word is one of `words`, which ends with NULL; letters without case. */
bool slice_is_one_of(struct slice word, const char *const *words);

/*
 * Cuts *rest at the first separator: the part before it goes to *part, *rest is what follows.
 * Returns false when *rest was already exhausted (its pointer is NULL then).
 */
bool slice_split(struct slice *rest, char separator, struct slice *part);

/*
 * A decimal number of digits alone, at most max. Returns false for an empty slice, any other byte
 * and every overflow; *value is written on success only.
 */
bool slice_number(struct slice s, uint64_t max, uint64_t *value);

/* The number in decimal. The slice borrows `memory`. */
enum { SLICE_DECIMAL_MAX = 10 };
struct slice slice_decimal(uint32_t number, char memory[SLICE_DECIMAL_MAX]);

#endif
