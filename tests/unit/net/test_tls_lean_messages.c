/* What a peer may say to a stream that has left the library, besides data, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lean_test.h"
#include "tls_lean_parts.h"

static void leave(struct stream_bench *bench)
{
    char byte;
    size_t n;

    stream_leave_library(&bench->stream);
    memory_wire_refresh(&bench->wire);
    assert_int_equal(stream_read(&bench->stream, &byte, 1, &n), IO_AGAIN);
    assert_non_null(bench->stream.lean);
}

static void end(struct stream_bench *bench, struct memory_tls *peer)
{
    assert_true(tls_bench_end(bench, peer));
}

/*
 * Shakes hands and returns the client's direction, so that a test may seal what no library would.
 */
static struct traffic begin_as_peer(
    struct stream_bench *bench, struct memory_tls *peer, struct record_tools *tools)
{
    struct traffic traffic;

    assert_true(tls_bench_shake(&tls, bench, peer));
    assert_true(record_tools_init(tools));
    assert_true(traffic_begin(&traffic, tools, TRAFFIC_AES_128_GCM, bench->stream.secrets->client,
        bench->stream.secrets->read));
    assert_string_equal(SSL_get_cipher_name(peer->ssl), "TLS_AES_128_GCM_SHA256");
    leave(bench);
    return traffic;
}

static void feed(struct stream_bench *bench, struct traffic *traffic, struct record_tools *tools,
    enum record_type type, struct slice content)
{
    static char wire[RECORD_WIRE_MAX];
    size_t n = record_seal(traffic, tools, type, content, wire);

    assert_true(n > 0);
    memory_wire_feed(&bench->wire, slice_of(wire, n));
    memory_wire_refresh(&bench->wire);
}

struct bad {
    enum record_type type;
    struct slice content;
    int alert;
};

/* What ends a stream, and the alert that the peer gets for it [RFC 8446 4.6.3, 5, 6]. */
static void test_bad_records(void **state)
{
    static const struct bad bads[] = {
        {RECORD_TYPE_HANDSHAKE, {"", 0}, SSL_AD_UNEXPECTED_MESSAGE},
        {RECORD_TYPE_HANDSHAKE, {"\x18\0\0\1\2", 5}, SSL_AD_ILLEGAL_PARAMETER},
        {RECORD_TYPE_HANDSHAKE, {"\x18\0\0\1\0\x18", 6}, SSL_AD_UNEXPECTED_MESSAGE},
        {RECORD_TYPE_HANDSHAKE, {"\x18\0\0\2\0\0", 6}, SSL_AD_ILLEGAL_PARAMETER},
        {RECORD_TYPE_HANDSHAKE, {"\x18\0\0\0", 4}, SSL_AD_DECODE_ERROR},
        {RECORD_TYPE_HANDSHAKE, {"\1\0\0\0", 4}, SSL_AD_UNEXPECTED_MESSAGE},
        {RECORD_TYPE_HANDSHAKE, {"\4\0\0\0", 4}, SSL_AD_UNEXPECTED_MESSAGE}, /* no server */
        {RECORD_TYPE_ALERT, {"\1", 1}, SSL_AD_UNEXPECTED_MESSAGE},
        {RECORD_TYPE_ALERT, {"\1\0\1\0", 4}, SSL_AD_UNEXPECTED_MESSAGE},
        {(enum record_type)20, {"\1", 1}, SSL_AD_UNEXPECTED_MESSAGE},
        {(enum record_type)24, {"\1", 1}, SSL_AD_UNEXPECTED_MESSAGE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
        struct record_tools tools;
        struct stream_bench bench;
        struct memory_tls peer;
        struct traffic traffic = begin_as_peer(&bench, &peer, &tools);
        char bytes[64];
        size_t n;

        feed(&bench, &traffic, &tools, RECORD_TYPE_DATA, SLICE("good"));
        feed(&bench, &traffic, &tools, bads[i].type, bads[i].content);
        assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
        assert_int_equal(n, 4);
        assert_int_equal(bench.stream.failure, STREAM_TLS_PROTOCOL);
        (void)memory_tls_step(&peer);
        assert_int_equal(peer.alert, bads[i].alert);
        traffic_end(&traffic, &tools);
        record_tools_deinit(&tools);
        end(&bench, &peer);
    }
}

static void test_forged_record(void **state)
{
    struct record_tools tools;
    struct stream_bench bench;
    struct memory_tls peer;
    struct traffic traffic = begin_as_peer(&bench, &peer, &tools);
    char bytes[64];
    size_t n;

    (void)state;
    traffic.sequence++;
    feed(&bench, &traffic, &tools, RECORD_TYPE_DATA, SLICE("from elsewhere"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(n, 0);
    (void)memory_tls_step(&peer);
    assert_int_equal(peer.alert, SSL_AD_BAD_RECORD_MAC);
    traffic_end(&traffic, &tools);
    record_tools_deinit(&tools);
    end(&bench, &peer);
}

static void test_a_message_in_parts(void **state)
{
    struct record_tools tools;
    struct stream_bench bench;
    struct memory_tls peer;
    struct traffic traffic = begin_as_peer(&bench, &peer, &tools);
    char bytes[64];
    size_t n;

    (void)state;
    feed(&bench, &traffic, &tools, RECORD_TYPE_HANDSHAKE, slice_of("\x18\0\0", 3));
    feed(&bench, &traffic, &tools, RECORD_TYPE_HANDSHAKE, slice_of("\1\0", 2));
    assert_true(traffic_update(&traffic, &tools));
    feed(&bench, &traffic, &tools, RECORD_TYPE_DATA, SLICE("new"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 3);
    feed(&bench, &traffic, &tools, RECORD_TYPE_HANDSHAKE, slice_of("\x18\0\0", 3));
    feed(&bench, &traffic, &tools, RECORD_TYPE_DATA, SLICE("between"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    (void)memory_tls_step(&peer);
    assert_int_equal(peer.alert, SSL_AD_UNEXPECTED_MESSAGE);
    traffic_end(&traffic, &tools);
    record_tools_deinit(&tools);
    end(&bench, &peer);
}

static void test_a_flood_without_data(void **state)
{
    struct record_tools tools;
    struct stream_bench bench;
    struct memory_tls peer;
    struct traffic traffic = begin_as_peer(&bench, &peer, &tools);
    char bytes[64];
    size_t n;

    (void)state;
    for (int burst = 0; burst < 3;
         burst++) { /* what the wire has at once is bounded, not the sum */
        for (int i = 0; i < 30; i++)
            feed(&bench, &traffic, &tools, RECORD_TYPE_DATA, SLICE(""));
        assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    }
    for (int i = 0; i < 40; i++)
        feed(&bench, &traffic, &tools, RECORD_TYPE_DATA, SLICE(""));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    traffic_end(&traffic, &tools);
    record_tools_deinit(&tools);
    end(&bench, &peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_forged_record),
        cmocka_unit_test(test_a_message_in_parts),
        cmocka_unit_test(test_a_flood_without_data),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
