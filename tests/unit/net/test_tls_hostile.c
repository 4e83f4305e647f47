/* What TLS streams make of peers that break off, flood, or speak something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_bench.h"
#include "tls_info.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* The set of a directory, with hundreds of certificates in its chain. */
static struct tls_set *long_set(const char *directory)
{
    enum { COPIES = 900 };
    const char *certificate = certificates_path(directory, "a", "pem");
    const char *key = certificates_path(directory, "a", "key");
    FILE *file = fopen(certificate, "r+e");
    struct tls_fault fault;
    char pem[4096];
    size_t n;

    assert_non_null(file);
    n = fread(pem, 1, sizeof(pem), file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    for (int i = 0; i < COPIES; i++)
        assert_int_equal(fwrite(pem, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return tls_set_new(&(struct tls_set_parameters){.name = "wide",
                           .certificate_count = 1,
                           .certificates = &certificate,
                           .keys = &key,
                           .rules = {.policy = TLS_INTERMEDIATE}},
        &fault);
}

/* C13: plaintext is told at its first byte, and gets no answer. */
static void test_plaintext(void **state)
{
    static const char *const texts[] = {"E", "EHLO x\r\n", "GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "\x16!EHLO x\r\n and more"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct stream_bench bench;

        stream_bench_open(&bench);
        assert_int_equal(stream_start_tls_server(&bench.stream, &tls.service, NULL), IO_OK);
        memory_wire_feed(&bench.wire, slice_from(texts[i]));
        assert_int_equal(stream_handshake(&bench.stream), IO_ERR);
        assert_int_equal(bench.stream.failure, STREAM_NOT_TLS);
        assert_int_equal(memory_wire_sent(&bench.wire).n, 0);
        assert_true(stream_bench_close(&bench));
    }
}

/* A handshake that fails says so to the peer, and to the log. */
static void test_alert_is_sent(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    begin(&bench, &peer);
    SSL_CTX_set_security_level(peer.context, 0);
    SSL_set_security_level(peer.ssl, 0);
    assert_int_equal(SSL_set_max_proto_version(peer.ssl, TLS1_1_VERSION), 1);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_HANDSHAKE);
    assert_string_equal(bench.stream.detail, "unsupported protocol");
    assert_int_equal(peer.alert, SSL_AD_PROTOCOL_VERSION);
    end(&bench, &peer);
}

/* Who leaves before the first byte has not failed at TLS; who leaves in the middle has. */
static void test_closed_before_handshake(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    begin(&bench, &peer);
    memory_wire_feed_end(&bench.wire);
    assert_int_equal(stream_handshake(&bench.stream), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_TRUNCATED);
    end(&bench, &peer);
}

static void test_closed_in_handshake(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    begin(&bench, &peer);
    memory_wire_feed(&bench.wire, SLICE("\x16\x03\x01"));
    memory_wire_feed_end(&bench.wire);
    assert_int_equal(stream_handshake(&bench.stream), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_HANDSHAKE);
    assert_string_equal(bench.stream.detail, "closed during the handshake");
    end(&bench, &peer);
}

/* C93, A32: a bare FIN is no end that may be believed. */
static void test_truncated(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    shake(&bench, &peer);
    memory_tls_say(&peer, SLICE("half a li"));
    memory_wire_feed_end(&bench.wire);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(n, 9);
    assert_int_equal(bench.stream.failure, STREAM_TRUNCATED);
    end(&bench, &peer);
}

static void test_reset(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    shake(&bench, &peer);
    memory_wire_fail(&bench.wire, ECONNRESET);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_RESET);
    assert_int_equal(bench.wire.wire.error, ECONNRESET);
    end(&bench, &peer);
}

/* C91, A27: 32 are allowed; the answers to them stay bounded although the peer reads nothing. */
static void test_key_update_flood(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    shake(&bench, &peer);
    bench.wire.window = 1;
    for (int i = 0; i < 32; i++)
        memory_tls_key_update(&peer);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(bench.stream.failure, STREAM_FINE);
    for (int i = 0; i < 1000; i++)
        memory_tls_key_update(&peer);
    assert_int_equal(stream_bench_read(&bench, bytes, sizeof(bytes), &n), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_KEY_UPDATES);
    assert_true(bench.stream.key_updates < 1000);
    assert_true(bench.pool.taken <= 1);
    end(&bench, &peer);
}

/* More output of a handshake than the cork and one buffer take, and a peer that reads slowly. */
static void test_long_chain_on_a_slow_wire(void **state)
{
    struct tls_bench wide = {0};
    struct stream_bench bench;
    struct memory_tls peer;

    (void)state;
    assert_true(tls_bench_init(&wide));
    tls_set_free(&wide.set);
    wide.set = long_set(wide.directory);
    assert_non_null(wide.set);
    assert_true(tls_bench_begin(&wide, &bench, &peer));
    SSL_set_max_cert_list(peer.ssl, 1L << 20);
    bench.wire.window = 1000;
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    assert_true(bench.wire.wire.sent > 2L * CORK_SIZE);
    assert_true(bench.pool.taken <= 1);
    end(&bench, &peer);
    tls_bench_deinit(&wide);
}

/* C84, A28: the client's wish to renegotiate is refused; C85: early data needs a session to be
 * offered, and none is ever told that it may. */
static void test_no_renegotiation(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t n;

    (void)state;
    begin(&bench, &peer);
    assert_int_equal(SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION), 1);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    assert_int_equal(SSL_get_extms_support(peer.ssl), 1);
    assert_int_equal(SSL_renegotiate(peer.ssl), 1);
    (void)SSL_do_handshake(peer.ssl);
    (void)memory_tls_step(&peer);
    (void)stream_bench_read(&bench, bytes, sizeof(bytes), &n);
    assert_int_equal(n, 0);
    (void)memory_tls_step(&peer);
    assert_true(peer.is_broken); /* a client takes the warning no_renegotiation as the end */
    end(&bench, &peer);
}

static void test_alpn(void **state)
{
    static const struct {
        const char *offer;
        const char *chosen; /* NULL: refused */
    } cases[] = {
        {"\x04imap", "imap"},
        {"\x08http/1.1\x04imap", "imap"},
        {"\x08http/1.1", NULL},
        {"\x05imaps", NULL},
        {"\x03ima", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stream_bench bench;
        struct memory_tls peer;
        struct tls_info info;

        begin(&bench, &peer);
        assert_int_equal(SSL_set_alpn_protos(peer.ssl, (const unsigned char *)cases[i].offer,
                             (unsigned)strlen(cases[i].offer)),
            0);
        if (cases[i].chosen) {
            assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
            assert_true(stream_tls_info(&bench.stream, &info));
            assert_string_equal(info.alpn, cases[i].chosen);
        } else {
            assert_int_equal(stream_bench_shake(&bench, &peer), IO_ERR);
            assert_int_equal(bench.stream.failure, STREAM_ALPN);
            assert_int_equal(peer.alert, 120);
        }
        end(&bench, &peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plaintext),
        cmocka_unit_test(test_alert_is_sent),
        cmocka_unit_test(test_closed_before_handshake),
        cmocka_unit_test(test_closed_in_handshake),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_key_update_flood),
        cmocka_unit_test(test_long_chain_on_a_slow_wire),
        cmocka_unit_test(test_no_renegotiation),
        cmocka_unit_test(test_alpn),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
