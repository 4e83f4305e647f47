/* What is wrong with a certificate of our own, in words. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_certificate.h"
#include "tls_certificate_check.h"
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { NOW_S = 1764374400, DAY_S = 24 * 60 * 60, MADE_MAX = 16 };

/* Zeroed members are defaults. */
struct request {
    const char *name;
    const char *names; /* subjectAltName; NULL: none */
    const char *purposes;
    const char *uses;
    const EVP_MD *digest; /* NULL: SHA-256 */
    unsigned rsa_bits;    /* 0: P-256 */
    bool is_authority;
    bool is_expired;
};

/* A certificate with its key; freed by forget. */
struct made {
    X509 *certificate;
    EVP_PKEY *key;
};

static struct made all[MADE_MAX];
static size_t made_count;
static STACK_OF(X509) * chain;
static X509 *root; /* what is_under_root knows */
static char warned[2048];
static enum tls_culprit culprit;
static size_t culprit_index;

static void extend(X509 *certificate, int what, const char *value)
{
    X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, NULL, what, value) : NULL;

    if (!value)
        return;
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer: NULL for one that signs itself. */
static struct made *make(const struct request *request, const struct made *issuer)
{
    struct made *it = &all[made_count++];
    X509_NAME *subject;

    assert_true(made_count <= MADE_MAX);
    it->key = request->rsa_bits ? EVP_RSA_gen(request->rsa_bits) : EVP_EC_gen("P-256");
    it->certificate = X509_new();
    assert_non_null(it->key);
    subject = X509_get_subject_name(it->certificate);
    (void)X509_set_version(it->certificate, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(it->certificate), (long)made_count);
    (void)ASN1_TIME_set(X509_getm_notBefore(it->certificate), NOW_S - 10 * DAY_S);
    (void)ASN1_TIME_set(
        X509_getm_notAfter(it->certificate), NOW_S + (request->is_expired ? -1 : 90 * DAY_S));
    (void)X509_NAME_add_entry_by_txt(
        subject, "CN", MBSTRING_UTF8, (const unsigned char *)request->name, -1, -1, 0);
    (void)X509_set_issuer_name(
        it->certificate, issuer ? X509_get_subject_name(issuer->certificate) : subject);
    (void)X509_set_pubkey(it->certificate, it->key);
    extend(it->certificate, NID_basic_constraints, request->is_authority ? "CA:TRUE" : "CA:FALSE");
    extend(it->certificate, NID_subject_alt_name, request->names);
    extend(it->certificate, NID_ext_key_usage, request->purposes);
    extend(it->certificate, NID_key_usage, request->uses);
    assert_true(X509_sign(it->certificate, issuer ? issuer->key : it->key,
                    request->digest ? request->digest : EVP_sha256()) > 0);
    return it;
}

static struct made *make_authority(const char *name, const struct made *issuer)
{
    return make(&(struct request){.name = name, .is_authority = true}, issuer);
}

static struct made *make_leaf(const struct made *issuer)
{
    return make(&(struct request){.name = "leaf", .names = "DNS:a.example"}, issuer);
}

static int set_up(void **state)
{
    warned[0] = '\0';
    chain = sk_X509_new_null();
    root = NULL;
    return chain ? 0 : -1;
}

static int forget(void **state)
{
    while (made_count > 0) {
        made_count--;
        X509_free(all[made_count].certificate);
        EVP_PKEY_free(all[made_count].key);
    }
    sk_X509_free(chain);
    return 0;
}

static void on_warning(void *owner, enum tls_culprit of, size_t index, const char *text)
{
    culprit = of;
    culprit_index = index;
    (void)snprintf(warned + strlen(warned), sizeof(warned) - strlen(warned), "%s\n", text);
}

static bool is_under_root(X509 *certificate)
{
    return root && X509_check_issued(root, certificate) == X509_V_OK;
}

static const char *check_as(struct certificate_subject subject)
{
    const struct tls_warning warning = {on_warning, NULL};

    warned[0] = '\0';
    subject.file = "F";
    subject.index = 3;
    subject.chain = chain;
    subject.is_under_root = is_under_root;
    subject.now_s = NOW_S;
    certificate_check(&subject, &warning);
    return warned;
}

static const char *check(const struct made *leaf)
{
    return check_as((struct certificate_subject){.leaf = leaf->certificate});
}

static void append(const struct made *it)
{
    assert_true(sk_X509_push(chain, it->certificate) > 0);
}

/* ---- Names ---- */

static bool covers(const struct made *it, const char *name)
{
    return certificate_covers(it->certificate, name);
}

