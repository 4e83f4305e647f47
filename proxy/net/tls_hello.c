#include "tls_hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCSV_RENEGOTIATION = 0x00ff, SCSV_FALLBACK = 0x5600 }; /* signals, and no ciphers */

static unsigned number_at(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* Values without a meaning, which some clients mix in [RFC 8701]. */
static bool is_grease(unsigned value)
{
    return (value & 0x0f0fU) == 0x0a0aU && value >> 8 == (value & 0xffU);
}

/* Without the extension, the version of the hello itself is the highest [RFC 8446 4.2.1]. */
static void take_versions(struct tls_hello *hello, SSL *ssl)
{
    const unsigned char *p = NULL;
    size_t n = 0;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) != 1 || n < 1) {
        hello->highest = SSL_client_hello_get0_legacy_version(ssl);
        return;
    }
    for (size_t i = 1; i + 1 < n; i += 2) {
        unsigned version = number_at(p + i);

        if (is_grease(version))
            continue;
        if (version > hello->highest)
            hello->highest = version;
        if (hello->lowest == 0 || version < hello->lowest)
            hello->lowest = version;
    }
}

static void take_ciphers(struct tls_hello *hello, SSL *ssl)
{
    const unsigned char *p = NULL;
    size_t n = SSL_client_hello_isv2(ssl) ? 0 : SSL_client_hello_get0_ciphers(ssl, &p);

    for (size_t i = 0; i + 1 < n; i += 2) {
        unsigned cipher = number_at(p + i);

        if (cipher == SCSV_FALLBACK || cipher == SCSV_RENEGOTIATION || is_grease(cipher) ||
            hello->cipher_count == TLS_HELLO_CIPHERS)
            continue;
        memcpy(hello->ciphers[hello->cipher_count++], p + i, 2);
    }
}

/* The extension: the length of the list, then each name behind its length [RFC 7301 3.1]. */
static void take_alpn(struct tls_hello *hello, SSL *ssl)
{
    const unsigned char *p = NULL;
    size_t n = 0;

    if (SSL_client_hello_get0_ext(
            ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p, &n) != 1)
        return;
    for (size_t i = 2; i < n && p[i] < n - i; i += 1u + p[i]) {
        size_t comma = hello->alpn_n > 0 ? 1 : 0;

        if (p[i] + comma > sizeof(hello->alpn) - hello->alpn_n)
            return;
        if (comma)
            hello->alpn[hello->alpn_n++] = ',';
        memcpy(hello->alpn + hello->alpn_n, p + i + 1, p[i]);
        hello->alpn_n += p[i];
    }
}

struct tls_hello *tls_hello_new(SSL *ssl)
{
    struct tls_hello *hello = calloc(1, sizeof(*hello));

    if (!hello)
        return NULL;
    take_versions(hello, ssl);
    take_ciphers(hello, ssl);
    take_alpn(hello, ssl);
    return hello;
}

/* ---- As text ---- */

const char *tls_version_text(unsigned version, char out[TLS_VERSION_TEXT_MAX])
{
    if (version == SSL3_VERSION)
        (void)snprintf(out, TLS_VERSION_TEXT_MAX, "SSL 3.0");
    else if (version >= TLS1_VERSION && version <= TLS1_3_VERSION)
        (void)snprintf(out, TLS_VERSION_TEXT_MAX, "TLS 1.%u", version - TLS1_VERSION);
    else
        (void)snprintf(out, TLS_VERSION_TEXT_MAX, "0x%04x", version & 0xffffU);
    return out;
}

void tls_hello_versions(const struct tls_hello *hello, char *out, size_t size)
{
    char lowest[TLS_VERSION_TEXT_MAX];
    char highest[TLS_VERSION_TEXT_MAX];

    (void)tls_version_text(hello->highest, highest);
    if (hello->lowest == 0)
        (void)snprintf(out, size, "up to %s", highest);
    else if (hello->lowest == hello->highest)
        (void)snprintf(out, size, "%s", highest);
    else
        (void)snprintf(out, size, "%s to %s", tls_version_text(hello->lowest, lowest), highest);
}

void tls_hello_ciphers(const struct tls_hello *hello, SSL *ssl, char *out, size_t size)
{
    enum { REST_MAX = 16 }; /* " and 127 more" */
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < hello->cipher_count; i++) {
        const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, hello->ciphers[i]);
        char number[8];
        const char *name = cipher ? SSL_CIPHER_get_name(cipher) : number;

        (void)snprintf(number, sizeof(number), "0x%04x", number_at(hello->ciphers[i]));
        if (strlen(name) + REST_MAX + 1 > size - used) {
            (void)snprintf(out + used, size - used, " and %zu more", hello->cipher_count - i);
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ":", name);
    }
}
