/* Makes the TLS toward a backend (net/tls_client) from its settings. Main thread. */
#ifndef MAILMUX_BACKEND_TLS_H
#define MAILMUX_BACKEND_TLS_H

#include "mailmux/config.h"
#include "tls_client.h"

/*
 * Reads authorities, pins, certificate and key. Returns a reference, which the caller gives back
 * with tls_client_unref. What is wrong goes to the report with the line of its setting. Returns
 * NULL on an error, which is in the report; and for a backend without TLS. Blocks on the disk.
 */
struct tls_client *backend_tls_load(const struct config_backend *backend,
    enum config_tls_relay relay, struct config_report *report);

#endif
