#include "tls_certificate_check.h"

#include "tls_certificate.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

enum { RSA_BITS_MIN = 2048, NAME_TEXT_MAX = 120, NAMES_TEXT_MAX = 160 };

static void warn_at(const struct certificate_subject *subject, const struct tls_warning *warning,
    enum tls_culprit culprit, size_t index, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void warn_at(const struct certificate_subject *subject, const struct tls_warning *warning,
    enum tls_culprit culprit, size_t index, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    int n = snprintf(text, sizeof(text), "the certificate %s ", subject->file);

    va_start(arguments, format);
    if (n > 0 && (size_t)n < sizeof(text))
        (void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, arguments);
    va_end(arguments);
    warning->warn(warning->owner, culprit, index, text);
}

#define WARN(...) warn_at(subject, warning, TLS_CULPRIT_CERTIFICATE, subject->index, __VA_ARGS__)

/* ---- Names ---- */

static void check_names(
    const struct certificate_subject *subject, const struct tls_warning *warning)
{
    char names[NAMES_TEXT_MAX];

    (void)certificate_names_text(subject->leaf, names, sizeof(names));
    for (size_t i = 0; i < subject->name_count; i++) {
        if (!certificate_covers(subject->leaf, subject->names[i]))
            warn_at(subject, warning, TLS_CULPRIT_NAMES, i,
                "is not for %s, and clients that ask for this name will refuse it; it is for %s",
                subject->names[i], *names ? names : "no DNS name at all");
    }
}

/* ---- What it may be used for, and how strong it is ---- */

static void check_use(const struct certificate_subject *subject, const struct tls_warning *warning)
{
    uint32_t purposes = X509_get_extended_key_usage(subject->leaf); /* all bits: no extension */
    uint32_t uses = X509_get_key_usage(subject->leaf);

    if (subject->use == CERTIFICATE_TO_CLIENTS &&
        (purposes & (uint32_t)(XKU_SSL_SERVER | XKU_ANYEKU)) == 0)
        WARN("is not made for servers (its extendedKeyUsage has no serverAuth), and clients will "
             "refuse it; have one made with serverAuth");
    if (subject->use == CERTIFICATE_TO_SERVERS &&
        (purposes & (uint32_t)(XKU_SSL_CLIENT | XKU_ANYEKU)) == 0)
        WARN("is not made for clients (its extendedKeyUsage has no clientAuth), and servers that "
             "verify it will refuse it; public authorities stopped giving clientAuth in 2026, so "
             "have one made by an authority of your own");
    if ((uses & (uint32_t)KU_DIGITAL_SIGNATURE) == 0)
        WARN("may not be used to sign (its keyUsage has no digitalSignature), which TLS 1.3 needs; "
             "have one made with digitalSignature");
}

static bool is_rsa(const EVP_PKEY *key)
{
    int type = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    return type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS;
}

static bool is_signed_weakly(X509 *certificate)
{
    int digest = NID_undef;

    return X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) == 1 &&
           (digest == NID_sha1 || digest == NID_md5 || digest == NID_md5_sha1);
}

static void check_strength(
    const struct certificate_subject *subject, const struct tls_warning *warning)
{
    const EVP_PKEY *key = X509_get0_pubkey(subject->leaf);

    if (is_rsa(key) && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
        WARN("has an RSA key of %d bits, and most peers refuse fewer than %d; have one made with a "
             "new key",
            EVP_PKEY_get_bits(key), RSA_BITS_MIN);
    if (is_signed_weakly(subject->leaf) && !certificate_is_self_signed(subject->leaf))
        WARN("is signed with SHA-1 or MD5, and peers refuse it; have one made with SHA-256");
}

/* ---- The chain ---- */

static int chain_count(const struct certificate_subject *subject)
{
    return subject->chain ? sk_X509_num(subject->chain) : 0;
}

/* The n-th certificate of the file; 0 is the leaf. */
static X509 *at(const struct certificate_subject *subject, int n)
{
    return n == 0 ? subject->leaf : sk_X509_value(subject->chain, n - 1);
}

static bool has_issued(X509 *issuer, X509 *certificate)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK;
}

