#include "suggest.h"

#include <stdint.h>

enum { WORD_MAX = 48, PREFIX_MIN = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Upper and lower case count as equal, and so do '-' and '_'. */
static int folded(char c)
{
    if (c == '-')
        return '_';
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool is_same(char a, char b)
{
    return folded(a) == folded(b);
}

/*
 * Returns how many letters must be changed, inserted, removed or exchanged with their neighbour:
 * the optimal string alignment distance. It keeps three rows of the matrix.
 */
static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *free_row = before;

        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t cost = is_same(a.p[i - 1], b.p[j - 1]) ? 0 : 1;

            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && is_same(a.p[i - 1], b.p[j - 2]) &&
                is_same(a.p[i - 2], b.p[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.n];
}

/* Of two numbers neither is a slip of the other: 1.0 is not what 1.4 meant. */
static bool is_number(struct slice word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (!byte_is_digit(word.p[i]) && word.p[i] != '.')
            return false;
    }
    return true;
}

void suggest_begin(struct suggestion *suggestion, struct slice wrong)
{
    *suggestion = (struct suggestion){.wrong = wrong, .distance = SIZE_MAX};
}

bool suggest_offer(struct suggestion *suggestion, const char *word)
{
    struct slice wrong = suggestion->wrong;
    struct slice offered = slice_from(word);
    size_t longer = wrong.n > offered.n ? wrong.n : offered.n;
    size_t found;

    if (longer > WORD_MAX || is_number(offered))
        return false;
    found = distance(wrong, offered);
    if (wrong.n >= PREFIX_MIN && slice_starts_nocase(offered, wrong))
        found = least(found, 2); /* a beginning is near: "cert" means "certificate" */
    else if (found > longer / 3)
        return false;
    if (found >= suggestion->distance)
        return false;
    suggestion->distance = found;
    suggestion->best = word;
    return true;
}
