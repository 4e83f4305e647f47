/* What is printed of a visit: what was seen, what is wrong with it, and what to write. */
#ifndef MAILMUX_VISIT_REPORT_H
#define MAILMUX_VISIT_REPORT_H

#include "visit.h"
#include "visit_text.h"

/* A block of lines; what it counts is added. */
void visit_report(const struct visit *visit, FILE *out, struct visit_counts *counts);

#endif
