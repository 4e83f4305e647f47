/* Streams that have left the library, with a peer of the library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "lean_test.h"
#include "tls_client.h"
#include "tls_info.h"
#include "tls_lean_parts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 300000 };

static bool wears_out; /* see __wrap_traffic_is_worn */

bool __wrap_traffic_is_worn(const struct traffic *traffic);

/* A key that is used for two records (--wrap, tests/unit/CMakeLists.txt). */
bool __wrap_traffic_is_worn(const struct traffic *traffic)
{
    return wears_out && traffic->sequence >= 2;
}

/* Lets the stream leave; it must do so at once, and read nothing. */
static void leave(struct stream_bench *bench)
{
    char byte;
    size_t n;

    stream_leave_library(&bench->stream);
    memory_wire_refresh(&bench->wire);
    assert_int_equal(stream_read(&bench->stream, &byte, 1, &n), IO_AGAIN);
    assert_non_null(bench->stream.lean);
    assert_null(bench->stream.ssl);
    assert_null(bench->stream.secrets);
    assert_true(stream_is_tls(&bench->stream));
}

/* Shakes hands with a client that offers one suite (NULL: all), and lets the stream leave. */
static void begin(struct stream_bench *bench, struct memory_tls *peer, const char *suite)
{
    assert_true(tls_bench_begin(&tls, bench, peer));
    if (suite)
        assert_int_equal(SSL_set_ciphersuites(peer->ssl, suite), 1);
    assert_int_equal(stream_bench_shake(bench, peer), IO_OK);
    leave(bench);
}

static void end(struct stream_bench *bench, struct memory_tls *peer)
{
    assert_true(tls_bench_end(bench, peer));
}

static char *noise(size_t n, uint64_t seed)
{
    char *bytes = malloc(n);

    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)memory_random(&seed);
    return bytes;
}

/* Both directions, in pieces of every size, with each suite. */
static void talk(const char *suite, uint64_t seed)
{
    char *bytes = noise(LARGE, seed);
    char *got = malloc(LARGE);
    struct stream_bench bench;
    struct memory_tls peer;
    size_t at = 0;
    size_t n;

    assert_non_null(got);
    begin(&bench, &peer, suite);
    memory_wire_set_random(&bench.wire, seed, 20000);
    assert_int_equal(stream_bench_write(&bench, &peer, slice_of(bytes, LARGE)), IO_OK);
    while (memory_tls_step(&peer))
        continue;
    assert_int_equal(memory_tls_heard(&peer).n, LARGE);
    assert_memory_equal(memory_tls_heard(&peer).p, bytes, LARGE);
    memory_tls_say(&peer, slice_of(bytes, LARGE));
    while (at < LARGE) {
        size_t most = 1 + (size_t)memory_random(&seed) % 40000;

        memory_wire_refresh(&bench.wire);
        assert_int_not_equal(
            stream_read(&bench.stream, got + at, most < LARGE - at ? most : LARGE - at, &n),
            IO_ERR);
        at += n;
    }
    assert_memory_equal(got, bytes, LARGE);
    end(&bench, &peer);
    free(bytes);
    free(got);
}

static void test_both_ways_with_each_suite(void **state)
{
    (void)state;
    talk("TLS_AES_128_GCM_SHA256", 11);
    talk("TLS_AES_256_GCM_SHA384", 12);
    talk("TLS_CHACHA20_POLY1305_SHA256", 13);
    wears_out = true; /* and with a new key for every second record */
    talk("TLS_AES_256_GCM_SHA384", 14);
    wears_out = false;
}

static void test_one_octet_at_a_time(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    begin(&bench, &peer, NULL);
    memory_wire_set_one_byte(&bench.wire);
    memory_tls_say(&peer, SLICE("a NOOP\r\n"));
    memory_tls_say(&peer, SLICE("b NOOP\r\n"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 16);
    assert_memory_equal(bytes, "a NOOP\r\nb NOOP\r\n", 16);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("a OK\r\n")), IO_OK);
    while (memory_tls_step(&peer))
        continue;
    assert_memory_equal(memory_tls_heard(&peer).p, "a OK\r\n", 6);
    end(&bench, &peer);
}

