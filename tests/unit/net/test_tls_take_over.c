/* The moment in which a stream leaves the library: nothing that the library has begun is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_bench.h"
#include "tls_client.h"
#include "tls_lean_parts.h"
#include "tls_set.h"
#include <string.h>

static struct tls_bench tls;
static struct tls_client *client;

/* A stream whose handshake is over, and the direction of its peer. */
struct fresh {
    struct stream_bench bench;
    struct memory_tls peer;
    struct record_tools tools;
    struct traffic traffic;
};

static int setup_group(void **state)
{
    struct tls_fault fault;

    (void)state;
    if (!tls_bench_init(&tls))
        return -1;
    tls_lean_prepare(tls.set->context);
    client = tls_client_new(&(struct tls_client_parameters){.no_verify = true,
                                .rules = {.policy = TLS_INTERMEDIATE, .own_records = true}},
        &fault);
    return client ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    tls_client_unref(&client);
    tls_bench_deinit(&tls);
    return 0;
}

/* Reads what comes with the handshake: the tickets of a server. */
static void read_nothing(struct fresh *fresh)
{
    char byte;
    size_t n;

    assert_int_equal(stream_bench_read(&fresh->bench, &byte, 1, &n), IO_AGAIN);
    assert_int_equal(n, 0);
}

static void begin(struct fresh *fresh, bool is_client)
{
    struct tls_secrets *secrets;

    stream_bench_open(&fresh->bench);
    if (is_client) {
        memory_tls_init_server(&fresh->peer, &fresh->bench.wire,
            certificates_path(tls.directory, "a", "pem"),
            certificates_path(tls.directory, "a", "key"));
        assert_int_equal(stream_start_tls_client(&fresh->bench.stream, client, NULL, NULL), IO_OK);
    } else {
        memory_tls_init_client(&fresh->peer, &fresh->bench.wire, NULL);
        assert_int_equal(stream_start_tls_server(&fresh->bench.stream, &tls.service, NULL), IO_OK);
    }
    assert_int_equal(SSL_set_ciphersuites(fresh->peer.ssl, "TLS_CHACHA20_POLY1305_SHA256"), 1);
    assert_int_equal(stream_bench_shake(&fresh->bench, &fresh->peer), IO_OK);
    read_nothing(fresh);
    secrets = fresh->bench.stream.secrets;
    assert_true(record_tools_init(&fresh->tools));
    assert_true(traffic_begin(&fresh->traffic, &fresh->tools, TRAFFIC_CHACHA20,
        is_client ? secrets->server : secrets->client, secrets->read));
}

static void end(struct fresh *fresh)
{
    traffic_end(&fresh->traffic, &fresh->tools);
    record_tools_deinit(&fresh->tools);
    assert_true(tls_bench_end(&fresh->bench, &fresh->peer));
}

static void feed(struct fresh *fresh, enum record_type type, struct slice content)
{
    static char wire[RECORD_WIRE_MAX];
    size_t n = record_seal(&fresh->traffic, &fresh->tools, type, content, wire);

    assert_true(n > 0);
    memory_wire_feed(&fresh->bench.wire, slice_of(wire, n));
}

static void expect(struct fresh *fresh, struct slice text)
{
    char bytes[64];
    size_t n;

    assert_int_equal(stream_bench_read(&fresh->bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, text.n);
    assert_memory_equal(bytes, text.p, n);
}

/* The library may have a part of a message in a record that it has read as a whole. */
static void test_half_a_key_update(void **state)
{
    static const char update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_REQUESTED};

    (void)state;
    for (size_t first = 1; first < sizeof(update); first++) {
        struct fresh fresh;

        begin(&fresh, false);
        feed(&fresh, RECORD_TYPE_HANDSHAKE, slice_of(update, first));
        read_nothing(&fresh);
        stream_leave_library(&fresh.bench.stream);
        feed(&fresh, RECORD_TYPE_HANDSHAKE, slice_after(slice_of(update, sizeof(update)), first));
        assert_true(traffic_update(&fresh.traffic, &fresh.tools));
        feed(&fresh, RECORD_TYPE_DATA, SLICE("a NOOP\r\n"));
        expect(&fresh, SLICE("a NOOP\r\n"));
        assert_int_equal(stream_bench_write(&fresh.bench, &fresh.peer, SLICE("a OK\r\n")), IO_OK);
        assert_false(fresh.peer.is_broken);
        assert_memory_equal(memory_tls_heard(&fresh.peer).p, "a OK\r\n", 6);
        end(&fresh);
    }
}

