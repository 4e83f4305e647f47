/*
 * TLS 1.3 without the library's session: a stream whose handshake is over keeps two traffic
 * secrets and two record numbers, and opens and seals its records itself (tls_record.h). It costs
 * an idle session a few hundred octets where the library's object costs more than 13 KiB.
 *
 * It is for a relay: it knows data, alerts and KeyUpdate, and the tickets of a server, which it
 * drops. Any other message ends the stream. One worker thread.
 */
#ifndef MAILMUX_TLS_LEAN_H
#define MAILMUX_TLS_LEAN_H

#include "mailmux/buffer.h"
#include "tls_record.h"

struct stream;
struct ssl_ctx_st;

enum { TLS_LEAN_WIRE = 128 * 1024 /* octets that one read takes from the wire */ };

/* What the streams of one thread share. */
struct tls_lean_tools {
    struct record_tools records;
    struct buffer_pool rests; /* parts of records */
    char wire[TLS_LEAN_WIRE]; /* what one read has received; of no use between calls */
};

/* Returns the tools, which the caller frees, or NULL: then streams stay with the library. */
struct tls_lean_tools *tls_lean_tools_new(void);
/* No stream may use them any more. NULL is allowed. */
void tls_lean_tools_free(struct tls_lean_tools *tools);

/* Lets streams of the context leave the library later: it keeps their traffic secrets. */
void tls_lean_prepare(struct ssl_ctx_st *context);

#endif
