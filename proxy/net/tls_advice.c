/* What a failure of TLS means. The parts about certificates are in tls_advice_certificate.c. */
#include "tls_advice.h"

#include "tls.h"
#include "tls_advice_parts.h"
#include "tls_client.h"
#include "tls_hello.h"
#include "tls_set.h"
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

/* The library's reason for an alert of the peer. */
#define ALERT(name) (SSL_AD_REASON_OFFSET + SSL_AD_##name)

#define HINT(...) (void)snprintf(hint, TLS_HINT_MAX, __VA_ARGS__)

/* ---- Versions ---- */

static const char *policy_name(enum tls_policy policy)
{
    switch (policy) {
    case TLS_MODERN:
        return "modern";
    case TLS_INTERMEDIATE:
        return "intermediate";
    case TLS_LEGACY:
        return "legacy";
    }
    return "unknown";
}

/* Says which setting makes our lowest version what it is. */
static void write_minimum(
    const struct tls_applied *applied, const char *policy, char *out, size_t size)
{
    char minimum[TLS_VERSION_TEXT_MAX];

    (void)tls_version_text((unsigned)applied->minimum, minimum);
    if (applied->has_own_minimum)
        (void)snprintf(out, size, "minimum_version is %s", minimum);
    else
        (void)snprintf(
            out, size, "%s = %s begins with %s", policy, policy_name(applied->policy), minimum);
}

static void advise_client_version(const struct stream *stream, char *hint)
{
    const struct tls_applied *applied =
        stream->set ? &stream->set->applied : &stream->service->sets[0]->applied;
    char offered[TLS_VERSION_TEXT_MAX];
    char ours[TLS_HINT_MAX / 2];

    if (!stream->hello)
        return;
    if (applied->maximum != 0 && stream->hello->lowest > (unsigned)applied->maximum) {
        HINT("the client offers %s at least; maximum_version is %s",
            tls_version_text(stream->hello->lowest, offered),
            tls_version_text((unsigned)applied->maximum, ours));
        return;
    }
    write_minimum(applied, "policy", ours, sizeof(ours));
    HINT("the client offers %s at most; %s", tls_version_text(stream->hello->highest, offered),
        ours);
}

static void advise_server_version(const struct stream *stream, char *hint)
{
    char theirs[TLS_VERSION_TEXT_MAX];
    char ours[TLS_HINT_MAX / 2];

    write_minimum(tls_client_applied(stream->client), "tls_policy", ours, sizeof(ours));
    if (stream->peer_version != 0)
        HINT("the server speaks %s at most; %s", tls_version_text(stream->peer_version, theirs),
            ours);
    else
        HINT("the server speaks none of our versions of TLS; %s", ours);
}

/* ---- Ciphers and groups ---- */

/* Returns a cipher of the client's if we have it, too; else NULL. */
static const SSL_CIPHER *shared_cipher(SSL *ssl, const unsigned char id[2])
{
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, id);
    STACK_OF(SSL_CIPHER) *ours = SSL_get_ciphers(ssl);

    return cipher && sk_SSL_CIPHER_find(ours, (SSL_CIPHER *)cipher) >= 0 ? cipher : NULL;
}

/* How the ciphers sign that both have. */
struct signatures {
    bool rsa;
    bool ecdsa;
};

static struct signatures shared_signatures(const struct stream *stream)
{
    struct signatures shared = {0};

    for (size_t i = 0; stream->hello && i < stream->hello->cipher_count; i++) {
        const SSL_CIPHER *cipher = shared_cipher(stream->ssl, stream->hello->ciphers[i]);
        int signature = cipher ? SSL_CIPHER_get_auth_nid(cipher) : 0;

        shared.rsa = shared.rsa || signature == NID_auth_rsa;
        shared.ecdsa = shared.ecdsa || signature == NID_auth_ecdsa;
    }
    return shared;
}

static bool shares_no_group(SSL *ssl)
{
    return SSL_get1_groups(ssl, NULL) > 0 && SSL_get_shared_group(ssl, -1) == 0;
}

static void advise_groups(const struct stream *stream, char *hint)
{
    HINT("no group for the key exchange in common: ours are %.150s", stream->set->applied.groups);
}

/*
 * A cipher may be known to both and be of no use all the same: it needs a key of another kind than
 * those of our certificates, or a group.
 */
