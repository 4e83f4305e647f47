#include "tls_staple.h"

#include "mailmux/refcount.h"
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIME_SKEW_S = 300 };

struct tls_staple {
    struct refcount references;
    int64_t until_s; /* it is not handed out any more; since 1970 */
    size_t n;
    unsigned char der[];
};

/* ---- Reading ---- */

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *date)
{
    struct tm parts;

    return date && ASN1_TIME_to_tm(date, &parts) == 1 ? (int64_t)timegm(&parts) : INT64_MAX;
}

/* Compares by number and, where the issuer is known, by what the answer says of that. */
static bool is_about(OCSP_SINGLERESP *single, const X509 *leaf, STACK_OF(X509) * chain)
{
    const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *digest_name = NULL;
    ASN1_INTEGER *serial = NULL;
    const EVP_MD *digest;
    bool is_same;

    (void)OCSP_id_get0_info(NULL, &digest_name, NULL, &serial, (OCSP_CERTID *)id);
    is_same = serial && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0;
    digest = EVP_get_digestbyobj(digest_name);
    for (int i = 0; is_same && digest && i < sk_X509_num(chain); i++) {
        X509 *issuer = sk_X509_value(chain, i);
        OCSP_CERTID *wanted;

        if (X509_check_issued(issuer, (X509 *)leaf) != X509_V_OK)
            continue;
        wanted = OCSP_cert_to_id(digest, leaf, issuer);
        is_same = wanted && OCSP_id_cmp(wanted, id) == 0;
        OCSP_CERTID_free(wanted);
    }
    return is_same;
}

static OCSP_SINGLERESP *find(OCSP_BASICRESP *basic, const X509 *leaf, STACK_OF(X509) * chain)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);

        if (is_about(single, leaf, chain))
            return single;
    }
    return NULL;
}

/* Returns until when the answer holds, or 0 with the reason in *error. */
static int64_t judge(OCSP_BASICRESP *basic, const X509 *leaf, STACK_OF(X509) * chain, int64_t now_s,
    struct error *error)
{
    OCSP_SINGLERESP *single = find(basic, leaf, chain);
    ASN1_GENERALIZEDTIME *from = NULL;
    ASN1_GENERALIZEDTIME *until = NULL;
    int status;

    if (!single) {
        error_set(error, "it is about another certificate");
        return 0;
    }
    status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);
    if (status != V_OCSP_CERTSTATUS_GOOD) {
        error_set(error, "it says that the certificate is %s",
            status == V_OCSP_CERTSTATUS_REVOKED ? "revoked" : "unknown");
        return 0;
    }
    if (seconds_of(until) <= now_s) {
        error_set(error, "it has expired");
        return 0;
    }
    if (from && seconds_of(from) > now_s + TIME_SKEW_S) {
        error_set(error, "it is not valid yet");
        return 0;
    }
    return seconds_of(until);
}

static int64_t read_until(
    struct slice der, const X509 *leaf, STACK_OF(X509) * chain, int64_t now_s, struct error *error)
{
    const unsigned char *at = (const unsigned char *)der.p;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.n);
    OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
    int64_t until_s = 0;

    if (basic)
        until_s = judge(basic, leaf, chain, now_s, error);
    else
        error_set(error, "it is no answer of an authority in DER");
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return until_s;
}

struct tls_staple *tls_staple_new(
    struct slice der, const X509 *leaf, STACK_OF(X509) * chain, int64_t now_s, struct error *error)
{
    int64_t until_s = read_until(der, leaf, chain, now_s, error);
    struct tls_staple *staple = until_s > 0 ? malloc(sizeof(*staple) + der.n) : NULL;

    if (!staple)
        return NULL;
    refcount_init(&staple->references);
    staple->until_s = until_s;
    staple->n = der.n;
    memcpy(staple->der, der.p, der.n);
    return staple;
}

struct tls_staple *tls_staple_ref(struct tls_staple *staple)
{
    refcount_take(&staple->references);
    return staple;
}

void tls_staple_unref(struct tls_staple **pointer)
{
    struct tls_staple *staple = *pointer;

    *pointer = NULL;
    if (staple && refcount_drop(&staple->references))
        free(staple);
}

bool tls_staple_is_same(const struct tls_staple *a, const struct tls_staple *b)
{
    return a == b || (a && b && a->n == b->n && memcmp(a->der, b->der, a->n) == 0);
}

/* ---- Handing out ---- */

static int place = -1; /* where a certificate carries its answer */
static pthread_once_t place_once = PTHREAD_ONCE_INIT;

static void drop(
    void *certificate, void *staple, CRYPTO_EX_DATA *all, int index, long unused, void *nothing)
{
    struct tls_staple *mine = staple;

    (void)certificate;
    (void)all;
    (void)index;
    (void)unused;
    (void)nothing;
    tls_staple_unref(&mine);
}

static void find_place(void)
{
    place = X509_get_ex_new_index(0, NULL, NULL, NULL, drop);
}

bool tls_staple_attach(struct tls_staple *staple, X509 *leaf)
{
    (void)pthread_once(&place_once, find_place);
    if (X509_set_ex_data(leaf, place, tls_staple_ref(staple)) == 1)
        return true;
    tls_staple_unref(&staple);
    return false;
}

/* Called when the client has asked for it, and the certificate has been chosen. */
static int on_status(SSL *ssl, void *unused)
{
    const X509 *leaf = SSL_get_certificate(ssl);
    const struct tls_staple *staple = leaf ? X509_get_ex_data(leaf, place) : NULL;
    unsigned char *copy;

    (void)unused;
    if (!staple || staple->until_s <= (int64_t)time(NULL))
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(staple->der, staple->n);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->n);
    return SSL_TLSEXT_ERR_OK;
}

void tls_staple_prepare(SSL_CTX *context)
{
    (void)pthread_once(&place_once, find_place);
    (void)SSL_CTX_set_tlsext_status_cb(context, on_status);
}
