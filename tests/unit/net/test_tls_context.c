/* Building certificate sets: what is refused, which parameter is blamed, and what is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "stream_bench.h"
#include "tls_context.h"
#include "tls_info.h"
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;

static int setup_group(void **state)
{
    (void)state;
    directory = certificates_directory_new();
    certificates_make(directory,
        &(struct certificate_request){.file = "root", .name = "R", .is_authority = true});
    certificates_make(
        directory, &(struct certificate_request){
                       .file = "middle", .name = "M", .issuer = "root", .is_authority = true});
    certificates_make(directory,
        &(struct certificate_request){.file = "a", .name = "mail.example", .issuer = "middle"});
    certificates_make(directory,
        &(struct certificate_request){.file = "middle-b", .name = "b.example", .issuer = "root"});
    certificates_make(directory, &(struct certificate_request){.file = "b", .name = "b.example"});
    certificates_make(
        directory, &(struct certificate_request){
                       .file = "rsa", .name = "mail.example", .kind = CERTIFICATE_RSA});
    certificates_make(directory,
        &(struct certificate_request){.file = "old", .name = "old.example", .is_expired = true});
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    certificates_directory_free(&directory);
    return 0;
}

static const char *pem(const char *file)
{
    return certificates_path(directory, file, "pem");
}

static const char *key(const char *file)
{
    return certificates_path(directory, file, "key");
}

static struct tls_set_parameters with(
    const char *const *certificates, const char *const *keys, size_t count)
{
    return (struct tls_set_parameters){.name = "default",
        .certificate_count = count,
        .certificates = certificates,
        .keys = keys,
        .rules = {.policy = TLS_INTERMEDIATE}};
}

/* That these parameters are refused, and how. */
static void assert_fault(
    struct tls_set_parameters parameters, enum tls_culprit culprit, size_t index, const char *text)
{
    struct tls_fault fault;
    struct tls_set *set = tls_set_new(&parameters, &fault);

    assert_null(set);
    assert_int_equal(fault.culprit, culprit);
    assert_int_equal(fault.index, index);
    if (!strstr(fault.error.text, text))
        print_error("%s\n", fault.error.text);
    assert_non_null(strstr(fault.error.text, text));
}

static void test_files(void **state)
{
    const char *certificates[] = {pem("a"), pem("rsa")};
    const char *keys[] = {key("a"), key("b")};

    (void)state;
    assert_fault(with(certificates, keys, 2), TLS_CULPRIT_KEY, 1, "does not belong");
    assert_fault(with(certificates, keys, 2), TLS_CULPRIT_KEY, 1, "RSA, 2048 bits");
    keys[1] = "/nonexistent/key.pem";
    assert_fault(with(certificates, keys, 2), TLS_CULPRIT_KEY, 1, "No such file");
    certificates[1] = directory;
    assert_fault(with(certificates, keys, 2), TLS_CULPRIT_CERTIFICATE, 1, "not a regular file");
    certificates[1] = key("a");
    keys[1] = key("a");
    assert_fault(with(certificates, keys, 2), TLS_CULPRIT_CERTIFICATE, 1, "expected PEM");
    certificates[1] = pem("b");
    keys[1] = key("b");
    assert_fault(with(certificates, keys, 2), TLS_CULPRIT_CERTIFICATE, 1, "same kind");
    certificates[0] = pem("b");
    keys[0] = pem("b");
    assert_fault(with(certificates, keys, 1), TLS_CULPRIT_KEY, 0, "no private key");
    /* A chain the wrong way round. */
    certificates[0] = pem("middle");
    keys[0] = key("a");
    assert_fault(with(certificates, keys, 1), TLS_CULPRIT_KEY, 0, "the server's own");
    assert_fault(with(certificates, keys, 0), TLS_CULPRIT_CERTIFICATE, 0, "no certificate");
}

