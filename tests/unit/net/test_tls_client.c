/* TLS toward backends: what is believed, what is not, and why, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "stream_bench.h"
#include "tls_client.h"
#include "tls_info.h"
#include "tls_roots.h"
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;

static int setup_group(void **state)
{
    (void)state;
    directory = certificates_directory_new();
    certificates_make(directory,
        &(struct certificate_request){.file = "ca", .name = "Authority", .is_authority = true});
    certificates_make(directory, &(struct certificate_request){.file = "good",
                                     .name = "mx.example",
                                     .names = "DNS:mx.example,DNS:*.w.example,IP:192.0.2.7",
                                     .issuer = "ca"});
    certificates_make(directory,
        &(struct certificate_request){
            .file = "expired", .name = "mx.example", .issuer = "ca", .is_expired = true});
    certificates_make(
        directory, &(struct certificate_request){.file = "self", .name = "mx.example"});
    certificates_make(directory,
        &(struct certificate_request){.file = "far", .name = "Far", .is_authority = true});
    certificates_make(directory,
        &(struct certificate_request){.file = "strange", .name = "mx.example", .issuer = "far"});
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    certificates_directory_free(&directory);
    return 0;
}

struct visit {
    enum io status;
    enum stream_failure failure;
    char detail[160];
    enum tls_peer peer;
    enum tls_peer_fault fault;
    char sni[128]; /* as the server saw it */
    char peer_name[TLS_INFO_NAME_MAX];
};

static struct tls_client *client_with(struct tls_client_parameters parameters)
{
    struct tls_fault fault;
    struct tls_client *client;

    parameters.rules.policy = TLS_INTERMEDIATE;
    client = tls_client_new(&parameters, &fault);
    if (!client)
        print_error("%s\n", fault.error.text);
    assert_non_null(client);
    return client;
}

static void talk(struct stream_bench *bench, struct memory_tls *server, struct visit *visit)
{
    char bytes[16];
    size_t n;
    const char *sni = SSL_get_servername(server->ssl, TLSEXT_NAMETYPE_host_name);

    (void)snprintf(visit->sni, sizeof(visit->sni), "%s", sni ? sni : "");
    memory_tls_say(server, SLICE("220 mx\r\n"));
    assert_int_equal(stream_bench_read(bench, bytes, sizeof(bytes), &n), IO_AGAIN);
    assert_int_equal(n, 8);
    assert_int_equal(stream_bench_write(bench, server, SLICE("EHLO x\r\n")), IO_OK);
    assert_int_equal(memory_tls_heard(server).n, 8);
}

/* One connection to a server with this certificate. */
static struct visit go_as(struct tls_client *client, const char *certificate, const char *name)
{
    struct stream_bench bench;
    struct memory_tls server;
    struct tls_info info;
    struct visit visit = {.status = IO_ERR};

    stream_bench_open(&bench);
    memory_tls_init_server(&server, &bench.wire, certificates_path(directory, certificate, "pem"),
        certificates_path(directory, certificate, "key"));
    if (stream_start_tls_client(&bench.stream, client, name, NULL) == IO_OK)
        visit.status = stream_bench_shake(&bench, &server);
    if (visit.status == IO_OK)
        talk(&bench, &server, &visit);
    visit.failure = bench.stream.failure;
    (void)snprintf(
        visit.detail, sizeof(visit.detail), "%s", bench.stream.detail ? bench.stream.detail : "");
    (void)stream_tls_info(&bench.stream, &info);
    visit.peer = info.peer;
    visit.fault = info.peer_fault;
    (void)snprintf(visit.peer_name, sizeof(visit.peer_name), "%s", info.peer_name);
    memory_tls_deinit(&server);
    assert_true(stream_bench_close(&bench));
    return visit;
}

static struct visit go(
    struct tls_client_parameters parameters, const char *certificate, const char *name)
{
    struct tls_client *client = client_with(parameters);
    struct visit visit = go_as(client, certificate, name);

    tls_client_unref(&client);
    return visit;
}

static struct tls_client_parameters with_ca(void)
{
    return (struct tls_client_parameters){.ca = certificates_path(directory, "ca", "pem")};
}

static unsigned system_stores;

X509_STORE *__real_tls_roots_trusted(void);
X509_STORE *__wrap_tls_roots_trusted(void);

X509_STORE *__wrap_tls_roots_trusted(void)
{
    system_stores++;
    return __real_tls_roots_trusted();
}

