/* The block of lines about one visit: what was seen, what is wrong with it, and the remedy. */
#ifndef MAILMUX_VISIT_REPORT_H
#define MAILMUX_VISIT_REPORT_H

#include "visit.h"
#include "visit_text.h"

/* Writes the block for a visit that is over, and adds its findings to *counts. */
void visit_report(const struct visit *visit, FILE *out, struct visit_counts *counts);

#endif
