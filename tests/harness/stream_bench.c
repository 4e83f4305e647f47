#include "stream_bench.h"

#include "tls_bio.h"
#include "tls_lean.h"
#include <stdlib.h>

void stream_bench_open(struct stream_bench *bench)
{
    *bench = (struct stream_bench){0};
    memory_wire_init(&bench->wire);
    bench->cork = calloc(1, sizeof(*bench->cork));
    if (!bench->cork)
        abort();
    buffer_pool_init(&bench->pool, CORK_SIZE, 4);
    bench->context = (struct stream_context){.cork = bench->cork,
        .pool = &bench->pool,
        .lean = tls_lean_tools_new(),
        .bio = tls_bio_new(NULL)};
    stream_open(&bench->stream, &bench->context, &bench->wire.wire, NULL, NULL);
}

bool stream_bench_close(struct stream_bench *bench)
{
    bool is_clean;

    stream_close(&bench->stream, false);
    is_clean = bench->wire.closed && bench->pool.taken == 0 && bench->cork->n == 0;
    if (bench->pool.taken == 0)
        buffer_pool_deinit(&bench->pool);
    tls_lean_tools_free(bench->context.lean);
    tls_bio_free(bench->context.bio);
    memory_wire_deinit(&bench->wire);
    free(bench->cork);
    return is_clean;
}

enum io stream_bench_shake(struct stream_bench *bench, struct memory_tls *peer)
{
    enum io status = IO_AGAIN;

    for (int turn = 0; turn < STREAM_BENCH_TURNS; turn++) {
        size_t before = bench->wire.inbox.n;
        bool has_moved = memory_tls_step(peer);

        memory_wire_refresh(&bench->wire);
        status = stream_handshake(&bench->stream);
        if (status == IO_ERR) {
            (void)memory_tls_step(peer); /* the alert */
            return status;
        }
        has_moved =
            has_moved || bench->wire.inbox.n != before || memory_wire_sent(&bench->wire).n > 0;
        /* An IO_AGAIN while bytes are left is a scripted one, so it is tried again. */
        if (!has_moved && !stream_has_held(&bench->stream) &&
            (status == IO_OK || bench->wire.inbox.n == 0))
            break;
    }
    return status;
}

enum io stream_bench_read(struct stream_bench *bench, char *into, size_t cap, size_t *got)
{
    enum io status = IO_OK;

    *got = 0;
    for (int turn = 0; turn < STREAM_BENCH_TURNS && *got < cap; turn++) {
        size_t n;
        size_t before = bench->wire.inbox.n;

        memory_wire_refresh(&bench->wire);
        status = stream_read(&bench->stream, into + *got, cap - *got, &n);
        *got += n;
        if (status == IO_EOF || status == IO_ERR)
            break;
        if (status == IO_AGAIN && before == 0 && !bench->wire.inbox_ended &&
            bench->wire.failure == 0)
            break; /* an IO_AGAIN while bytes are left is a scripted one, so it is tried again */
    }
    return status;
}

enum io stream_bench_write(struct stream_bench *bench, struct memory_tls *peer, struct slice bytes)
{
    for (int turn = 0; turn < STREAM_BENCH_TURNS; turn++) {
        size_t put = 0;
        enum io status = IO_OK;

        memory_wire_refresh(&bench->wire);
        if (stream_flush(&bench->stream) == IO_ERR)
            return IO_ERR;
        if (bytes.n > 0)
            status = stream_write(&bench->stream, bytes, &put);
        if (status == IO_ERR)
            return status;
        bytes = slice_after(bytes, put);
        if (peer)
            (void)memory_tls_step(peer);
        if (bytes.n == 0 && !stream_has_held(&bench->stream))
            return IO_OK;
    }
    return IO_AGAIN;
}