/* It is large: reading it takes tens of milliseconds and hundreds of kilobytes. */
static void test_the_systems_store_is_read_where_it_counts(void **state)
{
    const unsigned char pin[1][TLS_PIN_SIZE] = {{0}};
    const struct {
        struct tls_client_parameters parameters;
        unsigned stores;
    } cases[] = {
        {{.no_verify = false}, 1},
        {{.no_verify = true}, 0},
        {{.pin_count = 1, .pins = pin}, 0},
        {with_ca(), 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_client *client;

        system_stores = 0;
        client = client_with(cases[i].parameters);
        assert_int_equal(system_stores, cases[i].stores);
        tls_client_unref(&client);
    }
}

/* Puts a certificate where the system looks for authorities: under the hash of its name. */
static void trust(const char *roots, const char *file)
{
    const char *from = certificates_path(directory, file, "pem");
    FILE *in = fopen(from, "re");
    X509 *certificate = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    char path[300];

    assert_non_null(certificate);
    (void)fclose(in);
    (void)snprintf(path, sizeof(path), "%s/%08lx.0", roots, X509_subject_name_hash(certificate));
    assert_int_equal(symlink(certificates_path(directory, file, "pem"), path), 0);
    X509_free(certificate);
}

/* Whether anything in the directory was opened since the call before. */
static bool was_read(int watch)
{
    char events[4096];

    return read(watch, events, sizeof(events)) > 0;
}

/*
 * Whether a client that trusts the system believes a certificate, and whether it has read the
 * directory of authorities since it was made.
 */
static bool believes(bool no_verify, const char *certificate, int watch, bool *has_read)
{
    struct tls_client *client = client_with((struct tls_client_parameters){.no_verify = no_verify});
    bool is_made_of_files = was_read(watch);
    struct visit visit = go_as(client, certificate, "mx.example");

    assert_int_equal(is_made_of_files, !no_verify); /* the control */
    *has_read = was_read(watch);
    tls_client_unref(&client);
    return visit.status == IO_OK;
}

/* Authorities are read with the configuration. A handshake, which blocks a worker, reads none. */
static void test_a_handshake_reads_no_file(void **state)
{
    const char *roots = certificates_path(directory, "roots", "d");
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    bool has_read;

    (void)state;
    assert_int_equal(mkdir(roots, 0700), 0);
    trust(roots, "ca");
    trust(roots, "self");
    (void)setenv("SSL_CERT_DIR", roots, 1);
    (void)setenv("SSL_CERT_FILE", "/nonexistent", 1);
    assert_true(inotify_add_watch(watch, roots, IN_OPEN) >= 0);
    assert_true(believes(false, "good", watch, &has_read));
    assert_false(has_read);
    assert_false(believes(false, "strange", watch, &has_read)); /* its issuer is nowhere */
    assert_false(has_read);
    assert_true(believes(true, "strange", watch, &has_read));
    assert_false(has_read);
    (void)close(watch);
    (void)unsetenv("SSL_CERT_DIR");
    (void)unsetenv("SSL_CERT_FILE");
}

static void test_verified(void **state)
{
    struct visit visit = go(with_ca(), "good", "mx.example");

    (void)state;
    assert_int_equal(visit.status, IO_OK);
    assert_int_equal(visit.peer, TLS_PEER_VERIFIED);
    assert_string_equal(visit.sni, "mx.example"); /* C78 */
    assert_string_equal(visit.peer_name, "mx.example");
    assert_int_equal(go(with_ca(), "good", "mx.example.").status, IO_OK);
    assert_int_equal(go(with_ca(), "good", "a.w.example").status, IO_OK);
    visit = go(with_ca(), "good", "192.0.2.7");
    assert_int_equal(visit.status, IO_OK);
    assert_string_equal(visit.sni, "");
}

static void assert_refused(struct visit visit, const char *why)
{
    assert_int_equal(visit.status, IO_ERR);
    assert_int_equal(visit.failure, STREAM_HANDSHAKE);
    if (!strstr(visit.detail, why))
        print_error("%s\n", visit.detail);
    assert_non_null(strstr(visit.detail, why));
}

/* It is known as well, though the certificate is not kept. */
static void assert_fault(const char *certificate, const char *name, enum tls_peer_fault fault)
{
    struct visit visit = go(with_ca(), certificate, name);

    assert_int_equal(visit.peer, TLS_PEER_UNVERIFIED);
    assert_int_equal(visit.fault, fault);
    assert_string_equal(visit.peer_name, "");
}

/* C76, C77: verification is on unless it is switched off, and its failures have names. */
static void test_refused(void **state)
{
    (void)state;
    assert_refused(go(with_ca(), "good", "other.example"), "hostname mismatch");
    assert_refused(go(with_ca(), "good", "192.0.2.8"), "IP address mismatch");
    assert_refused(go(with_ca(), "expired", "mx.example"), "certificate has expired");
    assert_refused(go(with_ca(), "self", "mx.example"), "self-signed certificate");
    assert_refused(go((struct tls_client_parameters){0}, "good", "mx.example"), "certificate");
    assert_refused(go(with_ca(), "good", NULL), "no usable name");
    assert_fault("good", "other.example", TLS_FAULT_NAME);
    assert_fault("good", "192.0.2.8", TLS_FAULT_NAME);
    assert_fault("expired", "mx.example", TLS_FAULT_EXPIRED);
    assert_fault("self", "mx.example", TLS_FAULT_TRUST);
}

static void test_not_verified(void **state)
{
    const struct tls_client_parameters any = {.no_verify = true};
    struct visit visit = go(any, "self", "other.example");

    (void)state;
    assert_int_equal(visit.status, IO_OK);
    assert_int_equal(visit.peer, TLS_PEER_UNVERIFIED);
    assert_int_equal(go(any, "expired", NULL).status, IO_OK);
}

static void test_pins(void **state)
{
    unsigned char pins[2][TLS_PIN_SIZE] = {{0}};
    struct tls_client_parameters pinned = {
        .pins = (const unsigned char(*)[TLS_PIN_SIZE])pins, .pin_count = 2};
    struct tls_client_parameters both = pinned;

    (void)state;
    certificates_pin(directory, "self", pins[1]);
    assert_int_equal(go(pinned, "self", "whatever.example").status, IO_OK); /* decides alone */
    assert_int_equal(go(pinned, "self", NULL).status, IO_OK);
    assert_refused(go(pinned, "good", "mx.example"), "application verification failure");
    both.ca = certificates_path(directory, "ca", "pem");
    assert_refused(go(both, "self", "mx.example"), "self-signed");
    assert_refused(go(both, "good", "mx.example"), "application verification failure");
    certificates_pin(directory, "good", pins[0]);
    both.ca = certificates_path(directory, "ca", "pem");
    assert_int_equal(go(both, "good", "mx.example").status, IO_OK);
    assert_refused(go(both, "good", "other.example"), "hostname mismatch");
}

static void test_pin_text(void **state)
{
    unsigned char pin[TLS_PIN_SIZE];

    (void)state;
    assert_true(tls_pin_parse("sha256:"
                              "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F",
        pin));
    assert_int_equal(pin[31], 31);
    assert_true(tls_pin_parse("sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", pin));
    assert_int_equal(pin[31], 31);
    assert_false(tls_pin_parse("sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", pin));
    assert_false(tls_pin_parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", pin));
    assert_false(tls_pin_parse("sha256:", pin));
    assert_false(tls_pin_parse(
        "sha256:00010203040506070809zz0b0c0d0e0f101112131415161718191A1B1C1D1E1F", pin));
}

static void test_faults(void **state)
{
    struct tls_fault fault;

    (void)state;
    assert_null(tls_client_new(&(struct tls_client_parameters){.ca = "/nonexistent"}, &fault));
    assert_int_equal(fault.culprit, TLS_CULPRIT_CA);
    assert_null(tls_client_new(
        &(struct tls_client_parameters){.certificate = certificates_path(directory, "good", "pem"),
            .key = certificates_path(directory, "self", "key")},
        &fault));
    assert_int_equal(fault.culprit, TLS_CULPRIT_KEY);
}

/* C74: what a backend says in clear instead of its ServerHello is never read as plaintext. */
static void test_plaintext_server(void **state)
{
    struct tls_client *client = client_with(with_ca());
    struct stream_bench bench;

    (void)state;
    stream_bench_open(&bench);
    assert_int_equal(stream_start_tls_client(&bench.stream, client, "mx.example", NULL), IO_OK);
    memory_wire_feed(&bench.wire, SLICE("* OK ready\r\n"));
    assert_int_equal(stream_handshake(&bench.stream), IO_ERR);
    assert_int_equal(bench.stream.failure, STREAM_NOT_TLS);
    tls_client_unref(&client);
    assert_true(stream_bench_close(&bench));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_systems_store_is_read_where_it_counts),
        cmocka_unit_test(test_a_handshake_reads_no_file),
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_verified),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_pin_text),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_plaintext_server),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
