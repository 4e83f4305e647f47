/* Private to net: when a TLS session ends, of either role. Any thread. */
#ifndef MAILMUX_TLS_SESSION_H
#define MAILMUX_TLS_SESSION_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Returns the time, in seconds since 1970, from which the session may not be resumed any more: its
 * lifetime is over, or, if it counts, the peer's certificate has expired.
 */
int64_t tls_session_end(const SSL_SESSION *session, bool certificate_counts);

/* Has the session end at that time. It must be the caller's alone. */
void tls_session_set_end(SSL_SESSION *session, int64_t end_s);

#endif
