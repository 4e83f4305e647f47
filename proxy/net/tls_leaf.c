#include "tls_leaf.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

/* What a tag is found as: its class and its number. */
enum {
    TAG_BOOLEAN = V_ASN1_BOOLEAN,
    TAG_INTEGER = V_ASN1_INTEGER,
    TAG_BITS = V_ASN1_BIT_STRING,
    TAG_OCTETS = V_ASN1_OCTET_STRING,
    TAG_OBJECT = V_ASN1_OBJECT,
    TAG_SEQUENCE = V_ASN1_SEQUENCE,
    TAG_CONTEXT = V_ASN1_CONTEXT_SPECIFIC, /* and the number */
    TAG_NONE = -1,
    FAILED = 0x80,
    INDEFINITE = 0x01,
    DNS_NAME = 2 /* of GeneralName */
};

/* Takes the next element, whose content becomes *out. Returns its tag. */
static int take(struct slice *in, struct slice *out)
{
    const unsigned char *at = (const unsigned char *)in->p;
    long length = 0;
    int tag = 0;
    int class = 0;
    int result;

    if (in->n == 0)
        return TAG_NONE;
    result = ASN1_get_object(&at, &length, &tag, &class, (long)in->n);
    if ((result & (FAILED | INDEFINITE)) != 0) {
        ERR_clear_error();
        in->n = 0;
        return TAG_NONE;
    }
    *out = slice_of((const char *)at, (size_t)length);
    *in = slice_after(*in, (size_t)((const char *)at - in->p) + (size_t)length);
    return tag | class;
}

/* Takes an element that must have this tag. */
static bool take_a(struct slice *in, int tag, struct slice *out)
{
    return take(in, out) == tag;
}

static bool skip(struct slice *in, int tag)
{
    struct slice unused;

    return take_a(in, tag, &unused);
}

/* ---- Public keys ---- */

static void note(struct tls_public *out, enum tls_key_kind kind, struct slice bytes)
{
    out->kind = kind;
    (void)SHA256((const unsigned char *)bytes.p, bytes.n, out->print);
}

/* Takes modulus and exponent, as they stand in the keys of both sorts. */
static bool note_rsa(struct slice numbers, struct tls_public *out)
{
    struct slice from = numbers;

    for (int i = 0; i < 2; i++) {
        if (!skip(&numbers, TAG_INTEGER))
            return false;
    }
    note(out, TLS_KEY_RSA, slice_of(from.p, from.n - numbers.n));
    return true;
}