/* Writes a name as "C = US, O = Let's Encrypt, CN = R11"; what cannot be printed is escaped. */
static const char *write_name(const X509_NAME *name, char out[NAME_TEXT_MAX])
{
    BIO *memory = BIO_new(BIO_s_mem());
    int n = 0;

    if (memory && X509_NAME_print_ex(memory, name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ) >= 0)
        n = BIO_read(memory, out, NAME_TEXT_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    BIO_free(memory);
    return out;
}

/* Returns whether it has issued another certificate of the file. */
static bool belongs(const struct certificate_subject *subject, int n)
{
    for (int i = 0; i <= chain_count(subject); i++) {
        if (i != n && has_issued(at(subject, n), at(subject, i)))
            return true;
    }
    return false;
}

/* Each certificate should have issued the one before it [RFC 5246 7.4.2]. */
static void check_order(
    const struct certificate_subject *subject, const struct tls_warning *warning)
{
    char name[NAME_TEXT_MAX];

    for (int i = 1; i <= chain_count(subject); i++) {
        if (has_issued(at(subject, i), at(subject, i - 1)))
            continue;
        (void)write_name(X509_get_subject_name(at(subject, i)), name);
        if (belongs(subject, i))
            WARN("has its chain out of order: number %d in the file, \"%s\", has not issued the "
                 "one before it; put each behind the one that it has issued",
                i + 1, name);
        else
            WARN("has in its file, as number %d, \"%s\", which has issued none of the others; "
                 "remove it",
                i + 1, name);
    }
}

/* Returns the number of the first certificate that has issued the n-th and is not it, or -1. */
static int find_issuer(const struct certificate_subject *subject, int n)
{
    for (int i = 1; i <= chain_count(subject); i++) {
        if (i != n && has_issued(at(subject, i), at(subject, n)))
            return i;
    }
    return -1;
}

static bool is_known(const struct certificate_subject *subject, int n)
{
    return certificate_is_self_signed(at(subject, n)) ||
           (subject->is_under_root && subject->is_under_root(at(subject, n)));
}

/*
 * Follows the issuers from the leaf. The chain is whole if it reaches a root, or a certificate that
 * a root of this system has issued. Two certificates may have issued each other, so steps are
 * counted.
 */
static void check_whole(
    const struct certificate_subject *subject, const struct tls_warning *warning)
{
    char names[2][NAME_TEXT_MAX];
    int last = 0;

    for (int steps = 0, next = 0; next >= 0 && steps <= chain_count(subject); steps++) {
        last = next;
        if (is_known(subject, last))
            return;
        next = find_issuer(subject, last);
    }
    WARN("has an incomplete chain: the certificate of \"%s\", which has issued \"%s\", is neither "
         "in "
         "the file nor a root of this system, and clients that do not know it will refuse the "
         "connection; append it to the file (certbot: name fullchain.pem)",
        write_name(X509_get_issuer_name(at(subject, last)), names[0]),
        write_name(X509_get_subject_name(at(subject, last)), names[1]));
}

/* Of the leaf the caller speaks. */
static void check_issuers(
    const struct certificate_subject *subject, const struct tls_warning *warning)
{
    char age[CERTIFICATE_AGE_TEXT_MAX];
    char name[NAME_TEXT_MAX];

    for (int i = 1; i <= chain_count(subject); i++) {
        struct certificate_dates dates = certificate_dates_of(at(subject, i));
        enum certificate_age is = certificate_age(&dates, subject->now_s);

        (void)write_name(X509_get_subject_name(at(subject, i)), name);
        if (is == CERTIFICATE_OVER || is == CERTIFICATE_NOT_BEGUN)
            WARN("is followed in its file by \"%s\", which %s; get the chain anew from the "
                 "authority",
                name, certificate_age_text(&dates, subject->now_s, age));
        if (is_signed_weakly(at(subject, i)) && !certificate_is_self_signed(at(subject, i)))
            WARN("is followed in its file by \"%s\", which is signed with SHA-1 or MD5, and peers "
                 "refuse that; get the chain anew from the authority",
                name);
    }
}

void certificate_check(const struct certificate_subject *subject, const struct tls_warning *warning)
{
    if (!warning->warn)
        return;
    check_names(subject, warning);
    check_use(subject, warning);
    check_strength(subject, warning);
    check_order(subject, warning);
    /* Servers that ask for a certificate know its authority: that is how they choose. */
    if (subject->use == CERTIFICATE_TO_CLIENTS)
        check_whole(subject, warning);
    check_issuers(subject, warning);
    ERR_clear_error();
}
