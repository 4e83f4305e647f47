/*
 * A certificate set for "mail.example" and a TLS service for "imap" with it, for tests of one
 * stream with one client. One thread; abort() without memory.
 */
#ifndef MAILMUX_TLS_BENCH_H
#define MAILMUX_TLS_BENCH_H

#include "stream_bench.h"
#include "tls_context.h"

struct tls_bench {
    char *directory; /* has a.pem and a.key; a test may add files */
    struct tls_set *set;
    struct tls_service service; /* may be changed before a stream begins */
};

/* Makes directory, certificate and set. Returns false if the set could not be made. */
bool tls_bench_init(struct tls_bench *bench);
void tls_bench_deinit(struct tls_bench *bench);

/* Opens a stream that expects a handshake, and a client that has not begun it. False: it failed. */
bool tls_bench_begin(
    const struct tls_bench *bench, struct stream_bench *stream, struct memory_tls *peer);

/* As tls_bench_begin, and then shakes hands. Returns false if that failed. */
bool tls_bench_shake(
    const struct tls_bench *bench, struct stream_bench *stream, struct memory_tls *peer);

/* Closes both. Returns as stream_bench_close. */
bool tls_bench_end(struct stream_bench *stream, struct memory_tls *peer);

#endif
