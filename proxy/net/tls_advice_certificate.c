/* What is wrong with a certificate: ours in the eyes of a client, or that of a server in ours. */
#include "tls_advice_parts.h"

#include "tls.h"
#include "tls_certificate.h"
#include <stdio.h>
#include <time.h>

enum { DATE_MAX = 32, NAME_MAX_SHOWN = 64, NAMES_MAX_SHOWN = 100 };

/* ---- Facts of a certificate ---- */

/* Writes the day on which it ends. Returns out. */
static const char *write_end(const X509 *certificate, char out[DATE_MAX])
{
    struct tm end = {0};

    (void)ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end);
    (void)strftime(out, DATE_MAX, "%Y-%m-%d", &end);
    return out;
}

static bool is_expired(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
}

/* Writes a common name, or else the organisation. It is foreign text, cut at a NUL. */
static void write_name(const X509_NAME *name, char *out, size_t size)
{
    static const int kinds[] = {NID_commonName, NID_organizationName};

    (void)snprintf(out, size, "(no name)");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int place = X509_NAME_get_index_by_NID(name, kinds[i], -1);
        unsigned char *text = NULL;

        if (place < 0 || ASN1_STRING_to_UTF8(
                             &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, place))) < 0)
            continue;
        (void)snprintf(out, size, "%s", (const char *)text);
        OPENSSL_free(text);
        return;
    }
}

/* Writes the host names that it is for; without one, its common name. */
static void write_names(const X509 *certificate, char *out, size_t size)
{
    if (!*certificate_names_text(certificate, out, size))
        write_name(X509_get_subject_name(certificate), out, size);
}

/* Writes the pin of its key as it is written in the configuration. */
static void write_pin(const X509 *certificate, char *out, size_t size)
{
    unsigned char pin[TLS_PIN_SIZE];
    size_t used = (size_t)snprintf(out, size, "sha256:");

    if (!certificate_pin(certificate, pin))
        return;
    for (size_t i = 0; i < sizeof(pin); i++)
        used += (size_t)snprintf(out + used, size - used, "%02x", pin[i]);
}

/* ---- Ours ---- */

/* Looking changes which one is current; after a failure nothing needs that any more. */
bool tls_advice_has_key(const struct stream *stream, int kind)
{
    SSL *ssl = stream->ssl;
    long more = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST);

    for (; more == 1; more = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
        const X509 *certificate = SSL_get_certificate(ssl);
        EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;

        if (key && EVP_PKEY_get_base_id(key) == kind)
            return true;
    }
    return false;
}

static const char *alert_text(int alert)
{
    switch (alert) {
    case SSL_AD_UNKNOWN_CA:
        return "does not know the authority of our certificate (alert unknown_ca)";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "takes our certificate for expired (alert certificate_expired)";
    case SSL_AD_CERTIFICATE_REVOKED:
        return "takes our certificate for revoked (alert certificate_revoked)";
    case SSL_AD_BAD_CERTIFICATE:
        return "refuses our certificate (alert bad_certificate)";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
        return "refuses our certificate (alert unsupported_certificate)";
    case SSL_AD_ACCESS_DENIED:
        return "refuses our certificate (alert access_denied)";
    default:
        return "refuses our certificate (alert certificate_unknown)";
    }
}