static enum tls_key_kind kind_of(struct slice object)
{
    if (slice_equal(object, SLICE("\x2a\x86\x48\xce\x3d\x02\x01"))) /* id-ecPublicKey */
        return TLS_KEY_ECDSA;
    if (slice_equal(object, SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"))) /* rsaEncryption */
        return TLS_KEY_RSA;
    return TLS_KEY_OTHER;
}

/* Reads a SubjectPublicKeyInfo, without its head. */
static bool scan_public(struct slice info, struct tls_public *out)
{
    struct slice algorithm;
    struct slice object;
    struct slice bits;
    struct slice numbers;
    enum tls_key_kind kind;

    if (!take_a(&info, TAG_SEQUENCE, &algorithm) || !take_a(&algorithm, TAG_OBJECT, &object) ||
        !take_a(&info, TAG_BITS, &bits) || bits.n < 2)
        return false;
    bits = slice_after(bits, 1); /* the number of bits that are not used */
    kind = kind_of(object);
    if (kind == TLS_KEY_RSA)
        return take_a(&bits, TAG_SEQUENCE, &numbers) && note_rsa(numbers, out);
    note(out, kind, bits);
    return true;
}

/* ---- Certificates ---- */

static int64_t time_of(struct slice *validity)
{
    const unsigned char *at = (const unsigned char *)validity->p;
    ASN1_TIME *time = d2i_ASN1_TIME(NULL, &at, (long)validity->n);
    struct tm parts = {0};
    int64_t result = 0;

    if (time && ASN1_TIME_to_tm(time, &parts) == 1)
        result = (int64_t)timegm(&parts);
    if (time)
        *validity = slice_after(*validity, (size_t)((const char *)at - validity->p));
    ASN1_TIME_free(time);
    return result;
}

static void scan_extension(struct slice extension, struct tls_leaf *out)
{
    struct slice object;
    struct slice value;
    struct slice inner;
    struct slice flag;
    int tag;

    if (!take_a(&extension, TAG_OBJECT, &object))
        return;
    tag = take(&extension, &value);
    if (tag == TAG_BOOLEAN) /* whether it is critical */
        tag = take(&extension, &value);
    if (tag != TAG_OCTETS || !take_a(&value, TAG_SEQUENCE, &inner))
        return;
    if (slice_equal(object, SLICE("\x55\x1d\x11"))) /* subjectAltName */
        out->names = inner;
    else if (slice_equal(object, SLICE("\x55\x1d\x13"))) /* basicConstraints */
        out->is_authority = take_a(&inner, TAG_BOOLEAN, &flag) && flag.n == 1 && flag.p[0] != 0;
}

/* Reads what is behind the public key: identifiers that are no longer used, and extensions. */
static void scan_rest(struct slice rest, struct tls_leaf *out)
{
    struct slice part;
    struct slice list;
    struct slice extension;
    int tag;

    while ((tag = take(&rest, &part)) != TAG_NONE) {
        if (tag != (TAG_CONTEXT | 3) || !take_a(&part, TAG_SEQUENCE, &list))
            continue;
        while (take_a(&list, TAG_SEQUENCE, &extension))
            scan_extension(extension, out);
    }
}

static uint64_t print_of(struct slice der)
{
    unsigned char digest[TLS_DIGEST_SIZE];
    uint64_t print = 0;

    (void)SHA256((const unsigned char *)der.p, der.n, digest);
    memcpy(&print, digest, sizeof(print)); /* as certificate_dates_of does */
    return print;
}

bool tls_leaf_scan(struct slice der, struct tls_leaf *out)
{
    struct slice all = der;
    struct slice certificate;
    struct slice part;
    struct slice validity;
    struct slice key;
    struct slice version;

    *out = (struct tls_leaf){0};
    if (!take_a(&all, TAG_SEQUENCE, &certificate) || all.n > 0 ||
        !take_a(&certificate, TAG_SEQUENCE, &part))
        return false;
    certificate = part; /* what is signed */
    if (take(&certificate, &version) != (TAG_CONTEXT | 0))
        certificate = part;
    if (!skip(&certificate, TAG_INTEGER) ||                                       /* serial */
        !skip(&certificate, TAG_SEQUENCE) || !skip(&certificate, TAG_SEQUENCE) || /* issuer */
        !take_a(&certificate, TAG_SEQUENCE, &validity) || !skip(&certificate, TAG_SEQUENCE) ||
        !take_a(&certificate, TAG_SEQUENCE, &key) || !scan_public(key, &out->key))
        return false;
    out->dates.begin_s = time_of(&validity);
    out->dates.end_s = time_of(&validity) + 1;
    out->dates.print = print_of(der);
    scan_rest(certificate, out);
    return true;
}

bool tls_leaf_name(struct slice *names, char out[TLS_HOST_MAX + 3])
{
    struct slice name;
    int tag;

    while ((tag = take(names, &name)) != TAG_NONE) {
        if (tag == (TAG_CONTEXT | DNS_NAME) && tls_names_normalise_pattern(name, out))
            return true;
    }
    return false;
}

/* ---- Private keys ---- */

static bool scan_rsa(struct slice key, struct tls_public *out)
{
    return skip(&key, TAG_INTEGER) && note_rsa(key, out);
}

/* The public key is optional there. */
static bool scan_ec(struct slice key, struct tls_public *out)
{
    struct slice part;
    struct slice bits;
    int tag;

    if (!skip(&key, TAG_INTEGER) || !skip(&key, TAG_OCTETS))
        return false;
    while ((tag = take(&key, &part)) != TAG_NONE) {
        if (tag == (TAG_CONTEXT | 1) && take_a(&part, TAG_BITS, &bits) && bits.n > 1) {
            note(out, TLS_KEY_ECDSA, slice_after(bits, 1));
            return true;
        }
    }
    return false;
}

static bool scan_pkcs8(struct slice info, struct tls_public *out)
{
    struct slice algorithm;
    struct slice object;
    struct slice octets;
    struct slice key;

    if (!skip(&info, TAG_INTEGER) || !take_a(&info, TAG_SEQUENCE, &algorithm) ||
        !take_a(&algorithm, TAG_OBJECT, &object) || !take_a(&info, TAG_OCTETS, &octets) ||
        !take_a(&octets, TAG_SEQUENCE, &key))
        return false;
    if (kind_of(object) == TLS_KEY_RSA)
        return scan_rsa(key, out);
    return kind_of(object) == TLS_KEY_ECDSA && scan_ec(key, out);
}

static bool scan_by_library(struct slice der, struct tls_public *out)
{
    const unsigned char *at = (const unsigned char *)der.p;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der.n);
    unsigned char *info = NULL;
    int n = key ? i2d_PUBKEY(key, &info) : 0;
    struct slice whole = slice_of((const char *)info, n > 0 ? (size_t)n : 0);
    struct slice inner;
    bool is_fine = take_a(&whole, TAG_SEQUENCE, &inner) && scan_public(inner, out);

    OPENSSL_free(info);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_fine;
}

bool tls_key_scan(const char *pem_name, struct slice der, struct tls_public *out)
{
    struct slice all = der;
    struct slice key;
    bool is_fine = take_a(&all, TAG_SEQUENCE, &key) && all.n == 0;

    if (!is_fine)
        return false;
    if (strcmp(pem_name, "RSA PRIVATE KEY") == 0)
        return scan_rsa(key, out);
    is_fine = strcmp(pem_name, "EC PRIVATE KEY") == 0 ? scan_ec(key, out) : scan_pkcs8(key, out);
    return is_fine || scan_by_library(der, out);
}