/* The library may have the next record already, whole or in part: nothing of it is lost. */
static void test_leaves_when_nothing_is_left_there(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    struct memory_bytes flight;
    char bytes[64];
    size_t first;
    size_t n;

    (void)state;
    for (size_t part = 1; part < 48; part++) {
        assert_true(tls_bench_shake(&tls, &bench, &peer));
        assert_int_equal(SSL_write(peer.ssl, "first", 5), 5);
        assert_int_equal(SSL_write(peer.ssl, "second", 6), 6);
        flight = memory_tls_take(&peer);
        memory_wire_feed(&bench.wire, slice_of(flight.data, part));
        assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &first), IO_AGAIN);
        stream_leave_library(&bench.stream);
        memory_wire_feed(&bench.wire, slice_of(flight.data + part, flight.n - part));
        free(flight.data);
        assert_int_equal(
            stream_bench_read(&bench, bytes + first, sizeof(bytes) - first, &n), IO_AGAIN);
        assert_int_equal(first + n, 11);
        assert_memory_equal(bytes, "firstsecond", 11);
        assert_non_null(bench.stream.lean);
        end(&bench, &peer);
    }
}

static void test_what_is_known_stays_known(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    struct tls_info before;
    struct tls_info after;

    (void)state;
    assert_true(tls_bench_begin(&tls, &bench, &peer));
    assert_int_equal(SSL_set_tlsext_host_name(peer.ssl, "mail.example"), 1);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    assert_true(stream_tls_info(&bench.stream, &before));
    leave(&bench);
    assert_true(stream_tls_info(&bench.stream, &after));
    assert_string_equal(after.version, "TLSv1.3");
    assert_string_equal(after.cipher, before.cipher);
    assert_string_equal(after.group, before.group);
    assert_string_equal(after.sni, "mail.example");
    end(&bench, &peer);
}

static void test_tls_1_2_stays_with_the_library(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    assert_true(tls_bench_begin(&tls, &bench, &peer));
    assert_int_equal(SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION), 1);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    stream_leave_library(&bench.stream);
    memory_tls_say(&peer, SLICE("a NOOP\r\n"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 8);
    assert_non_null(bench.stream.ssl);
    end(&bench, &peer);
}

static void test_small_records_stay_with_the_library(void **state)
{
    enum { SMALL = 512 };
    char bytes[3 * SMALL] = {0};
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    assert_true(tls_bench_begin(&tls, &bench, &peer));
    assert_int_equal(
        SSL_set_tlsext_max_fragment_length(peer.ssl, TLSEXT_max_fragment_length_512), 1);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    stream_leave_library(&bench.stream);
    assert_int_equal(stream_bench_write(&bench, &peer, slice_of(bytes, sizeof(bytes))), IO_OK);
    memory_tls_say(&peer, SLICE("x"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &(size_t){0}), IO_AGAIN);
    assert_non_null(bench.stream.ssl);
    end(&bench, &peer);
}

static void test_key_updates(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    begin(&bench, &peer, NULL);
    for (int i = 0; i < 10; i++) {
        memory_tls_key_update(&peer);
        memory_tls_say(&peer, SLICE("again"));
        assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
        assert_int_equal(n, 5);
        assert_int_equal(stream_bench_write(&bench, &peer, SLICE("yes ")), IO_OK);
        (void)memory_tls_step(&peer);
        assert_false(peer.is_broken);
    }
    assert_int_equal(memory_tls_heard(&peer).n, 40);
    for (int i = 0; i < 30; i++)
        memory_tls_key_update(&peer);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_KEY_UPDATES);
    end(&bench, &peer);
}

static void test_clean_ends(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    begin(&bench, &peer, NULL);
    memory_tls_say(&peer, SLICE("bye"));
    memory_tls_end(&peer);
    memory_wire_feed_end(&bench.wire);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_EOF);
    assert_int_equal(n, 3);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_EOF);
    assert_int_equal(bench.stream.failure, STREAM_FINE);
    stream_shutdown(&bench.stream, false);
    (void)memory_tls_step(&peer);
    assert_true(peer.is_ended);
    assert_true(bench.wire.finished);
    end(&bench, &peer);
}

