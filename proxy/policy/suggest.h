/* "Did you mean": the nearest of the words that are offered. On the caller's stack; any thread. */
#ifndef MAILMUX_SUGGEST_H
#define MAILMUX_SUGGEST_H

#include "mailmux/slice.h"

struct suggestion {
    struct slice wrong; /* what was written */
    const char *best;   /* the nearest word so far, or NULL when none is near */
    size_t distance;
};

void suggest_begin(struct suggestion *suggestion, struct slice wrong);

/* The word is borrowed until the suggestion has been used. Returns true when it is now the best. */
bool suggest_offer(struct suggestion *suggestion, const char *word);

#endif