static void advise_ciphers(const struct stream *stream, char *hint)
{
    struct signatures shared = shared_signatures(stream);
    bool has_kind = (shared.rsa && tls_advice_has_key(stream, EVP_PKEY_RSA)) ||
                    (shared.ecdsa && tls_advice_has_key(stream, EVP_PKEY_EC));

    if (!shared.rsa && !shared.ecdsa)
        HINT("no cipher in common; ciphers or policy in [tls] say which ones we take (policy = "
             "legacy has those of old clients)");
    else if (!has_kind)
        HINT("no cipher in common for our certificate: the client wants one with an %s key, which "
             "can be served beside it",
            shared.rsa ? "RSA" : "ECDSA");
    else if (shares_no_group(stream->ssl))
        advise_groups(stream, hint);
    else
        HINT("no cipher in common that suits the version of TLS and our certificate");
}

/* ---- What a reason of the library means ---- */

/* A peer that ends, with a FIN or a RST. */
static void advise_end(const struct stream *stream, char *hint)
{
    if (stream->client)
        HINT(
            "the server closed in the handshake without an alert; does it speak TLS on this port?");
    else if (stream->hello)
        HINT("the client closed in the handshake without an alert; many do so if they do not trust "
             "the certificate");
}

static void advise_client_certificate(const struct stream *stream, char *hint)
{
    HINT("client_certificate = require, and the certificate of the client is not accepted: %s",
        tls_advice_client_fault(SSL_get_verify_result(stream->ssl)));
}

static void advise_server_name(const struct stream *stream, char *hint)
{
    HINT("the server does not know the name %.64s; tls_name = asks for another",
        stream->server_name ? stream->server_name : "that it was not told");
}

struct meaning {
    int reasons[8];   /* 0 behind the last one */
    const char *text; /* NULL: `write` writes it */
    void (*write)(const struct stream *stream, char *hint);
};

/* The alerts of a peer that does not take a certificate. */
#define ALERTS_OF_CERTIFICATES                                                                     \
    ALERT(UNKNOWN_CA), ALERT(BAD_CERTIFICATE), ALERT(CERTIFICATE_UNKNOWN),                         \
        ALERT(CERTIFICATE_EXPIRED), ALERT(CERTIFICATE_REVOKED), ALERT(UNSUPPORTED_CERTIFICATE),    \
        ALERT(ACCESS_DENIED)

/* Rows that both tables have. */
#define MEANINGS_OF_ANY(peer)                                                                      \
    {{SSL_R_UNEXPECTED_EOF_WHILE_READING}, NULL, advise_end},                                      \
        {{ALERT(INTERNAL_ERROR)},                                                                  \
            "the " peer " reports a fault of its own (alert internal_error); its log may say "     \
            "more",                                                                                \
            NULL},                                                                                 \
    {                                                                                              \
        {ALERT(DECODE_ERROR), ALERT(ILLEGAL_PARAMETER), ALERT(UNEXPECTED_MESSAGE),                 \
            ALERT(BAD_RECORD_MAC), ALERT(DECRYPT_ERROR)},                                          \
            "the " peer " could not read our handshake: a fault of its TLS, or something on the "  \
            "way that changes it",                                                                 \
            NULL                                                                                   \
    }

static const struct meaning of_clients[] = {
    {{SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH}, NULL,
        advise_client_version},
    {{SSL_R_NO_SHARED_CIPHER}, NULL, advise_ciphers},
    {{SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS}, NULL, advise_groups},
    {{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS},
        "the client cannot verify what the key of our certificate signs; a certificate with a key "
        "of another kind (RSA, ECDSA) can be served beside it",
        NULL},
    {{SSL_R_INAPPROPRIATE_FALLBACK},
        "the client came back with an older TLS after a failure; look for its session before this "
        "one",
        NULL},
    {{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE},
        "client_certificate = require, and the client shows no certificate", NULL},
    {{SSL_R_CERTIFICATE_VERIFY_FAILED}, NULL, advise_client_certificate},
    {{ALERTS_OF_CERTIFICATES}, NULL, tls_advise_own_certificate},
    {{ALERT(PROTOCOL_VERSION)},
        "the client does not take the version of TLS that we chose from its offer", NULL},
    {{ALERT(HANDSHAKE_FAILURE), ALERT(INSUFFICIENT_SECURITY)},
        "the client found our cipher, group or key too weak, or did not know it", NULL},
    {{ALERT(UNRECOGNIZED_NAME)}, "the client does not know the name of our certificate", NULL},
    {{ALERT(USER_CANCELLED)}, "the client's user ended the handshake", NULL},
    MEANINGS_OF_ANY("client"),
    {{0}, NULL, NULL},
};

