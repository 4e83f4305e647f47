/* How long a key and a record number last, how many KeyUpdates may come, and what is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lean_test.h"
#include "record_twins_parts.h"
#include <string.h>

enum { LAST_OF_A_KEY = (1 << 24) - 1 /* [RFC 8446 5.5] allows 2^24.5 */ };

static struct record_count count;
static struct twins twins;
static struct tls_lean *lean; /* of the one that has left */

static struct stream_bench *begin(enum traffic_suite suite)
{
    twins = (struct twins){.count = &count};
    twins_begin(&twins, &tls, false, suite);
    lean = twins.twin[OWN].bench.stream.lean;
    return &twins.twin[OWN].bench;
}

static void end(void)
{
    assert_true(twins_end(&twins));
}

/* So many records have been sent with the key. */
static void set_sent(uint64_t records)
{
    lean->out.sequence = records;
    twins.sent.sequence = records;
}

static void test_a_key_ends_before_its_limit(void **state)
{
    (void)state;
    for (int suite = 0; suite < TRAFFIC_SUITES; suite++) {
        struct stream_bench *bench = begin((enum traffic_suite)suite);
        struct twins_sent sent;

        set_sent(LAST_OF_A_KEY - 1);
        for (int i = 0; i < 4; i++)
            assert_int_equal(stream_bench_write(bench, NULL, SLICE("record")), IO_OK);
        sent = twins_open_sent(&twins, OWN);
        assert_true(sent.is_good);
        assert_int_equal(sent.octets, 4 * 6);
        assert_int_equal(sent.updates, suite == TRAFFIC_CHACHA20 ? 0 : 1);
        assert_true(lean->out.sequence == (suite == TRAFFIC_CHACHA20 ? LAST_OF_A_KEY + 3 : 2));
        end();
    }
}

/* Both of them change their keys at the same time. */
static void test_keys_end_both_ways_at_once(void **state)
{
    struct stream_bench *bench = begin(TRAFFIC_AES_256_GCM);
    struct twins_sent sent;

    (void)state;
    set_sent(LAST_OF_A_KEY);
    twins_seal_key_update(&twins, SSL_KEY_UPDATE_REQUESTED, 0);
    twins_seal_data(&twins, 7);
    twins_feed(&twins, 0, twins.batch.n, TWINS_READ);
    assert_int_equal(stream_bench_write(bench, NULL, SLICE("one")), IO_OK);
    assert_int_equal(stream_bench_write(bench, NULL, SLICE("two")), IO_OK);
    sent = twins_open_sent(&twins, OWN);
    assert_true(sent.is_good);
    assert_int_equal(sent.octets, 6);
    assert_in_range(sent.updates, 1, 2);
    assert_int_equal(twins.twin[OWN].octets, 7);
    end();
}

static void test_record_numbers_end(void **state)
{
    struct stream_bench *bench = begin(TRAFFIC_CHACHA20);
    struct twins_sent sent;
    char byte;
    size_t n;

    (void)state;
    set_sent(UINT64_MAX - 1);
    assert_int_equal(stream_bench_write(bench, NULL, SLICE("last")), IO_OK);
    assert_int_equal(stream_bench_write(bench, NULL, SLICE("none")), IO_ERR);
    assert_int_equal(bench->stream.failure, STREAM_TLS_PROTOCOL);
    stream_shutdown(&bench->stream, false);
    sent = twins_open_sent(&twins, OWN);
    assert_int_equal(sent.octets, 4);
    assert_int_equal(memory_wire_sent(&bench->wire).n, 4 + RECORD_OVERHEAD); /* no alert, too */
    end();
    bench = begin(TRAFFIC_CHACHA20);
    lean->in.sequence = UINT64_MAX;
    twins_seal_data(&twins, 1);
    memory_wire_feed(&bench->wire, slice_of(twins.batch.data, twins.batch.n));
    assert_int_equal(stream_bench_read(bench, &byte, 1, &n), IO_ERR);
    sent = twins_open_sent(&twins, OWN);
    assert_int_equal(sent.alert, SSL_AD_INTERNAL_ERROR);
    end();
}