static void test_covered_names(void **state)
{
    struct made *it = make(
        &(struct request){.name = "cn.example",
            .names = "DNS:a.example,DNS:*.b.example,DNS:x*.c.example,IP:192.0.2.1,IP:2001:db8::1"},
        NULL);

    assert_true(covers(it, "a.example"));
    assert_true(covers(it, "A.Example"));
    assert_true(covers(it, "a.example."));
    assert_true(covers(it, "*.b.example."));
    assert_true(covers(it, "mail.b.example"));
    assert_true(covers(it, "*.b.example"));
    assert_true(covers(it, "192.0.2.1"));
    assert_true(covers(it, "2001:db8::1"));
    assert_false(covers(it, "b.example"));
    assert_false(covers(it, "x.mail.b.example"));
    assert_false(covers(it, "*.a.example"));
    assert_false(covers(it, "xy.c.example"));
    assert_false(covers(it, "192.0.2.2"));
    /* Clients do not look at the common name any more [RFC 6125, RFC 9525]. */
    assert_false(covers(it, "cn.example"));
    assert_false(covers(make(&(struct request){.name = "cn.example"}, NULL), "cn.example"));
}

static void test_names_that_are_not_covered(void **state)
{
    const char *names[] = {"a.example", "*.b.example", "c.example"};
    struct made *it =
        make(&(struct request){.name = "x", .names = "DNS:a.example,DNS:d.example"}, NULL);
    struct certificate_subject subject = {.leaf = it->certificate, .name_count = 3, .names = names};

    assert_string_equal(check_as(subject),
        "the certificate F is not for *.b.example, and clients that ask for this name will refuse "
        "it; it is for a.example, d.example\n"
        "the certificate F is not for c.example, and clients that ask for this name will refuse "
        "it; it is for a.example, d.example\n");
    assert_int_equal(culprit, TLS_CULPRIT_NAMES);
    assert_int_equal(culprit_index, 2);
    subject.name_count = 1;
    assert_string_equal(check_as(subject), "");
    subject.leaf = make(&(struct request){.name = "a.example"}, NULL)->certificate;
    assert_non_null(strstr(check_as(subject), "it is for no DNS name at all"));
}

/* ---- Use and strength ---- */

static void test_purposes(void **state)
{
    struct made *none = make(&(struct request){.name = "x"}, NULL);
    struct made *server = make(&(struct request){.name = "x", .purposes = "serverAuth"}, NULL);
    struct made *client = make(&(struct request){.name = "x", .purposes = "clientAuth"}, NULL);
    struct made *any =
        make(&(struct request){.name = "x", .purposes = "anyExtendedKeyUsage"}, NULL);

    assert_string_equal(check(none), "");
    assert_string_equal(check(server), "");
    assert_string_equal(check(any), "");
    assert_non_null(strstr(check(client), "F is not made for servers (its extendedKeyUsage has no "
                                          "serverAuth), and clients will refuse it"));
    assert_int_equal(culprit, TLS_CULPRIT_CERTIFICATE);
    assert_int_equal(culprit_index, 3);
    assert_string_equal(check_as((struct certificate_subject){
                            .leaf = client->certificate, .use = CERTIFICATE_TO_SERVERS}),
        "");
    assert_non_null(strstr(check_as((struct certificate_subject){
                               .leaf = server->certificate, .use = CERTIFICATE_TO_SERVERS}),
        "has no clientAuth), and servers that verify it will refuse it; public authorities stopped "
        "giving clientAuth in 2026"));
}

static void test_uses(void **state)
{
    struct made *good =
        make(&(struct request){.name = "x", .uses = "digitalSignature,keyEncipherment"}, NULL);
    struct made *old = make(&(struct request){.name = "x", .uses = "keyEncipherment"}, NULL);

    assert_string_equal(check(good), "");
    assert_non_null(strstr(check(old), "its keyUsage has no digitalSignature"));
}

static void test_strength(void **state)
{
    struct made *ca = make_authority("ca", NULL);
    struct made *small = make(&(struct request){.name = "x", .rsa_bits = 1024}, ca);
    struct made *large = make(&(struct request){.name = "x", .rsa_bits = 2048}, ca);
    struct made *sha1 = make(&(struct request){.name = "x", .digest = EVP_sha1()}, ca);
    struct made *own = make(&(struct request){.name = "x", .digest = EVP_sha1()}, NULL);

    append(ca);
    assert_non_null(strstr(check(small), "F has an RSA key of 1024 bits"));
    assert_string_equal(check(large), "");
    assert_non_null(strstr(check(sha1), "F is signed with SHA-1 or MD5"));
    (void)sk_X509_pop(chain);
    assert_string_equal(check(own), ""); /* the signature of a root is not verified */
}

/* ---- The chain ---- */

static void test_whole_chains(void **state)
{
    struct made *top = make_authority("top", NULL);
    struct made *middle = make_authority("middle", top);
    struct made *low = make_authority("low", middle);
    struct made *leaf = make_leaf(low);

    root = top->certificate;
    append(low);
    append(middle);
    assert_string_equal(check(leaf), "");
    append(top); /* the root may be there [RFC 7672 3.1.2] */
    assert_string_equal(check(leaf), "");
    root = NULL;
    assert_string_equal(check(leaf), "");
    (void)sk_X509_pop(chain);
    root = middle->certificate; /* a chain may end at what clients know, or go beyond it */
    assert_string_equal(check(leaf), "");
}