static const struct meaning of_servers[] = {
    {{SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_WRONG_SSL_VERSION,
         ALERT(PROTOCOL_VERSION)},
        NULL, advise_server_version},
    {{SSL_R_DH_KEY_TOO_SMALL, SSL_R_EE_KEY_TOO_SMALL, SSL_R_CA_MD_TOO_WEAK,
         ALERT(INSUFFICIENT_SECURITY)},
        "a key or a signature of the server is too weak; renew it there, or tls_policy = legacy "
        "takes it",
        NULL},
    {{SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED},
        "the TLS of the server is older than secure renegotiation [RFC 5746]; bring it up to date",
        NULL},
    {{ALERT(HANDSHAKE_FAILURE)},
        "the server found no cipher or group in common, or wants a certificate of ours "
        "(client_certificate in the backend)",
        NULL},
    {{ALERT(UNRECOGNIZED_NAME)}, NULL, advise_server_name},
    {{ALERT(CERTIFICATE_REQUIRED)},
        "the server wants a certificate of ours: client_certificate and client_key in the backend",
        NULL},
    {{ALERTS_OF_CERTIFICATES},
        "the server does not accept our own certificate (client_certificate in the backend)", NULL},
    MEANINGS_OF_ANY("server"),
    {{0}, NULL, NULL},
};

static bool has_reason(const struct meaning *meaning, int reason)
{
    for (size_t i = 0; meaning->reasons[i] != 0; i++) {
        if (meaning->reasons[i] == reason)
            return true;
    }
    return false;
}

static void advise_by_reason(const struct stream *stream, char *hint)
{
    const struct meaning *meaning = stream->client ? of_servers : of_clients;

    while (meaning->reasons[0] != 0 && !has_reason(meaning, stream->tls_reason))
        meaning++;
    if (meaning->text)
        HINT("%s", meaning->text);
    else if (meaning->write)
        meaning->write(stream, hint);
}

/* ---- The whole ---- */

static void write_groups(SSL *ssl, char *out, size_t size)
{
    int ids[32];
    int count = (int)SSL_get1_groups(ssl, NULL);
    size_t used = 0;

    if (count <= 0 || count > (int)(sizeof(ids) / sizeof(ids[0])))
        return;
    (void)SSL_get1_groups(ssl, ids);
    for (int i = 0; i < count; i++) {
        const char *name = SSL_group_to_name(ssl, ids[i]);

        if (!name || strlen(name) + 2 > size - used)
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ":", name);
    }
}

static void describe_offer(const struct stream *stream, struct tls_advice *advice)
{
    const struct tls_hello *hello = stream->hello;

    tls_hello_versions(hello, advice->versions, sizeof(advice->versions));
    tls_hello_ciphers(hello, stream->ssl, advice->ciphers, sizeof(advice->ciphers));
    write_groups(stream->ssl, advice->groups, sizeof(advice->groups));
    advice->alpn_n = hello->alpn_n;
    memcpy(advice->alpn, hello->alpn, hello->alpn_n);
}

/* Returns false where the library's reason has to say it. */
static bool advise_by_failure(const struct stream *stream, char *hint)
{
    switch ((int)stream->failure) {
    case STREAM_ALPN:
        HINT("the client wants other protocols (ALPN) than %s: it is no mail client, or it came to "
             "the wrong port",
            stream->service->protocol);
        return true;
    case STREAM_SNI:
        HINT("strict_sni = yes, and no certificate is for the name that the client asks for");
        return true;
    case STREAM_NOT_TLS:
        HINT(
            "the %s goes on in clear where TLS was to begin", stream->client ? "server" : "client");
        return true;
    case STREAM_RESET:
        if (!stream->handshaken)
            advise_end(stream, hint);
        return true;
    default:
        return false;
    }
}

void stream_tls_advice(const struct stream *stream, struct tls_advice *advice)
{
    *advice = (struct tls_advice){0};
    if (!stream->ssl)
        return;
    if (stream->hello)
        describe_offer(stream, advice);
    if (stream->hint)
        (void)snprintf(advice->hint, sizeof(advice->hint), "%s", stream->hint);
    else if (!advise_by_failure(stream, advice->hint))
        advise_by_reason(stream, advice->hint);
    ERR_clear_error();
}
