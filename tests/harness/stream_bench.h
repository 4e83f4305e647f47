/*
 * One stream on one memory wire with all that a worker would give it. One thread; close checks
 * that every buffer has come back.
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
/* False: a buffer was lost, or the wire was not closed. */
bool stream_bench_close(struct stream_bench *bench);

/*
 * The handshake of stream and peer, in turns, until the stream's is complete and the peer has
 * nothing more to say, or until it fails (IO_ERR), or until neither moves (IO_AGAIN).
 */
enum io stream_bench_shake(struct stream_bench *bench, struct memory_tls *peer);

/* Reads until IO_AGAIN, the end, or cap; steps of cap bytes at most. What came is in *got. */
enum io stream_bench_read(struct stream_bench *bench, char *into, size_t cap, size_t *got);

/* Writes and flushes all of it, the peer reading meanwhile (it may be NULL). */
enum io stream_bench_write(struct stream_bench *bench, struct memory_tls *peer, struct slice bytes);

#endif
