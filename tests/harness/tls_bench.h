/*
 * A certificate set for "mail.example", a service that speaks "imap" with it, and sessions of a
 * client with a stream that is served by it. One thread; abort() without memory.
 */
#ifndef MAILMUX_TLS_BENCH_H
#define MAILMUX_TLS_BENCH_H

#include "stream_bench.h"
#include "tls_context.h"

struct tls_bench {
    char *directory; /* a.pem and a.key are in it, and may be used otherwise, too */
    struct tls_set *set;
    struct tls_service service; /* may be changed before a stream begins */
};

/* certificates_directory_new and a set in it. False: the set could not be made. */
bool tls_bench_init(struct tls_bench *bench);
void tls_bench_deinit(struct tls_bench *bench);

/* A stream that expects a handshake, and a client that has not begun it. */
bool tls_bench_begin(
    const struct tls_bench *bench, struct stream_bench *stream, struct memory_tls *peer);

/* The same with the handshake done. False: it failed. */
bool tls_bench_shake(
    const struct tls_bench *bench, struct stream_bench *stream, struct memory_tls *peer);

/* Closes both. False: something was lost. */
bool tls_bench_end(struct stream_bench *stream, struct memory_tls *peer);

#endif