void tls_advise_own_certificate(const struct stream *stream, char *hint)
{
    int alert = stream->tls_reason - SSL_AD_REASON_OFFSET;
    X509 *ours = SSL_get_certificate(stream->ssl);
    const char *asked = stream->server_name;
    STACK_OF(X509) *chain = NULL;
    int used = snprintf(hint, TLS_HINT_MAX, "the client %s", alert_text(alert));
    char *rest = hint + used;
    size_t size = (size_t)(TLS_HINT_MAX - used);
    char end[DATE_MAX];

    if (!ours)
        return;
    (void)SSL_get0_chain_certs(stream->ssl, &chain);
    if (is_expired(ours))
        (void)snprintf(rest, size, "; it expired on %s, renew it", write_end(ours, end));
    else if (alert == SSL_AD_CERTIFICATE_EXPIRED)
        (void)snprintf(rest, size,
            "; it is good until %s, so look at the client's clock and at the chain",
            write_end(ours, end));
    else if (asked && !certificate_covers(ours, asked))
        (void)snprintf(rest, size, "; it is not for the name that the client asked for");
    else if (certificate_is_self_signed(ours))
        (void)snprintf(rest, size, "; it is self-signed, and each client must be told to trust it");
    else if (sk_X509_num(chain) <= 0)
        (void)snprintf(rest, size,
            "; its file has no intermediate certificate behind it, which most authorities need: "
            "name "
            "the whole chain (certbot: fullchain.pem)");
    else
        (void)snprintf(rest, size,
            "; let the client trust its authority, or have one from an authority that clients "
            "know");
}

/* ---- Of a client ---- */

const char *tls_advice_client_fault(long result)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "it has expired, renew it";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "it is not valid yet; is the clock of this machine right?";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "no authority in client_ca has signed it";
    case X509_V_ERR_INVALID_PURPOSE:
        return "its extendedKeyUsage does not allow clientAuth";
    default:
        return X509_verify_cert_error_string(result);
    }
}

/* ---- Of a server ---- */

static void advise_untrusted(const X509 *leaf, const X509 *at, bool is_own_ca, char *hint)
{
    char issuer[NAME_MAX_SHOWN + 1];

    write_name(X509_get_issuer_name(at ? at : leaf), issuer, sizeof(issuer));
    (void)snprintf(hint, TLS_HINT_MAX,
        "%s has signed the server's certificate, and is not among the authorities %s; write ca = "
        "FILE with it, or have the server send its chain",
        issuer, is_own_ca ? "in ca" : "of this system");
}

static void advise_names(const X509 *leaf, const char *asked, char *hint)
{
    char names[NAMES_MAX_SHOWN + 1];

    write_names(leaf, names, sizeof(names));
    (void)snprintf(hint, TLS_HINT_MAX,
        "the server's certificate is for %s, and not for %.64s; write tls_name = and a name that "
        "it is for",
        names, asked ? asked : "the name in the backend");
}

void tls_advise_server_certificate(
    X509_STORE_CTX *store, const char *asked, bool is_own_ca, char *hint)
{
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    const X509 *at = X509_STORE_CTX_get_current_cert(store);
    char text[NAMES_MAX_SHOWN];
    char end[DATE_MAX];

    if (!leaf)
        return;
    switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        if (is_expired(leaf))
            (void)snprintf(hint, TLS_HINT_MAX,
                "the server's certificate expired on %s; renew it there", write_end(leaf, end));
        else
            (void)snprintf(hint, TLS_HINT_MAX,
                "an authority in the chain of the server has expired; renew the chain there");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(hint, TLS_HINT_MAX,
            "the server's certificate is not valid yet; is the clock of this machine right?");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        advise_names(leaf, asked, hint);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        write_pin(leaf, text, sizeof(text));
        (void)snprintf(hint, TLS_HINT_MAX,
            "the server's certificate is self-signed; write ca = FILE with it or, if this is its "
            "key, pin = %s",
            text);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        advise_untrusted(leaf, at, is_own_ca, hint);
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        (void)snprintf(hint, TLS_HINT_MAX,
            "the server's certificate is not for servers (extendedKeyUsage without serverAuth)");
        break;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        (void)snprintf(hint, TLS_HINT_MAX,
            "a key or a signature in the server's chain is too weak; renew it there, or tls_policy "
            "= legacy takes it");
        break;
    case X509_V_ERR_APPLICATION_VERIFICATION:
        write_pin(leaf, text, sizeof(text));
        (void)snprintf(hint, TLS_HINT_MAX,
            "the key of the server's certificate is none of those in pin; it is %s", text);
        break;
    default:
        break;
    }
}