/* An encrypted key never asks on a terminal. */
static void test_encrypted_key(void **state)
{
    const char *certificates[] = {pem("b")};
    const char *keys[] = {certificates_path(directory, "secret", "key")};
    FILE *in = fopen(key("b"), "re");
    FILE *out = fopen(keys[0], "we");
    EVP_PKEY *pair = PEM_read_PrivateKey(in, NULL, NULL, NULL);

    (void)state;
    assert_int_equal(PEM_write_PrivateKey(out, pair, EVP_aes_128_cbc(),
                         (const unsigned char *)"word", 4, NULL, NULL),
        1);
    EVP_PKEY_free(pair);
    (void)fclose(in);
    (void)fclose(out);
    assert_fault(with(certificates, keys, 1), TLS_CULPRIT_KEY, 0, "is encrypted");
}

static void test_rules(void **state)
{
    const char *certificates[] = {pem("b")};
    const char *keys[] = {key("b")};
    static const char *const names[] = {"fine.example", "not a name"};
    struct tls_set_parameters parameters = with(certificates, keys, 1);

    (void)state;
    parameters.rules.ciphers = "NO-SUCH-CIPHER";
    assert_fault(parameters, TLS_CULPRIT_CIPHERS, 0, "no cipher");
    parameters.rules.ciphers = NULL;
    parameters.rules.ciphersuites = "TLS_NO_SUCH";
    assert_fault(parameters, TLS_CULPRIT_CIPHERSUITES, 0, "TLS_AES_128_GCM_SHA256");
    parameters.rules.ciphersuites = NULL;
    parameters.rules.groups = "one:two";
    assert_fault(parameters, TLS_CULPRIT_GROUPS, 0, "none of these groups");
    parameters.rules.groups = NULL;
    parameters.rules.minimum = TLS_1_3;
    parameters.rules.maximum = TLS_1_2;
    assert_fault(parameters, TLS_CULPRIT_VERSION, 0, "below");
    parameters = with(certificates, keys, 1);
    parameters.names = names;
    parameters.name_count = 2;
    assert_fault(parameters, TLS_CULPRIT_NAMES, 1, "not a name");
    parameters = with(certificates, keys, 1);
    parameters.client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE;
    assert_fault(parameters, TLS_CULPRIT_CLIENT_CERTIFICATE, 0, "client_ca");
    parameters.client_ca = key("b");
    assert_fault(parameters, TLS_CULPRIT_CA, 0, "client_ca");
    parameters.client_ca = "/nonexistent";
    assert_fault(parameters, TLS_CULPRIT_CA, 0, "No such file");
}

struct warnings {
    unsigned count;
    enum tls_culprit culprit;
    char text[256];
};

static void on_warning(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    struct warnings *warnings = owner;

    (void)index;
    warnings->count++;
    warnings->culprit = culprit;
    (void)snprintf(warnings->text, sizeof(warnings->text), "%s", text);
}

static struct warnings warnings_of(struct tls_set_parameters parameters)
{
    struct warnings warnings = {0};
    struct tls_fault fault;
    struct tls_set *set;

    parameters.warning = (struct tls_warning){.warn = on_warning, .owner = &warnings};
    set = tls_set_new(&parameters, &fault);
    assert_non_null(set);
    tls_set_free(&set);
    return warnings;
}

static void test_warnings(void **state)
{
    const char *certificates[] = {pem("b")};
    const char *keys[] = {key("b")};
    struct tls_set_parameters parameters = with(certificates, keys, 1);
    struct warnings warnings;

    (void)state;
    parameters.rules.groups = "X25519:prime256v1";
    assert_int_equal(warnings_of(parameters).count, 0);
    parameters.rules.groups = "X25519:NOSUCHGROUP:prime256v1";
    warnings = warnings_of(parameters);
    assert_int_equal(warnings.count, 1);
    assert_int_equal(warnings.culprit, TLS_CULPRIT_GROUPS);
    assert_non_null(strstr(warnings.text, "NOSUCHGROUP"));
    parameters.rules.groups = "X25519";
    assert_int_equal(chmod(keys[0], 0644), 0);
    warnings = warnings_of(parameters);
    assert_int_equal(warnings.culprit, TLS_CULPRIT_KEY);
    assert_int_equal(chmod(keys[0], 0600), 0);
    certificates[0] = pem("old");
    keys[0] = key("old");
    assert_non_null(strstr(warnings_of(parameters).text, "has expired"));
}

