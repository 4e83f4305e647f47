/*
 * What all fuzz targets share. A target is the function LLVMFuzzerTestOneInput in fuzz_NAME.c. In
 * the preset `fuzz` clang's libFuzzer calls it, in other builds replay.c with files. One thread.
 */
#ifndef MAILMUX_FUZZ_H
#define MAILMUX_FUZZ_H

#include "mailmux/slice.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A property that must hold; if not, it aborts, and libFuzzer keeps the input as an artifact. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct slice fuzz_slice(const uint8_t *data, size_t n)
{
    return n > 0 ? slice_of((const char *)data, n) : slice_of("", 0);
}

/*
 * Cuts off the first line of an input and returns it. It has the options of the target, one letter
 * for each, so that a seed is a text file.
 */
static inline struct slice fuzz_options(struct slice *input)
{
    struct slice options = slice_of(input->p, slice_find(*input, '\n'));

    *input = slice_after(*input, options.n + 1);
    return options;
}

static inline bool fuzz_has(struct slice options, char letter)
{
    return slice_find(options, letter) < options.n;
}

/* A seed for sizes of segments, never 0. It comes from the input, so that a run can be repeated. */
static inline uint64_t fuzz_seed(struct slice input)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < input.n; i++)
        hash = (hash ^ (unsigned char)input.p[i]) * 1099511628211u;
    return hash | 1;
}

#endif
