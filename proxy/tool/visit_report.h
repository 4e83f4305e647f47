/* What is printed of a visit: what was seen, what is wrong with it, and what to write. */
#ifndef MAILMUX_VISIT_REPORT_H
#define MAILMUX_VISIT_REPORT_H

#include "visit.h"
#include <stdio.h>

struct visit_counts {
    size_t errors;
    size_t warnings;
};

/* A block of lines; what it counts is added. */
void visit_report(const struct visit *visit, FILE *out, struct visit_counts *counts);

/* For visit_advice.c: one finding, which ends the block. */
void visit_find(FILE *out, size_t *count, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The findings: visit_advice.c. */
void visit_advise(const struct visit *visit, FILE *out, struct visit_counts *counts);

/* Foreign octets as \xNN. */
void visit_print_text(FILE *out, struct slice text);

#endif