static void test_directly_under_a_root(void **state)
{
    struct made *top = make_authority("top", NULL);
    struct made *leaf = make_leaf(top);

    root = top->certificate;
    assert_string_equal(check(leaf), "");
}

static void test_incomplete_chains(void **state)
{
    struct made *top = make_authority("top", NULL);
    struct made *middle = make_authority("middle", top);
    struct made *low = make_authority("low", middle);
    struct made *leaf = make_leaf(low);

    root = top->certificate;
    assert_string_equal(check(leaf),
        "the certificate F has an incomplete chain: the certificate of \"CN=low\", which has "
        "issued "
        "\"CN=leaf\", is neither in the file nor a root of this system, and clients that do not "
        "know it will refuse the connection; append it to the file (certbot: name "
        "fullchain.pem)\n");
    append(low);
    assert_non_null(
        strstr(check(leaf), "the certificate of \"CN=middle\", which has issued \"CN=low\","));
    /* Of one toward servers they know the authority. */
    assert_string_equal(check_as((struct certificate_subject){
                            .leaf = leaf->certificate, .use = CERTIFICATE_TO_SERVERS}),
        "");
}

static void test_out_of_order(void **state)
{
    struct made *top = make_authority("top", NULL);
    struct made *middle = make_authority("middle", top);
    struct made *low = make_authority("low", middle);
    struct made *leaf = make_leaf(low);

    root = top->certificate;
    append(middle);
    append(low);
    assert_string_equal(check(leaf),
        "the certificate F has its chain out of order: number 2 in the file, \"CN=middle\", has "
        "not issued the one before it; put each behind the one that it has issued\n"
        "the certificate F has its chain out of order: number 3 in the file, \"CN=low\", has not "
        "issued the one before it; put each behind the one that it has issued\n");
}

static void test_a_stranger_in_the_file(void **state)
{
    struct made *top = make_authority("top", NULL);
    struct made *other = make_authority("other", NULL);
    struct made *leaf = make_leaf(top);

    root = top->certificate;
    append(other);
    assert_string_equal(check(leaf),
        "the certificate F has in its file, as number 2, \"CN=other\", which has issued none of "
        "the others; remove it\n");
    append(leaf); /* and the leaf twice */
    assert_non_null(strstr(check(leaf), "as number 3, \"CN=leaf\", which has issued none"));
}

/* The one of the same name with another key has not issued it. */
static void test_an_issuer_that_was_renewed(void **state)
{
    struct made *old =
        make(&(struct request){.name = "ca", .is_authority = true}, make_authority("top", NULL));
    struct made *leaf = make_leaf(old);
    struct made *ring[2] = {make_authority("r1", NULL), NULL};

    append(old);
    assert_non_null(strstr(check(leaf), "the certificate of \"CN=top\""));
    /* Two that have issued each other: the search ends. */
    (void)sk_X509_pop(chain);
    ring[1] = make_authority("r2", ring[0]);
    assert_true(X509_set_issuer_name(
                    ring[0]->certificate, X509_get_subject_name(ring[1]->certificate)) == 1 &&
                X509_sign(ring[0]->certificate, ring[1]->key, EVP_sha256()) > 0);
    append(ring[1]);
    append(ring[0]);
    assert_non_null(strstr(check(make_leaf(ring[1])), "incomplete chain"));
}

static void test_issuers_that_peers_refuse(void **state)
{
    struct made *top = make_authority("top", NULL);
    struct made *over =
        make(&(struct request){.name = "low", .is_authority = true, .is_expired = true}, top);
    struct made *weak =
        make(&(struct request){.name = "low", .is_authority = true, .digest = EVP_sha1()}, top);

    root = top->certificate;
    append(over);
    assert_string_equal(check(make_leaf(over)),
        "the certificate F is followed in its file by \"CN=low\", which has expired; get the chain "
        "anew from the authority\n");
    (void)sk_X509_pop(chain);
    append(weak);
    assert_non_null(
        strstr(check(make_leaf(weak)), "by \"CN=low\", which is signed with SHA-1 or MD5"));
}

/* What is in a certificate is not ours: a name may have any bytes. */
static void test_foreign_bytes(void **state)
{
    struct made *leaf = make_leaf(make_authority("a\x1b[2Jb\n\"c", NULL));
    const char *said = check(leaf);

    assert_non_null(strstr(said, "incomplete chain"));
    assert_null(strchr(said, '\x1b'));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_covered_names),
        TEST(test_names_that_are_not_covered),
        TEST(test_purposes),
        TEST(test_uses),
        TEST(test_strength),
        TEST(test_whole_chains),
        TEST(test_directly_under_a_root),
        TEST(test_incomplete_chains),
        TEST(test_out_of_order),
        TEST(test_a_stranger_in_the_file),
        TEST(test_an_issuer_that_was_renewed),
        TEST(test_issuers_that_peers_refuse),
        TEST(test_foreign_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