static void test_ends_that_are_not_clean(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    begin(&bench, &peer, NULL);
    memory_tls_say(&peer, SLICE("cut"));
    memory_wire_feed_end(&bench.wire);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(n, 3);
    assert_int_equal(bench.stream.failure, STREAM_TRUNCATED);
    stream_shutdown(&bench.stream, true);
    (void)memory_tls_step(&peer);
    assert_false(peer.is_ended);
    end(&bench, &peer);
    begin(&bench, &peer, NULL);
    memory_wire_fail(&bench.wire, ECONNRESET);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_RESET);
    end(&bench, &peer);
}

/* A peer that does not read: what it gets is held, and a KeyUpdate waits for its turn. */
static void test_a_peer_that_does_not_read(void **state)
{
    char *bytes = noise(LARGE, 5);
    struct stream_bench bench;
    struct memory_tls peer;
    size_t put = 0;
    size_t n;
    char byte;

    (void)state;
    begin(&bench, &peer, NULL);
    bench.wire.window = 1000;
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_write(&bench.stream, slice_of(bytes, STREAM_PIECE), &put), IO_OK);
    assert_int_equal(put, STREAM_PIECE);
    assert_int_equal(bench.pool.taken, 1);
    assert_true(stream_has_held(&bench.stream));
    memory_tls_key_update(&peer);
    memory_wire_refresh(&bench.wire);
    assert_int_equal(stream_read(&bench.stream, &byte, 1, &n), IO_AGAIN);
    bench.wire.window = 0;
    assert_int_equal(stream_bench_write(&bench, &peer, slice_of(bytes + put, LARGE - put)), IO_OK);
    while (memory_tls_step(&peer))
        continue;
    assert_false(peer.is_broken);
    assert_int_equal(memory_tls_heard(&peer).n, LARGE);
    assert_memory_equal(memory_tls_heard(&peer).p, bytes, LARGE);
    end(&bench, &peer);
    free(bytes);
}

/* The client role: tickets that come later are dropped, in as many parts as they come. */
static void test_toward_a_server(void **state)
{
    const char *certificate = certificates_path(tls.directory, "a", "pem");
    const char *key = certificates_path(tls.directory, "a", "key");
    struct tls_fault fault;
    struct tls_client *client =
        tls_client_new(&(struct tls_client_parameters){.no_verify = true,
                           .rules = {.policy = TLS_INTERMEDIATE, .own_records = true}},
            &fault);
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    assert_non_null(client);
    stream_bench_open(&bench);
    memory_tls_init_server(&peer, &bench.wire, certificate, key);
    assert_int_equal(stream_start_tls_client(&bench.stream, client, NULL, NULL), IO_OK);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    leave(&bench);
    memory_wire_set_one_byte(&bench.wire);
    assert_int_equal(SSL_new_session_ticket(peer.ssl), 1);
    memory_tls_say(&peer, SLICE("* OK ready\r\n"));
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 12);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("a LOGOUT\r\n")), IO_OK);
    while (memory_tls_step(&peer))
        continue;
    assert_memory_equal(memory_tls_heard(&peer).p, "a LOGOUT\r\n", 10);
    end(&bench, &peer);
    tls_client_unref(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_with_each_suite),
        cmocka_unit_test(test_one_octet_at_a_time),
        cmocka_unit_test(test_leaves_when_nothing_is_left_there),
        cmocka_unit_test(test_what_is_known_stays_known),
        cmocka_unit_test(test_tls_1_2_stays_with_the_library),
        cmocka_unit_test(test_small_records_stay_with_the_library),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_clean_ends),
        cmocka_unit_test(test_ends_that_are_not_clean),
        cmocka_unit_test(test_a_peer_that_does_not_read),
        cmocka_unit_test(test_toward_a_server),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
