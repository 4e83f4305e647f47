/*
 * Private to net: TLS sessions with servers, kept to be resumed. A store belongs to one tls_client,
 * so what was verified when a session began is what would be verified now. A session is resumed at
 * the address where it began, under the same name [A16].
 *
 * A session is taken out when it is used: a ticket of TLS 1.3 is good once [RFC 8446 C.4], and no
 * two threads may have one session. When too many are kept the oldest goes. Any thread: a mutex
 * guards the store.
 */
#ifndef MAILMUX_TLS_KEPT_H
#define MAILMUX_TLS_KEPT_H

#include "mailmux/address.h"
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct tls_kept;
struct tls_place; /* an address and a name */

enum {
    TLS_KEPT_AT_A_PLACE = 16,
    TLS_KEPT_MAX = 4096 /* a kilobyte and a half each */
};

/*
 * Returns a store, or NULL without memory. dates_count: a session ends with the server's
 * certificate at the latest.
 */
struct tls_kept *tls_kept_new(bool dates_count);

/* Frees the store and sets the pointer to NULL. NULL is allowed. No place may be in use. */
void tls_kept_free(struct tls_kept **kept);

/* Returns a place, or NULL without memory. The caller gives it back with tls_place_leave. */
struct tls_place *tls_place_enter(
    struct tls_kept *kept, const struct address *address, const char *name);

/* Gives a place back and sets the pointer to NULL. NULL is allowed. Its sessions stay. */
void tls_place_leave(struct tls_place **place);

/*
 * Returns the newest session that may be resumed, which is the caller's from now on; or NULL, and
 * then there is a full handshake.
 */
SSL_SESSION *tls_place_take(struct tls_place *place);

/*
 * Keeps a copy of the session that a connection to this place has now. end_s: when the session ends
 * that it has resumed; 0: it has resumed none. A session that is resumed again and again ends when
 * the first one would have.
 */
void tls_place_keep(struct tls_place *place, const SSL_SESSION *session, int64_t end_s);

/*
 * Drops the sessions of a place where a handshake has failed. If that one was to resume, none is
 * resumed there for an hour: the server may not be able to.
 */
void tls_place_distrust(struct tls_place *place, bool was_resuming);

#endif
