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

/* The bytes of a C string; NULL gives the empty slice. */
struct slice slice_from(const char *text);

bool slice_equal(struct slice a, struct slice b);

/* ASCII letters compare without case; every other byte as it is. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* The part stands somewhere in it, ASCII letters compared without case. */
bool slice_has_nocase(struct slice s, struct slice part);

/* The slice without its first n bytes; empty when it has fewer. */
struct slice slice_after(struct slice s, size_t n);

/* Without spaces and tabs at both ends, or at the end alone. */
struct slice slice_trim(struct slice s);
struct slice slice_trim_end(struct slice s);

/* The offset of the first such byte, or s.n. */
size_t slice_find(struct slice s, char byte);

/*
 * Cuts the next word off *rest: blanks (SP, HT) are skipped, then bytes up to the next blank taken.
 * Returns false, and leaves *word alone, when nothing is left.
 */
bool slice_word(struct slice *rest, struct slice *word);

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

#endif
