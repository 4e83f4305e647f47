#include "tls_certificate.h"

#include "mailmux/address.h"
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WILDCARD_TEXT_MAX = 300 };

/* ---- Dates ---- */

static int64_t seconds_of(const ASN1_TIME *date)
{
    struct tm parts;

    return ASN1_TIME_to_tm(date, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static uint64_t print_of(const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    uint64_t print = 0;

    (void)X509_digest(certificate, EVP_sha256(), digest, NULL);
    memcpy(&print, digest, sizeof(print));
    return print;
}

int64_t certificate_end_of(const X509 *certificate)
{
    int64_t last_s = seconds_of(X509_get0_notAfter(certificate));

    return last_s == 0 ? 0 : last_s + 1;
}

struct certificate_dates certificate_dates_of(const X509 *certificate)
{
    return (struct certificate_dates){seconds_of(X509_get0_notBefore(certificate)),
        certificate_end_of(certificate), print_of(certificate)};
}

/* ---- Names ---- */

bool certificate_covers(X509 *certificate, const char *name)
{
    const unsigned flags =
        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    char host[WILDCARD_TEXT_MAX];
    struct address ip;
    size_t n;

    if (address_parse_ip(slice_from(name), 0, &ip))
        return X509_check_ip_asc(certificate, name, 0) == 1;
    /* A name that only the wildcard itself covers. */
    if (name[0] == '*')
        (void)snprintf(host, sizeof(host), "any-%s", name + 1);
    else
        (void)snprintf(host, sizeof(host), "%s", name);
    n = strlen(host);
    if (n > 0 && host[n - 1] == '.') /* the root of DNS, which certificates do not have */
        n--;
    return X509_check_host(certificate, host, n, flags, NULL) == 1;
}

static bool is_printable(const unsigned char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return n > 0;
}

const char *certificate_names_text(const X509 *certificate, char *out, size_t cap)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t n = 0;

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        const unsigned char *text = type == GEN_DNS ? ASN1_STRING_get0_data(value) : NULL;
        size_t len = text ? (size_t)ASN1_STRING_length(value) : 0;

        if (is_printable(text, len) && len + 3 <= cap - n)
            n += (size_t)snprintf(
                out + n, cap - n, "%s%.*s", n > 0 ? ", " : "", (int)len, (const char *)text);
    }
    GENERAL_NAMES_free(names);
    return out;
}

bool certificate_is_self_signed(X509 *certificate)
{
    return (X509_get_extension_flags(certificate) & (uint32_t)EXFLAG_SS) != 0;
}

/* ---- The key ---- */

bool certificate_pin(const X509 *certificate, unsigned char pin[TLS_PIN_SIZE])
{
    unsigned char *encoded = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
    bool is_fine = n > 0 && EVP_Digest(encoded, (size_t)n, pin, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(encoded);
    return is_fine;
}
