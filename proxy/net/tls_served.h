/* Private to net: what a directory shows for a name. */
#ifndef MAILMUX_TLS_SERVED_H
#define MAILMUX_TLS_SERVED_H

#include "tls_directory.h"
#include "tls_identity.h"

/* A certificate of each kind of key; the client's offer chooses among them. It is the directory's.
 */
struct tls_served {
    struct tls_identity *by_kind[TLS_KEY_KINDS]; /* NULL: there is none */
    char name[];
};

/* Returns what it has for exactly this name, which may be "*." and a domain; or NULL. */
const struct tls_served *tls_directory_find(
    const struct tls_directory *directory, const char *name);

/* Returns what a client gets whose name is not known, or NULL if the directory is empty. */
const struct tls_served *tls_directory_fallback(const struct tls_directory *directory);

/* Has the connection show these certificates, and no others. Returns false if none can be used. */
bool tls_served_use(const struct tls_served *served, SSL *ssl);

#endif
