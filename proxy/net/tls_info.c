#include "tls_info.h"

#include "mailmux/log.h"
#include "tls.h"
#include "tls_context.h"
#include "tls_lean_parts.h"
#include "tls_set.h"
#include <openssl/x509.h>
#include <string.h>

/*
 * Returns our own constant for the agreed protocol, because the library's text ends without a NUL.
 */
static const char *alpn_of(const struct stream *stream)
{
    const unsigned char *chosen = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(stream->ssl, &chosen, &n);
    if (n == 0 || !stream->service)
        return NULL;
    for (size_t i = 0; i < stream->service->alpn_count; i++) {
        const char *name = stream->service->alpn[i];

        if (strlen(name) == n && memcmp(name, chosen, n) == 0)
            return name;
    }
    return NULL;
}

static const char *group_of(SSL *ssl)
{
    int id = (int)SSL_get_negotiated_group(ssl);

    return id == 0 ? NULL : SSL_group_to_name(ssl, id);
}

/*
 * Copies the first common name as UTF-8. A NUL in it becomes '?', so that a name cannot be cut
 * short to look like another.
 */
static void copy_common_name(const X509 *certificate, char out[TLS_INFO_NAME_MAX])
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = place < 0 ? NULL : X509_NAME_get_entry(subject, place);
    unsigned char *text = NULL;
    int n;

    if (!entry)
        return;
    n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    if (n > TLS_INFO_NAME_MAX - 1)
        n = TLS_INFO_NAME_MAX - 1;
    if (n > 0)
        memcpy(out, text, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (out[i] == '\0')
            out[i] = '?';
    }
    OPENSSL_free(text);
}

static int64_t seconds_left(const X509 *certificate)
{
    const int64_t day = 86400;
    int days = 0;
    int seconds = 0;

    (void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate));
    return days * day + seconds;
}

static enum tls_peer_fault fault_of(long result)
{
    switch (result) {
    case X509_V_OK:
        return TLS_FAULT_NONE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return TLS_FAULT_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return TLS_FAULT_NAME;
    default: /* the library has many more of them */
        return TLS_FAULT_TRUST;
    }
}

static void look_at_peer(const SSL *ssl, struct tls_info *info)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    long result = SSL_get_verify_result(ssl);

    if (!certificate && result == X509_V_OK)
        return;
    info->peer = result == X509_V_OK ? TLS_PEER_VERIFIED : TLS_PEER_UNVERIFIED;
    info->peer_fault = fault_of(result);
    if (result != X509_V_OK)
        info->peer_words = X509_verify_cert_error_string(result);
    if (!certificate) /* the library drops a certificate that it refuses */
        return;
    copy_common_name(certificate, info->peer_name);
    info->peer_seconds = seconds_left(certificate);
}

bool stream_tls_info(const struct stream *stream, struct tls_info *info)
{
    *info = stream->lean ? stream->lean->info : (struct tls_info){0};
    if (stream->lean)
        return true;
    if (!stream->ssl)
        return false;
    info->sni = stream->server_name;
    look_at_peer(stream->ssl, info);
    if (!stream->handshaken)
        return true;
    info->version = SSL_get_version(stream->ssl);
    info->cipher = SSL_get_cipher_name(stream->ssl);
    info->group = group_of(stream->ssl);
    info->alpn = alpn_of(stream);
    info->resumed = SSL_session_reused(stream->ssl) == 1;
    info->wants_peer =
        stream->set && stream->set->client_certificate != TLS_CLIENT_CERTIFICATE_NONE;
    return true;
}

void tls_info_trace(const struct stream *stream, struct slice id, const char *leg)
{
    struct log_line line;
    struct tls_info info;

    (void)stream_tls_info(stream, &info);
    log_open(&line, LOG_DEBUG, "tls-up");
    log_text(&line, "id", id);
    log_text(&line, "leg", slice_from(leg));
    log_text(&line, "version", slice_from(info.version));
    log_text(&line, "cipher", slice_from(info.cipher));
    if (info.group)
        log_text(&line, "group", slice_from(info.group));
    log_text(&line, "resumed", info.resumed ? SLICE("yes") : SLICE("no"));
    log_write(&line);
}
