/*
 * Which statements of the conformance checklist a cmocka test proves: proves("C93 C115") at its
 * beginning. tests/lib/summary reads the line between the test's name and its verdict.
 */
#ifndef MAILMUX_PROVES_H
#define MAILMUX_PROVES_H

#include <stdio.h>

static inline void proves(const char *numbers)
{
    printf("conformance %s\n", numbers);
    (void)fflush(stdout);
}

#endif
