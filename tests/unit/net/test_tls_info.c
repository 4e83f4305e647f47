/* What is told of a stream's TLS: before, in and after the handshake, on either side. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "stream_bench.h"
#include "tls_bench.h"
#include "tls_client.h"
#include "tls_info.h"
#include <string.h>

enum { DAY_S = 24 * 60 * 60 };

static struct tls_bench bench;
static struct stream_bench stream;
static struct memory_tls peer;
static struct tls_info info;

static int set_up(void **state)
{
    if (!tls_bench_init(&bench))
        return -1;
    certificates_make(bench.directory,
        &(struct certificate_request){.file = "old", .name = "old.example", .is_expired = true});
    return 0;
}

static int tear_down(void **state)
{
    tls_bench_deinit(&bench);
    return 0;
}

static void test_a_plain_stream_has_none(void **state)
{
    info.version = "before";
    stream_bench_open(&stream);
    assert_false(stream_tls_info(&stream.stream, &info));
    assert_null(info.version);
    assert_true(stream_bench_close(&stream));
}

/* The server's side: what the client asked for, and that it showed no certificate. */
static void test_toward_a_client(void **state)
{
    static const unsigned char alpn[] = "\x03"
                                        "abc"
                                        "\x04"
                                        "imap";

    assert_true(tls_bench_begin(&bench, &stream, &peer));
    assert_true(stream_tls_info(&stream.stream, &info));
    assert_null(info.version); /* not agreed on yet */
    assert_int_equal(SSL_set_tlsext_host_name(peer.ssl, "Mail.Example"), 1);
    assert_int_equal(SSL_set_alpn_protos(peer.ssl, alpn, sizeof(alpn) - 1), 0);
    assert_int_equal(stream_bench_shake(&stream, &peer), IO_OK);
    assert_true(stream_tls_info(&stream.stream, &info));
    assert_string_equal(info.version, "TLSv1.3");
    assert_string_equal(info.cipher, SSL_get_cipher_name(peer.ssl));
    assert_non_null(info.group);
    assert_string_equal(info.sni, "mail.example");
    assert_string_equal(info.alpn, "imap");
    assert_false(info.resumed);
    assert_int_equal(info.peer, TLS_PEER_UNKNOWN);
    assert_string_equal(info.peer_name, "");
    assert_true(tls_bench_end(&stream, &peer));
}

/* The client's side, to a server with that certificate. */
static enum io visit(const char *file, bool no_verify, const char *ca, const char *name)
{
    const struct tls_client_parameters parameters = {.rules = {.policy = TLS_INTERMEDIATE},
        .no_verify = no_verify,
        .ca = certificates_path(bench.directory, ca, "pem")};
    struct tls_fault fault;
    struct tls_client *client = tls_client_new(&parameters, &fault);
    enum io status;

    assert_non_null(client);
    stream_bench_open(&stream);
    memory_tls_init_server(&peer, &stream.wire, certificates_path(bench.directory, file, "pem"),
        certificates_path(bench.directory, file, "key"));
    assert_int_equal(stream_start_tls_client(&stream.stream, client, name, NULL), IO_OK);
    tls_client_unref(&client);
    status = stream_bench_shake(&stream, &peer);
    assert_true(stream_tls_info(&stream.stream, &info));
    return status;
}

static void test_a_server_that_is_verified(void **state)
{
    assert_int_equal(visit("a", false, "a", "mail.example"), IO_OK);
    assert_int_equal(info.peer, TLS_PEER_VERIFIED);
    assert_int_equal(info.peer_fault, TLS_FAULT_NONE);
    assert_string_equal(info.peer_name, "mail.example");
    assert_true(info.peer_seconds > DAY_S);
    assert_string_equal(info.sni, "mail.example");
    assert_true(tls_bench_end(&stream, &peer));
}

/* It is believed, and still it is known what is wrong with it. */
static void test_a_server_that_nobody_vouches_for(void **state)
{
    assert_int_equal(visit("old", true, "a", "old.example"), IO_OK);
    assert_int_equal(info.peer, TLS_PEER_UNVERIFIED);
    assert_string_equal(info.peer_name, "old.example");
    assert_true(info.peer_seconds < 0);
    assert_int_not_equal(info.peer_fault, TLS_FAULT_NONE);
    assert_true(tls_bench_end(&stream, &peer));
}

static void assert_refused(
    const char *file, const char *ca, const char *name, enum tls_peer_fault fault)
{
    assert_int_equal(visit(file, false, ca, name), IO_ERR);
    assert_int_equal(info.peer, TLS_PEER_UNVERIFIED);
    assert_int_equal(info.peer_fault, fault);
    assert_true(tls_bench_end(&stream, &peer));
}

static void test_why_a_server_is_refused(void **state)
{
    assert_refused("a", "a", "other.example", TLS_FAULT_NAME);
    assert_refused("a", "a", "192.0.2.1", TLS_FAULT_NAME);
    assert_refused("a", "old", "mail.example", TLS_FAULT_TRUST);
    assert_refused("old", "old", "old.example", TLS_FAULT_EXPIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_stream_has_none),
        cmocka_unit_test(test_toward_a_client),
        cmocka_unit_test(test_a_server_that_is_verified),
        cmocka_unit_test(test_a_server_that_nobody_vouches_for),
        cmocka_unit_test(test_why_a_server_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
