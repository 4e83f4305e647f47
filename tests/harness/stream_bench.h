/*
 * One stream on one memory wire, with all that a worker would give it. One thread; abort() without
 * memory.
 */
#ifndef MAILMUX_STREAM_BENCH_H
#define MAILMUX_STREAM_BENCH_H

#include "memory_tls.h"
#include "stream.h"

enum { STREAM_BENCH_TURNS = 100000 };

struct stream_bench {
    struct memory_wire wire;
    struct cork *cork;
    struct buffer_pool pool;
    struct stream_context context;
    struct stream stream;
};

void stream_bench_open(struct stream_bench *bench);
/* Closes the stream. Returns false if a buffer was not given back or the wire was not closed. */
bool stream_bench_close(struct stream_bench *bench);

/*
 * Lets stream and peer shake hands. Returns IO_OK when the stream's handshake is complete and the
 * peer has nothing more to send, IO_ERR when it fails, IO_AGAIN when neither moves any more.
 */
enum io stream_bench_shake(struct stream_bench *bench, struct memory_tls *peer);

/*
 * Reads until the wire is empty, the stream ends or fails, or cap bytes are read. *got says how
 * many were read. Returns what the last read has returned.
 */
enum io stream_bench_read(struct stream_bench *bench, char *into, size_t cap, size_t *got);

/* Writes and flushes all bytes, while the peer reads; the peer may be NULL. */
enum io stream_bench_write(struct stream_bench *bench, struct memory_tls *peer, struct slice bytes);

#endif
