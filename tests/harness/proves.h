/*
 * Says which statements of tests/lib/statements a cmocka test proves: call proves("C93 C115") at
 * its beginning. tests/lib/summary finds the line between the test's name and its verdict.
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
