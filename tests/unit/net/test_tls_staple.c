/* Answers of authorities: which are taken, and until when clients get them. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "answers.h"
#include "certificates.h"
#include "tls_bench.h"
#include "tls_staple.h"
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HOUR_S = 60 * 60, SKEW_S = 300 };

time_t __wrap_time(time_t *unused);

static int64_t now_s;
static struct tls_bench bench;

time_t __wrap_time(time_t *unused)
{
    (void)unused;
    return (time_t)now_s;
}

static const char *pem(const char *name)
{
    return certificates_path(bench.directory, name, "pem");
}

static const char *key(const char *name)
{
    return certificates_path(bench.directory, name, "key");
}

static const char *answer(void)
{
    return certificates_path(bench.directory, "a.pem", "ocsp");
}

static int set_up(void **state)
{
    struct timespec real;

    (void)clock_gettime(CLOCK_REALTIME, &real);
    now_s = real.tv_sec;
    assert_true(tls_bench_init(&bench));
    certificates_make(bench.directory,
        &(struct certificate_request){.file = "ca", .name = "An authority", .is_authority = true});
    certificates_make(bench.directory,
        &(struct certificate_request){.file = "other-ca", .name = "Another", .is_authority = true});
    certificates_make(bench.directory,
        &(struct certificate_request){.file = "b", .name = "b.example", .issuer = "ca"});
    certificates_make(bench.directory,
        &(struct certificate_request){.file = "c", .name = "c.example", .issuer = "ca"});
    return 0;
}

static int tear_down(void **state)
{
    tls_bench_deinit(&bench);
    return 0;
}

/* Writes an answer about the certificate beside a.pem. */
static void write_answer(
    const char *of, const char *issuer, int status, int64_t from_s, int64_t until_s)
{
    answer_make(&(struct answer_request){.certificate = pem(of),
        .issuer = pem(issuer),
        .issuer_key = key(issuer),
        .out = answer(),
        .status = status,
        .from_s = from_s,
        .until_s = until_s});
}

static X509 *read_one(FILE *file)
{
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);

    assert_non_null(certificate);
    return certificate;
}

/* Reads what write_answer wrote, and `more` octets behind it, as an answer about b. */
static const char *judged(size_t more)
{
    static struct error error;
    char bytes[8192];
    FILE *file = fopen(answer(), "re");
    size_t n = fread(bytes, 1, sizeof(bytes) / 2, file);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *leaf;
    struct tls_staple *staple;

    (void)fclose(file);
    memset(bytes + n, 0, more);
    file = fopen(pem("b"), "re");
    leaf = read_one(file);
    assert_true(sk_X509_push(chain, read_one(file)) > 0);
    (void)fclose(file);
    error = (struct error){0};
    staple = tls_staple_new(slice_of(bytes, n + more), leaf, chain, now_s, &error);
    assert_true(!staple == (error.text[0] != '\0'));
    tls_staple_unref(&staple);
    X509_free(leaf);
    sk_X509_pop_free(chain, X509_free);
    return error.text;
}

static const char *judged_for(const char *of, int status, int64_t from_s, int64_t until_s)
{
    write_answer(of, "ca", status, from_s, until_s);
    return judged(0);
}

static void test_times(void **state)
{
    const int good = V_OCSP_CERTSTATUS_GOOD;

    assert_string_equal(judged_for("b", good, now_s, now_s + 1), "");
    assert_string_equal(judged_for("b", good, now_s - HOUR_S, now_s), "it has expired");
    assert_string_equal(
        judged_for("b", good, now_s - 2 * HOUR_S, now_s - HOUR_S), "it has expired");
    /* Clocks differ a little. */
    assert_string_equal(judged_for("b", good, now_s + SKEW_S, now_s + HOUR_S), "");
    assert_string_equal(
        judged_for("b", good, now_s + SKEW_S + 1, now_s + HOUR_S), "it is not valid yet");
    assert_string_equal(
        judged_for("b", good, now_s, 0), "it does not say until when it holds (nextUpdate)");
}

static void test_what_it_says(void **state)
{
    const int64_t until_s = now_s + HOUR_S;

    assert_string_equal(judged_for("b", V_OCSP_CERTSTATUS_REVOKED, now_s, until_s),
        "it says that the certificate is revoked");
    assert_string_equal(judged_for("b", V_OCSP_CERTSTATUS_UNKNOWN, now_s, until_s),
        "it says that the certificate is unknown");
    assert_string_equal(
        judged_for("c", V_OCSP_CERTSTATUS_GOOD, now_s, until_s), "it is about another certificate");
    write_answer("b", "other-ca", V_OCSP_CERTSTATUS_GOOD, now_s, until_s);
    assert_string_equal(judged(0), "it is about another certificate");
}

static void test_all_of_it_is_the_answer(void **state)
{
    FILE *file;

    write_answer("b", "ca", V_OCSP_CERTSTATUS_GOOD, now_s, now_s + HOUR_S);
    assert_string_equal(judged(1), "it is no answer of an authority in DER");
    file = fopen(answer(), "we");
    (void)fclose(file);
    assert_string_equal(judged(0), "it is no answer of an authority in DER");
}

/* Returns how many octets of an answer a client gets that asks for one; -1: none. */
static long stapled(void)
{
    struct stream_bench stream;
    struct memory_tls peer;
    const unsigned char *bytes;
    long n;

    assert_true(tls_bench_begin(&bench, &stream, &peer));
    assert_int_equal(SSL_set_tlsext_status_type(peer.ssl, TLSEXT_STATUSTYPE_ocsp), 1);
    assert_int_equal(stream_bench_shake(&stream, &peer), IO_OK);
    n = SSL_get_tlsext_status_ocsp_resp(peer.ssl, &bytes);
    assert_true(tls_bench_end(&stream, &peer));
    return n;
}

static void test_is_handed_on_until_its_end(void **state)
{
    struct error why;

    assert_int_equal(stapled(), -1);
    write_answer("a", "a", V_OCSP_CERTSTATUS_GOOD, now_s, now_s + HOUR_S);
    assert_int_equal(stapled(), -1); /* it was not read */
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_STAPLED);
    assert_true(stapled() > 0);
    now_s += HOUR_S - 1;
    assert_true(stapled() > 0);
    now_s += 1;
    assert_int_equal(stapled(), -1);
}

static void test_what_is_new_beside_a_certificate(void **state)
{
    struct error why;

    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_SAME);
    write_answer("a", "a", V_OCSP_CERTSTATUS_GOOD, now_s, now_s + HOUR_S);
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_STAPLED);
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_SAME);
    assert_int_equal(unlink(answer()), 0);
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_GONE);
    assert_int_equal(stapled(), -1);
    write_answer("b", "ca", V_OCSP_CERTSTATUS_GOOD, now_s, now_s + HOUR_S);
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_WRONG);
    assert_non_null(strstr(why.text, "a.pem.ocsp is not stapled: it is about another certificate"));
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_SAME);
    assert_int_equal(unlink(answer()), 0);
    assert_int_equal(mkdir(answer(), 0700), 0);
    assert_int_equal(tls_set_read_answer(bench.set, 0, &why), TLS_ANSWER_WRONG);
    assert_non_null(strstr(why.text, "no regular file"));
    assert_int_equal(rmdir(answer()), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_it_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_of_it_is_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_handed_on_until_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_new_beside_a_certificate, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
