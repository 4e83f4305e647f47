/*
 * Finds the word for "did you mean": the nearest of those that are offered. A suggestion lives in
 * the caller's memory and needs no cleaning up. Any thread.
 */
#ifndef MAILMUX_SUGGEST_H
#define MAILMUX_SUGGEST_H

#include "mailmux/slice.h"

struct suggestion {
    struct slice wrong; /* what was written */
    const char *best;   /* the nearest word so far; NULL: none is near */
    size_t distance;    /* of best: letters to change */
};

void suggest_begin(struct suggestion *suggestion, struct slice wrong);

/* Borrows the word until the suggestion is no longer used. Returns whether it is now the best. */
bool suggest_offer(struct suggestion *suggestion, const char *word);

#endif
