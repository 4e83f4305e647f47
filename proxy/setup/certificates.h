/* From the certificate sets of a configuration to those of net/tls_context. Main thread. */
#ifndef MAILMUX_CERTIFICATES_H
#define MAILMUX_CERTIFICATES_H

#include "mailmux/config.h"
#include "tls_context.h"
#include "tls_tickets.h"

/*
 * Loads one set; what is wrong goes to the report with the line that said so. Where no certificate
 * is configured and make_certificate is set, a self-signed one for `hostname` is made or reused.
 * NULL on an error, and where there is neither.
 */
struct tls_set *certificates_load(
    const struct config *config, size_t index, bool make_certificate, struct config_report *report);

/* The keys of session tickets, random or from files; NULL on an error. */
struct tls_tickets *tickets_load(const struct config *config, struct config_report *report);

#endif
