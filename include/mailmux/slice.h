/*
 * A slice borrows bytes. It owns nothing, and is valid until the buffer behind it is next written,
 * consumed or given back. No NUL follows its bytes. Any thread; no state.
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

/* A slice over a string literal, without its NUL. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){p, n};
}

/*
 * They return whether the byte is of this class in ASCII. A byte from 0x80 on is in none of them.
 */
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

/* Returns the bytes of a C string, without its NUL. NULL gives an empty slice. */
struct slice slice_from(const char *text);

bool slice_equal(struct slice a, struct slice b);

/* A function with _nocase compares ASCII letters without case, and every other byte as it is. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);

/*
 * Returns whether s starts with the word, as slice_starts_nocase, and the word ends there: neither
 * a letter nor a digit may follow.
 */
bool slice_starts_word(struct slice s, struct slice word);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* Returns whether the part stands anywhere in s. ASCII letters are compared without case. */
bool slice_has_nocase(struct slice s, struct slice part);

/* Returns the slice without its first n bytes, or an empty slice if it has fewer. */
static inline struct slice slice_after(struct slice s, size_t n)
{
    if (n >= s.n)
        return slice_of(s.n > 0 ? s.p + s.n : s.p, 0);
    return slice_of(s.p + n, s.n - n);
}

/* Return the slice without blanks (SP, HT) at both ends, at its start, or at its end. */
struct slice slice_trim(struct slice s);
struct slice slice_trim_start(struct slice s);
struct slice slice_trim_end(struct slice s);

/* Returns the offset of the first such byte, or s.n if there is none. */
size_t slice_find(struct slice s, char byte);

/*
 * Cuts the next word off *rest. It skips blanks (SP, HT) and takes the bytes up to the next blank.
 * Returns false if no word is left; *word is not changed then.
 */
bool slice_word(struct slice *rest, struct slice *word);

/*
 * Returns whether the word is in a list of words with blanks between them. ASCII letters are
 * compared without case.
 */
bool slice_has_word(struct slice list, struct slice word);

/*
 * Returns the one of `words`, which ends with NULL, that the word is, or NULL. ASCII letters are
 * compared without case. slice_is_one_of: whether there is one.
 */
const char *slice_one_of(struct slice word, const char *const *words);
bool slice_is_one_of(struct slice word, const char *const *words);

/*
 * Cuts *rest at the first separator. The part before it goes to *part, the part after it stays in
 * *rest. Returns false if *rest was used up by the call before (its pointer is NULL then).
 */
bool slice_split(struct slice *rest, char separator, struct slice *part);

/*
 * Reads a decimal number. Returns false for an empty slice, for a byte that is no digit, and for a
 * number above max. *value is written only on success.
 */
bool slice_number(struct slice s, uint64_t max, uint64_t *value);

/* Writes the number in decimal into `memory`, which the returned slice borrows. */
enum { SLICE_DECIMAL_MAX = 20 };
struct slice slice_decimal(uint64_t number, char memory[SLICE_DECIMAL_MAX]);

#endif
