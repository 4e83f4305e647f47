/*
 * Makes certificate sets (net/tls_context) and ticket keys from a configuration. Main thread;
 * blocks on the disk.
 */
#ifndef MAILMUX_CERTIFICATES_H
#define MAILMUX_CERTIFICATES_H

#include "mailmux/config.h"
#include "tls_context.h"
#include "tls_tickets.h"

/*
 * Loads the certificate set at that index of config->tls; the caller frees it with tls_set_free.
 * What is wrong goes to the report with the line of its setting. before: what the set of that name
 * has from its directories, of which unchanged certificates are taken; or NULL. If no certificate
 * is configured and make_certificate is true, makes or reuses a self-signed certificate for the
 * host name in the setting `hostname`. If it is false, no set is made, but the other settings are
 * checked. Returns NULL on an error, and when no set is made.
 */
struct tls_set *certificates_load(const struct config *config, size_t index,
    const struct tls_directory *before, bool make_certificate, struct config_report *report);

/*
 * Warns where no set has a certificate for the setting `hostname`. sets: those of config->tls; NULL
 * where none was loaded. Says nothing where no listener has TLS.
 */
void certificates_check_hostname(
    const struct config *config, struct tls_set *const *sets, struct config_report *report);

/* Warns of host names in `for` that the set has no certificate for. sets: as above. */
void certificates_check_hosts(
    const struct config *config, struct tls_set *const *sets, struct config_report *report);

/*
 * Returns a reference to the keys of session tickets, random ones or those from ticket_keys; the
 * caller gives it back with tls_tickets_unref. Returns NULL on an error, which is reported.
 */
struct tls_tickets *tickets_load(const struct config *config, struct config_report *report);

#endif