/* One visit of a client that knows only these signatures; what it is shown goes to `peer`. */
static void visit(struct tls_set *set, const char *signatures, struct memory_tls *peer)
{
    struct stream_bench bench;
    const struct tls_service service = {
        .listener = "l", .protocol = "imap", .set_count = 1, .sets = &set};

    stream_bench_open(&bench);
    memory_tls_init_client(peer, &bench.wire, NULL);
    assert_int_equal(SSL_set1_sigalgs_list(peer->ssl, signatures), 1);
    assert_int_equal(stream_start_tls_server(&bench.stream, &service, NULL), IO_OK);
    assert_int_equal(stream_bench_shake(&bench, peer), IO_OK);
    assert_true(stream_bench_close(&bench));
}

/* RSA and ECDSA side by side; the chain as it is in the file, the root included (C95). */
static void test_served(void **state)
{
    const char *certificates[] = {pem("a"), pem("rsa")};
    const char *keys[] = {key("a"), key("rsa")};
    const struct tls_set_parameters parameters = with(certificates, keys, 2);
    struct tls_fault fault;
    struct tls_set *set = tls_set_new(&parameters, &fault);
    struct memory_tls peer;
    static const char *const names[] = {"mail.example", "M", "R"};

    (void)state;
    assert_non_null(set);
    visit(set, "ecdsa_secp256r1_sha256", &peer);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(peer.ssl)), 3);
    for (int i = 0; i < 3; i++) {
        char name[64];

        (void)X509_NAME_get_text_by_NID(
            X509_get_subject_name(sk_X509_value(SSL_get_peer_cert_chain(peer.ssl), i)),
            NID_commonName, name, sizeof(name));
        assert_string_equal(name, names[i]);
    }
    memory_tls_deinit(&peer);
    visit(set, "rsa_pss_rsae_sha256", &peer);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(peer.ssl)), 1);
    assert_int_equal(
        EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(peer.ssl))), EVP_PKEY_RSA);
    memory_tls_deinit(&peer);
    tls_set_free(&set);
}

/* Nor does the library add what it finds elsewhere, here among the authorities of clients. */
static void test_nothing_is_added(void **state)
{
    const char *certificates[] = {certificates_path(directory, "alone", "pem")};
    const char *keys[] = {key("middle-b")};
    struct tls_set_parameters parameters = with(certificates, keys, 1);
    FILE *in = fopen(pem("middle-b"), "re");
    FILE *out = fopen(certificates[0], "we");
    X509 *first = PEM_read_X509(in, NULL, NULL, NULL);
    struct tls_fault fault;
    struct tls_set *set;
    struct memory_tls peer;

    (void)state;
    assert_int_equal(PEM_write_X509(out, first), 1);
    X509_free(first);
    (void)fclose(in);
    (void)fclose(out);
    parameters.client_certificate = TLS_CLIENT_CERTIFICATE_REQUEST;
    parameters.client_ca = pem("root");
    set = tls_set_new(&parameters, &fault);
    assert_non_null(set);
    visit(set, "ecdsa_secp256r1_sha256", &peer);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(peer.ssl)), 1);
    memory_tls_deinit(&peer);
    tls_set_free(&set);
}

/* A connection outlives the set that it began with (C95). */
static void test_set_goes_first(void **state)
{
    const char *certificates[] = {pem("b")};
    const char *keys[] = {key("b")};
    const struct tls_set_parameters parameters = with(certificates, keys, 1);
    struct tls_fault fault;
    struct tls_set *set = tls_set_new(&parameters, &fault);
    struct stream_bench bench;
    struct memory_tls peer;
    struct tls_service service = {
        .listener = "l", .protocol = "imap", .set_count = 1, .sets = &set};

    (void)state;
    stream_bench_open(&bench);
    memory_tls_init_client(&peer, &bench.wire, NULL);
    assert_int_equal(stream_start_tls_server(&bench.stream, &service, NULL), IO_OK);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    tls_set_free(&set);
    assert_null(set);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("still here")), IO_OK);
    assert_int_equal(memory_tls_heard(&peer).n, 10);
    memory_tls_deinit(&peer);
    assert_true(stream_bench_close(&bench));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_encrypted_key),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_served),
        cmocka_unit_test(test_nothing_is_added),
        cmocka_unit_test(test_set_goes_first),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
