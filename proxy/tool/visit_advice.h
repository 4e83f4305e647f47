/* For each wrong set-up that a visit shows: a sentence that names the mistake and the remedy. */
#ifndef MAILMUX_VISIT_ADVICE_H
#define MAILMUX_VISIT_ADVICE_H

#include "visit.h"
#include "visit_text.h"

/* Writes a line for each finding of a visit that is over, and adds them to *counts. */
void visit_advise(const struct visit *visit, FILE *out, struct visit_counts *counts);

#endif
