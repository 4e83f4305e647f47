/* Checks whether old mail servers find TLS on port 25 that they know. Main thread. */
#ifndef MAILMUX_EXCHANGER_H
#define MAILMUX_EXCHANGER_H

#include "mailmux/config.h"
#include "tls_context.h"

/* sets: one for each of config->tls; NULL where there is none. What is wrong goes to the report. */
void exchanger_check(
    const struct config *config, struct tls_set *const *sets, struct config_report *report);

#endif
