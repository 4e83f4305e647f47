/* For each wrong set-up that a visit shows, the sentence that names the mistake and what to write.
 */
#ifndef MAILMUX_VISIT_ADVICE_H
#define MAILMUX_VISIT_ADVICE_H

#include "visit.h"
#include "visit_text.h"

/* A line for each finding; what it counts is added. */
void visit_advise(const struct visit *visit, FILE *out, struct visit_counts *counts);

#endif
