/* How what is said of a visit is written. */
#ifndef MAILMUX_VISIT_TEXT_H
#define MAILMUX_VISIT_TEXT_H

#include "mailmux/slice.h"
#include <stdio.h>

struct visit_counts {
    size_t errors;
    size_t warnings;
};

/* Text of the server; octets that are not printable ASCII as \xNN. */
void visit_print_text(FILE *out, struct slice text);

/* A line for one finding; kind: error, warning or note. *count goes up by one; NULL: not counted.
 */
void visit_find(FILE *out, size_t *count, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
