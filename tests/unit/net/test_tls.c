/* TLS streams over memory wires: bytes, their order, their end, and what is held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tls_bench.h"
#include "tls_info.h"
#include <stdlib.h>

static struct tls_bench tls;

static int setup_group(void **state)
{
    (void)state;
    return tls_bench_init(&tls) ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    tls_bench_deinit(&tls);
    return 0;
}

static void begin(struct stream_bench *bench, struct memory_tls *peer)
{
    assert_true(tls_bench_begin(&tls, bench, peer));
}

static void shake(struct stream_bench *bench, struct memory_tls *peer)
{
    assert_true(tls_bench_shake(&tls, bench, peer));
}

static void end(struct stream_bench *bench, struct memory_tls *peer)
{
    assert_true(tls_bench_end(bench, peer));
}

static void assert_heard(const struct memory_tls *peer, struct slice wanted)
{
    assert_int_equal(memory_tls_heard(peer).n, wanted.n);
    assert_memory_equal(memory_tls_heard(peer).p, wanted.p, wanted.n);
}

static void test_both_ways(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;
    struct tls_info info;

    (void)state;
    shake(&bench, &peer);
    memory_tls_say(&peer, SLICE("a LOGOUT\r\n"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 10);
    assert_memory_equal(bytes, "a LOGOUT\r\n", 10);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("* BYE\r\n")), IO_OK);
    assert_heard(&peer, SLICE("* BYE\r\n"));
    assert_true(stream_tls_info(&bench.stream, &info));
    assert_string_equal(info.version, "TLSv1.3");
    assert_string_equal(info.group, "x25519");
    assert_non_null(info.cipher);
    assert_false(info.resumed);
    assert_int_equal(info.peer, TLS_PEER_UNKNOWN);
    stream_shutdown(&bench.stream, false);
    (void)memory_tls_step(&peer);
    assert_true(peer.is_ended);
    assert_true(bench.wire.finished);
    end(&bench, &peer);
}

static const char flood[2 * CORK_SIZE];

/* The last octets and close_notify are one write; what is not taken whole is not the end. */
static void test_last_octets(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    unsigned before;
    size_t n;

    (void)state;
    for (int truncated = 0; truncated < 2; truncated++) {
        begin(&bench, &peer);
        assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
        before = bench.wire.send_calls;
        assert_int_equal(stream_write_last(&bench.stream, SLICE("bye"), truncated != 0, &n), IO_OK);
        assert_int_equal(n, 3);
        assert_int_equal(bench.wire.send_calls - before, 1);
        assert_true(bench.wire.finished);
        (void)memory_tls_step(&peer);
        assert_heard(&peer, SLICE("bye"));
        assert_int_equal(peer.is_ended, !truncated);
        end(&bench, &peer);
    }
    begin(&bench, &peer);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    assert_int_equal(
        stream_write_last(&bench.stream, slice_of(flood, sizeof(flood)), false, &n), IO_OK);
    assert_true(n > 0 && n < sizeof(flood));
    assert_false(bench.stream.finished);
    (void)memory_tls_step(&peer);
    assert_heard(&peer, slice_of(flood, n));
    end(&bench, &peer);
}

static bool is_cleansed(const struct stream_bench *bench)
{
    return (SSL_get_options(bench->stream.ssl) & SSL_OP_CLEANSE_PLAINTEXT) != 0;
}

/* A password may come until the owner knows better. */
static void test_secrets_are_cleansed(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    shake(&bench, &peer);
    assert_true(is_cleansed(&bench));
    stream_set_secret(&bench.stream, false);
    assert_false(is_cleansed(&bench));
    stream_set_secret(&bench.stream, true);
    assert_true(is_cleansed(&bench));
    end(&bench, &peer);
}

/* Records that come one behind the other are taken together; the first tells that they do. */
static void test_records_are_read_together(void **state)
{
    enum { RECORD = 16384, READ = 3 * RECORD, ROUNDS = 4 };
    static char bytes[READ];
    static char text[(size_t)READ * ROUNDS];
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    shake(&bench, &peer);
    stream_set_secret(&bench.stream, false); /* as a relay does */
    memory_tls_say(&peer, slice_of(text, sizeof(text)));
    for (int i = 0; i < ROUNDS; i++) {
        unsigned before = bench.wire.receive_calls;
        size_t n;

        assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_OK);
        assert_int_equal(n, READ);
        if (i > 0)
            assert_in_range(bench.wire.receive_calls - before, 1, 2);
    }
    memory_tls_say(&peer, SLICE("a line\r\n"));
    (void)stream_bench_read(&bench, bytes, sizeof(bytes), &(size_t){0});
    assert_false(bench.stream.reads_ahead); /* an idle stream needs no room for more */
    end(&bench, &peer);
}

/* C90: every byte in a segment of its own. */
static void test_one_byte_segments(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    begin(&bench, &peer);
    memory_wire_set_one_byte(&bench.wire);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    memory_tls_say(&peer, SLICE("hello"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("world")), IO_OK);
    assert_heard(&peer, SLICE("world"));
    end(&bench, &peer);
}

