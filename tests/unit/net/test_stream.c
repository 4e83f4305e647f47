/* Plain streams, and the readiness bits of the wire below them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stream_bench.h"
#include "tls_info.h"
#include <errno.h>

static void test_short_read_spares_a_call(void **state)
{
    struct stream_bench bench;
    char bytes[8];
    size_t n;

    (void)state;
    stream_bench_open(&bench);
    memory_wire_feed(&bench.wire, SLICE("abc"));
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(bench.wire.receive_calls, 1);
    memory_wire_feed(&bench.wire, SLICE("12345678"));
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_OK);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(bench.wire.receive_calls, 3); /* a full read may leave more behind */
    assert_int_equal(bench.wire.wire.received, 11);
    assert_true(stream_bench_close(&bench));
}

static void test_end_is_remembered_and_disarmed(void **state)
{
    struct stream_bench bench;
    char bytes[8];
    size_t n;

    (void)state;
    stream_bench_open(&bench);
    wire_watch(&bench.wire.wire, WIRE_READABLE | WIRE_HANGUP);
    memory_wire_feed_end(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_EOF);
    assert_int_equal(bench.wire.wire.watched, WIRE_HANGUP);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_EOF);
    assert_int_equal(bench.wire.receive_calls, 1);
    assert_int_equal(bench.stream.failure, STREAM_FINE);
    assert_true(stream_bench_close(&bench));
}

static void test_write_in_parts(void **state)
{
    static const size_t sizes[] = {3, 0, 100};
    struct stream_bench bench;
    size_t n;

    (void)state;
    stream_bench_open(&bench);
    bench.wire.sends = (struct memory_script){.sizes = sizes, .count = 3};
    assert_int_equal(stream_write(&bench.stream, SLICE("abcdef"), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(stream_write(&bench.stream, SLICE("def"), &n), IO_AGAIN);
    assert_int_equal(bench.wire.send_calls, 1);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_write(&bench.stream, SLICE("def"), &n), IO_AGAIN);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_write(&bench.stream, SLICE("def"), &n), IO_OK);
    assert_int_equal(n, 3);
    assert_false(stream_has_held(&bench.stream));
    assert_memory_equal(memory_wire_sent(&bench.wire).p, "abcdef", 6);
    assert_true(stream_bench_close(&bench));
}

static void test_shutdown_then_reset(void **state)
{
    struct stream_bench bench;
    struct tls_info info;
    char bytes[8];
    size_t n;

    (void)state;
    stream_bench_open(&bench);
    assert_false(stream_is_tls(&bench.stream));
    assert_false(stream_tls_info(&bench.stream, &info));
    assert_int_equal(stream_handshake(&bench.stream), IO_OK);
    stream_shutdown(&bench.stream, false);
    assert_true(bench.wire.finished);
    assert_int_equal(stream_write(&bench.stream, SLICE("x"), &n), IO_ERR);
    memory_wire_feed(&bench.wire, SLICE("still"));
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_OK);
    memory_wire_fail(&bench.wire, ECONNRESET);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_RESET);
    assert_int_equal(bench.wire.wire.error, ECONNRESET);
    stream_close(&bench.stream, true);
    assert_true(bench.wire.closed_with_reset);
    assert_false(stream_is_open(&bench.stream));
    assert_true(stream_bench_close(&bench)); /* closing twice is harmless */
}

static void test_watch_only_when_it_differs(void **state)
{
    struct stream_bench bench;

    (void)state;
    stream_bench_open(&bench);
    bench.wire.wire.ready = 0; /* what is ready is told again */
    wire_watch(&bench.wire.wire, WIRE_READABLE);
    wire_watch(&bench.wire.wire, WIRE_READABLE);
    assert_int_equal(bench.wire.watch_calls, 1);
    wire_watch(&bench.wire.wire, 0);
    assert_int_equal(bench.wire.watch_calls, 2);
    assert_true(stream_bench_close(&bench));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_read_spares_a_call),
        cmocka_unit_test(test_end_is_remembered_and_disarmed),
        cmocka_unit_test(test_write_in_parts),
        cmocka_unit_test(test_shutdown_then_reset),
        cmocka_unit_test(test_watch_only_when_it_differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