/* A ticket, in two records: the stream leaves when it is whole, and data behind it comes. */
static void test_half_a_ticket(void **state)
{
    static const char whole[] = {SSL3_MT_NEWSESSION_TICKET, 0, 0, 18, 0, 0, 0, 9, 1, 2, 3, 4, 1, 7,
        0, 4, 't', 'i', 'c', 'k', 0, 0};

    (void)state;
    for (size_t first = 1; first < sizeof(whole); first++) {
        struct fresh fresh;

        begin(&fresh, true);
        feed(&fresh, RECORD_TYPE_HANDSHAKE, slice_of(whole, first));
        read_nothing(&fresh);
        stream_leave_library(&fresh.bench.stream);
        feed(&fresh, RECORD_TYPE_HANDSHAKE, slice_after(slice_of(whole, sizeof(whole)), first));
        expect(&fresh, SLICE(""));
        feed(&fresh, RECORD_TYPE_DATA, SLICE("* OK ready\r\n"));
        expect(&fresh, SLICE("* OK ready\r\n"));
        assert_non_null(fresh.bench.stream.lean);
        end(&fresh);
    }
}

/* A ticket and the beginning of the next one share a record. */
static void test_a_ticket_and_a_half(void **state)
{
    static const char tickets[] = {SSL3_MT_NEWSESSION_TICKET, 0, 0, 18, 0, 0, 0, 9, 1, 2, 3, 4, 1,
        7, 0, 4, 't', 'i', 'c', 'k', 0, 0, SSL3_MT_NEWSESSION_TICKET, 0, 0, 18, 0, 0, 0, 9, 1, 2, 3,
        4, 1, 8, 0, 4, 't', 'o', 'c', 'k', 0, 0};

    (void)state;
    for (size_t first = 23; first < sizeof(tickets); first++) {
        struct fresh fresh;

        begin(&fresh, true);
        feed(&fresh, RECORD_TYPE_HANDSHAKE, slice_of(tickets, first));
        read_nothing(&fresh);
        stream_leave_library(&fresh.bench.stream);
        feed(&fresh, RECORD_TYPE_HANDSHAKE, slice_after(slice_of(tickets, sizeof(tickets)), first));
        feed(&fresh, RECORD_TYPE_DATA, SLICE("* OK ready\r\n"));
        expect(&fresh, SLICE("* OK ready\r\n"));
        end(&fresh);
    }
}

/*
 * A number that is too low would be a nonce that is used twice. What is known to have been sent
 * must have been counted, whatever the library does.
 */
static void test_records_that_were_not_counted(void **state)
{
    (void)state;
    for (uint64_t counted = 0; counted < 2; counted++) {
        struct fresh fresh;

        begin(&fresh, false);
        for (int i = 0; i < 2; i++)
            assert_int_equal(stream_bench_write(&fresh.bench, &fresh.peer, SLICE("x")), IO_OK);
        assert_true(fresh.bench.stream.secrets->written >= 2);
        fresh.bench.stream.secrets->written = counted;
        stream_leave_library(&fresh.bench.stream);
        feed(&fresh, RECORD_TYPE_DATA, SLICE("a NOOP\r\n"));
        expect(&fresh, SLICE("a NOOP\r\n"));
        read_nothing(&fresh);
        assert_null(fresh.bench.stream.lean);
        end(&fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_a_key_update),
        cmocka_unit_test(test_half_a_ticket),
        cmocka_unit_test(test_a_ticket_and_a_half),
        cmocka_unit_test(test_records_that_were_not_counted),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
