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

    return ASN1_TIME_to_tm(date, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
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
    if (!until) {
        error_set(error, "it does not say until when it holds (nextUpdate)");
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

    if (basic && (const char *)at == der.p + der.n) /* all of it goes to clients */
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

/* What a certificate carries. */
struct carried {
    pthread_mutex_t lock;
    struct tls_staple *staple; /* a reference; NULL: none */
};

static int place = -1; /* where a certificate carries it */
static pthread_once_t place_once = PTHREAD_ONCE_INIT;

static void drop(
    void *certificate, void *value, CRYPTO_EX_DATA *all, int index, long unused, void *nothing)
{
    struct carried *carried = value;

    (void)certificate;
    (void)all;
    (void)index;
    (void)unused;
    (void)nothing;
    if (!carried)
        return;
    tls_staple_unref(&carried->staple);
    (void)pthread_mutex_destroy(&carried->lock);
    free(carried);
}

static void find_place(void)
{
    place = X509_get_ex_new_index(0, NULL, NULL, NULL, drop);
}

bool tls_staple_prepare_leaf(X509 *leaf)
{
    struct carried *carried = calloc(1, sizeof(*carried));

    (void)pthread_once(&place_once, find_place);
    if (!carried)
        return false;
    (void)pthread_mutex_init(&carried->lock, NULL);
    if (X509_set_ex_data(leaf, place, carried) == 1)
        return true;
    drop(leaf, carried, NULL, place, 0, NULL);
    return false;
}

void tls_staple_attach(struct tls_staple *staple, const X509 *leaf)
{
    struct carried *carried = X509_get_ex_data(leaf, place);
    struct tls_staple *before;

    (void)pthread_mutex_lock(&carried->lock);
    before = carried->staple;
    carried->staple = staple ? tls_staple_ref(staple) : NULL;
    (void)pthread_mutex_unlock(&carried->lock);
    tls_staple_unref(&before);
}

/* Returns a reference to what the certificate carries, or NULL. */
static struct tls_staple *carried_by(const X509 *leaf)
{
    struct carried *carried = leaf ? X509_get_ex_data(leaf, place) : NULL;
    struct tls_staple *staple = NULL;

    if (!carried)
        return NULL;
    (void)pthread_mutex_lock(&carried->lock);
    if (carried->staple)
        staple = tls_staple_ref(carried->staple);
    (void)pthread_mutex_unlock(&carried->lock);
    return staple;
}

/* Called when the client has asked for it, and the certificate has been chosen. */
static int on_status(SSL *ssl, void *unused)
{
    struct tls_staple *staple = carried_by(SSL_get_certificate(ssl));
    unsigned char *copy = NULL;

    (void)unused;
    if (staple && staple->until_s > (int64_t)time(NULL))
        copy = OPENSSL_memdup(staple->der, staple->n);
    if (copy)
        (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->n);
    tls_staple_unref(&staple);
    return copy ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void tls_staple_prepare(SSL_CTX *context)
{
    (void)pthread_once(&place_once, find_place);
    (void)SSL_CTX_set_tlsext_status_cb(context, on_status);
}