/* A peer that does not read asks for keys again and again, and gets one answer. */
static void test_asked_while_nothing_can_be_sent(void **state)
{
    static const char bytes[20000];
    struct stream_bench *bench = begin(TRAFFIC_AES_128_GCM);
    struct twins_sent sent;
    size_t put = 0;

    (void)state;
    bench->wire.window = 100;
    memory_wire_refresh(&bench->wire);
    assert_int_equal(stream_write(&bench->stream, slice_of(bytes, sizeof(bytes)), &put), IO_OK);
    assert_int_equal(put, sizeof(bytes));
    for (size_t i = 0; i < 10; i++)
        twins_seal_key_update(&twins, SSL_KEY_UPDATE_REQUESTED, i % 5);
    twins_seal_data(&twins, 3);
    twins_feed(&twins, 0, twins.batch.n, TWINS_READ);
    assert_int_equal(twins.twin[OWN].octets, 3);
    assert_int_equal(stream_write(&bench->stream, SLICE("x"), &put), IO_AGAIN);
    bench->wire.window = 0;
    assert_int_equal(stream_bench_write(bench, NULL, SLICE("behind")), IO_OK);
    sent = twins_open_sent(&twins, OWN);
    assert_true(sent.is_good);
    assert_int_equal(sent.octets, sizeof(bytes) + 6);
    assert_int_equal(sent.updates, 1);
    end();
}

static void test_floods_of_key_updates(void **state)
{
    enum { ALLOWED = 32 };

    (void)state;
    for (char request = 0; request < 2; request++) {
        (void)begin(TRAFFIC_AES_128_GCM);
        for (size_t i = 0; i <= ALLOWED; i++) {
            twins_seal_key_update(&twins, request, 1 + i % 4);
            if (i % 17 == 0)
                twins_seal_data(&twins, 1);
        }
        twins_feed(&twins, 0, twins.batch.n, TWINS_READ);
        for (int i = 0; i < TWINS; i++)
            assert_int_equal(twins.twin[i].bench.stream.failure, STREAM_KEY_UPDATES);
        assert_int_equal(twins.twin[OWN].octets, 2);
        end();
    }
}

/* What had no room at a read waits in memory, and is overwritten when it is read. */
static void test_no_plaintext_is_left_behind(void **state)
{
    struct stream_bench *bench = begin(TRAFFIC_AES_128_GCM);
    struct buffer *rest;
    char bytes[64];
    size_t n;

    (void)state;
    twins_seal(&twins, RECORD_TYPE_DATA, SLICE("words of a user"));
    twins_seal(&twins, RECORD_TYPE_DATA, SLICE("more"));
    memory_wire_feed(&bench->wire, slice_of(twins.batch.data, twins.batch.n - 1));
    memory_wire_refresh(&bench->wire);
    assert_int_equal(stream_read(&bench->stream, bytes, 1, &n), IO_OK);
    rest = lean->rest;
    assert_non_null(rest);
    assert_non_null(memmem(rest->data, rest->cap, "ords", 4));
    assert_int_equal(stream_read(&bench->stream, bytes, sizeof(bytes), &n), IO_OK);
    assert_memory_equal(bytes, "ords of a user", n);
    assert_null(memmem(rest->data, rest->cap, "a user", 6));
    assert_null(memmem(bench->context.lean->wire, TLS_LEAN_WIRE, "a user", 6));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_ends_before_its_limit),
        cmocka_unit_test(test_keys_end_both_ways_at_once),
        cmocka_unit_test(test_record_numbers_end),
        cmocka_unit_test(test_asked_while_nothing_can_be_sent),
        cmocka_unit_test(test_floods_of_key_updates),
        cmocka_unit_test(test_no_plaintext_is_left_behind),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