/* Much data both ways through short reads and writes and refusals, as a seed has them. */
static void test_random_segments(void **state)
{
    enum { SIZE = 300000 };
    char *data = malloc(SIZE);
    char *back = malloc(SIZE);

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 31 + i / 251);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stream_bench bench;
        struct memory_tls peer;
        size_t most = (size_t)1 << (seed % 16);
        size_t size = most * 1000 < SIZE ? most * 1000 : SIZE;
        size_t n;

        begin(&bench, &peer);
        memory_wire_set_random(&bench.wire, seed, most);
        if (seed % 3 == 0)
            assert_int_equal(SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION), 1);
        assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
        memory_tls_say(&peer, slice_of(data, size));
        (void)stream_bench_read(&bench, back, size, &n);
        assert_int_equal(n, size);
        assert_memory_equal(back, data, n);
        assert_int_equal(stream_bench_write(&bench, &peer, slice_of(data, size)), IO_OK);
        while (memory_tls_step(&peer))
            ;
        assert_heard(&peer, slice_of(data, size));
        end(&bench, &peer);
    }
    free(data);
    free(back);
}

/* A clean end is IO_EOF, and bytes before it are not lost; our direction stays open (A33). */
static void test_close_notify(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    shake(&bench, &peer);
    memory_tls_say(&peer, SLICE("bye"));
    memory_tls_end(&peer);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_EOF);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_EOF);
    assert_int_equal(stream_bench_write(&bench, NULL, SLICE("last words")), IO_OK);
    assert_true(memory_wire_sent(&bench.wire).n > 0);
    end(&bench, &peer);
}

/* C18: what was read behind STARTTLS is the start of the handshake, whole or in part. */
static void test_prefix(void **state)
{
    (void)state;
    for (size_t cut = 1; cut <= 200; cut += 33) {
        struct stream_bench bench;
        struct memory_tls peer;
        struct memory_bytes hello;
        struct buffer *prefix;

        stream_bench_open(&bench);
        memory_tls_init_client(&peer, &bench.wire, NULL);
        assert_int_equal(SSL_do_handshake(peer.ssl), -1);
        hello = memory_tls_take(&peer);
        assert_true(hello.n > 200);
        prefix = buffer_take(&bench.pool);
        assert_true(buffer_append(prefix, slice_of(hello.data, cut)));
        memory_wire_feed(&bench.wire, slice_after(slice_of(hello.data, hello.n), cut));
        free(hello.data);
        assert_int_equal(stream_start_tls_server(&bench.stream, &tls.service, &prefix), IO_OK);
        assert_null(prefix);
        assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
        assert_true(peer.is_up);
        end(&bench, &peer);
    }
}

/* A peer that does not read costs one buffer, and no byte is lost when it reads again. */
static void test_held_is_bounded(void **state)
{
    enum { SIZE = 200000, WINDOW = 10000 };
    struct stream_bench bench;
    struct memory_tls peer;
    char *data = calloc(1, SIZE);
    size_t put = 0;
    size_t n;

    (void)state;
    shake(&bench, &peer);
    bench.wire.window = WINDOW;
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_write(&bench.stream, slice_of(data, SIZE), &put), IO_OK);
    assert_true(stream_has_held(&bench.stream));
    assert_true(put < CORK_SIZE);
    assert_int_equal(bench.pool.taken, 1);
    assert_int_equal(stream_write(&bench.stream, slice_of(data, SIZE), &n), IO_AGAIN);
    assert_int_equal(n, 0);
    assert_int_equal(stream_flush(&bench.stream), IO_AGAIN);
    assert_int_equal(stream_bench_write(&bench, &peer, slice_of(data + put, SIZE - put)), IO_OK);
    while (memory_tls_step(&peer))
        ;
    assert_heard(&peer, slice_of(data, SIZE));
    assert_int_equal(bench.pool.taken, 0);
    free(data);
    end(&bench, &peer);
}

/* C92: close_notify waits behind what is full, and the FIN behind close_notify. */
static void test_shutdown_on_a_full_wire(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    shake(&bench, &peer);
    bench.wire.window = 5;
    stream_shutdown(&bench.stream, false);
    assert_true(stream_has_held(&bench.stream));
    assert_false(bench.wire.finished);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("")), IO_OK);
    assert_true(peer.is_ended);
    assert_true(bench.wire.finished);
    end(&bench, &peer);
}

/* C93: after the other leg was cut, FIN alone. */
static void test_truncated_shutdown(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    shake(&bench, &peer);
    stream_shutdown(&bench.stream, true);
    assert_int_equal(memory_wire_sent(&bench.wire).n, 0);
    assert_true(bench.wire.finished);
    end(&bench, &peer);
}

/* Half a record is nothing to read, and a whole one may be read by and by. */
static void test_a_record_in_pieces(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    struct memory_bytes record;
    char bytes[64];
    size_t n;

    (void)state;
    shake(&bench, &peer);
    assert_int_equal(SSL_write(peer.ssl, "0123456789", 10), 10);
    record = memory_tls_take(&peer);
    memory_wire_feed(&bench.wire, slice_of(record.data, record.n - 1));
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_AGAIN);
    memory_wire_feed(&bench.wire, slice_of(record.data + record.n - 1, 1));
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, 4, &n), IO_OK);
    assert_int_equal(n, 4);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 6);
    free(record.data);
    end(&bench, &peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_secrets_are_cleansed),
        cmocka_unit_test(test_records_are_read_together),
        cmocka_unit_test(test_one_byte_segments),
        cmocka_unit_test(test_random_segments),
        cmocka_unit_test(test_close_notify),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_held_is_bounded),
        cmocka_unit_test(test_shutdown_on_a_full_wire),
        cmocka_unit_test(test_truncated_shutdown),
        cmocka_unit_test(test_a_record_in_pieces),
        cmocka_unit_test(test_last_octets),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
