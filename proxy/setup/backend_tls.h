/* From a backend's settings to its TLS of net/tls_client. Main thread. */
#ifndef MAILMUX_BACKEND_TLS_H
#define MAILMUX_BACKEND_TLS_H

#include "mailmux/config.h"
#include "tls_client.h"

/*
 * Reads authorities, pins, certificate and key; what is wrong goes to the report with the line that
 * said so. NULL on an error, and where the backend has no TLS.
 */
struct tls_client *backend_tls_load(
    const struct config_backend *backend, struct config_report *report);

#endif
