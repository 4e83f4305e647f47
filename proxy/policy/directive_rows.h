/*
 * What the files of settings share, one file for each section. Constant data; any thread.
 */
#ifndef MAILMUX_DIRECTIVE_ROWS_H
#define MAILMUX_DIRECTIVE_ROWS_H

#include "mailmux/config.h"
#include "mailmux/directives.h"

/* Where a row stores its value: a field of a section's struct. */
#define FIELD(type, member)                                                                        \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define KILO UINT64_C(1024)

/* The settings of one section. */
struct directive_rows {
    const struct directive *rows;
    size_t count;
};

extern const struct directive_rows directives_of_proxy;
extern const struct directive_rows directives_of_tls;
extern const struct directive_rows directives_of_listener;
extern const struct directive_rows directives_of_backend;
extern const struct directive_rows directives_of_timeouts;
extern const struct directive_rows directives_of_limits;

/* Choices that settings of several sections have. */
extern const struct choice tls_policies[];
extern const struct choice no_or_yes[];

#endif
