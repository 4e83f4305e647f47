/*
 * The TLS that a load balancer in front of mailmux has ended, as its PROXY header says. It is kept
 * for the length of the session, because the backend may be told of it. Only a header from a
 * trusted balancer comes here.
 */
#ifndef MAILMUX_FRONT_TLS_H
#define MAILMUX_FRONT_TLS_H

#include "mailmux/proxy_header.h"

struct front_tls;

/*
 * Copies what the header says of the client's TLS. The caller frees it with free(). Returns NULL if
 * the header says nothing of it, or without memory. A text that is too long for its kind is left
 * out, so that all of it fits into a header of ours.
 */
struct front_tls *front_tls_copy(const struct proxy_header *header);

/* Puts what is wanted (bits of PROXY_TLV_*) into a header, which borrows the texts. */
void front_tls_put(const struct front_tls *tls, unsigned wanted, struct proxy_header *header);

#endif
