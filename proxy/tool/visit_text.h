/* Writes text about a visit. */
#ifndef MAILMUX_VISIT_TEXT_H
#define MAILMUX_VISIT_TEXT_H

#include "mailmux/slice.h"
#include <stdio.h>

struct visit_counts {
    size_t errors;
    size_t warnings;
};

/* Writes text that came from the server. Octets that are not printable ASCII become \xNN. */
void visit_print_text(FILE *out, struct slice text);

/*
 * Writes a line for one finding. kind: "error", "warning" or "note". Adds one to *count; NULL: the
 * finding is not counted.
 */
void visit_find(FILE *out, size_t *count, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
