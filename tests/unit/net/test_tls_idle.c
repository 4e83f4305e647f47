/* What a stream keeps of its handshake, once TLS is up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tls_bench.h"
#include <openssl/ssl.h>

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

static void assert_heard(const struct memory_tls *peer, struct slice wanted)
{
    assert_int_equal(memory_tls_heard(peer).n, wanted.n);
    assert_memory_equal(memory_tls_heard(peer).p, wanted.p, wanted.n);
}

static void assert_reads(struct stream_bench *bench, struct memory_tls *peer, struct slice words)
{
    char bytes[64];
    size_t n;

    memory_tls_say(peer, words);
    assert_int_equal(stream_bench_read(bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, words.n);
    assert_memory_equal(bytes, words.p, n);
}

/* The secret key of the exchange would open all that was recorded of the session. */
static void test_exchange_keys_are_dropped(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    EVP_PKEY *key = NULL;
    unsigned char raw[64];
    size_t n = sizeof(raw);

    (void)state;
    assert_true(tls_bench_shake(&tls, &bench, &peer));
    assert_int_equal(SSL_version(bench.stream.ssl), TLS1_3_VERSION);
    if (SSL_get_tmp_key(bench.stream.ssl, &key) == 1)
        assert_int_equal(EVP_PKEY_get_raw_private_key(key, raw, &n), 0);
    EVP_PKEY_free(key);
    assert_reads(&bench, &peer, SLICE("a NOOP\r\n"));
    assert_int_equal(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_reads(&bench, &peer, SLICE("b NOOP\r\n"));
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("b OK\r\n")), IO_OK);
    assert_heard(&peer, SLICE("b OK\r\n"));
    assert_true(tls_bench_end(&bench, &peer));
}

/* Streams of one thread have one BIO, and each its own octets. */
static void test_streams_share_a_bio(void **state)
{
    struct stream_bench bench[2];
    struct memory_tls peer[2];
    struct bio_st *own;

    (void)state;
    assert_true(tls_bench_begin(&tls, &bench[0], &peer[0]));
    assert_true(tls_bench_begin(&tls, &bench[1], &peer[1]));
    own = bench[1].context.bio;
    bench[1].context.bio = bench[0].context.bio;
    assert_int_equal(stream_bench_shake(&bench[0], &peer[0]), IO_OK);
    assert_int_equal(stream_bench_shake(&bench[1], &peer[1]), IO_OK);
    assert_ptr_equal(SSL_get_rbio(bench[0].stream.ssl), SSL_get_rbio(bench[1].stream.ssl));
    assert_reads(&bench[0], &peer[0], SLICE("a SELECT one\r\n"));
    assert_reads(&bench[1], &peer[1], SLICE("a SELECT two\r\n"));
    assert_int_equal(stream_bench_write(&bench[0], &peer[0], SLICE("* one\r\n")), IO_OK);
    assert_int_equal(stream_bench_write(&bench[1], &peer[1], SLICE("* two\r\n")), IO_OK);
    assert_heard(&peer[0], SLICE("* one\r\n"));
    assert_heard(&peer[1], SLICE("* two\r\n"));
    stream_shutdown(&bench[0].stream, false);
    (void)memory_tls_step(&peer[0]);
    assert_true(peer[0].is_ended);
    (void)memory_tls_step(&peer[1]);
    assert_false(peer[1].is_ended);
    stream_close(&bench[1].stream, false); /* before the BIO goes */
    bench[1].context.bio = own;
    assert_true(tls_bench_end(&bench[1], &peer[1]));
    assert_true(tls_bench_end(&bench[0], &peer[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange_keys_are_dropped),
        cmocka_unit_test(test_streams_share_a_bio),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
