/*
 * The TLS that a load balancer in front of us has ended, as its PROXY header says: kept while its
 * session lasts, for what the backend hears. Only a header that was believed comes here.
 */
#ifndef MAILMUX_FRONT_TLS_H
#define MAILMUX_FRONT_TLS_H

#include "mailmux/proxy_header.h"

struct front_tls;

/*
 * A copy of what the header tells of the client's TLS. NULL: it tells of none (or no memory). A
 * text too long for what it is gets left out: then there is room for all in a header of ours.
 */
struct front_tls *front_tls_copy(const struct proxy_header *header);

/* Puts what is wanted (bits of PROXY_TLV_*) into a header; its texts are borrowed. */
void front_tls_put(const struct front_tls *tls, unsigned wanted, struct proxy_header *header);

#endif
