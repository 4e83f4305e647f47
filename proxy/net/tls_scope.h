/*
 * Private to net: where a TLS session may be resumed, which is its session-id context. Any thread.
 */
#ifndef MAILMUX_TLS_SCOPE_H
#define MAILMUX_TLS_SCOPE_H

#include "tls_set.h"

/*
 * Sets the session-id context of a connection that shows what was chosen. Returns false without
 * memory.
 */
bool tls_scope_set(SSL *ssl, const struct tls_service *service, const struct tls_choice *choice);

#endif
