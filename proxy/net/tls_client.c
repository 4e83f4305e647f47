#include "tls_client.h"

#include "mailmux/address.h"
#include "mailmux/refcount.h"
#include "tls.h"
#include "tls_advice_parts.h"
#include "tls_certificate.h"
#include "tls_certificate_check.h"
#include "tls_kept.h"
#include "tls_pem.h"
#include "tls_roots.h"
#include "tls_session.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tls_client {
    struct refcount references;
    SSL_CTX *context;
    struct tls_kept *kept;
    struct tls_applied applied;
    bool has_own_ca;   /* the authorities are those of `ca` */
    bool chain_counts; /* the chain of issuers, the dates and the name are verified */
    size_t pin_count;
    unsigned char (*pins)[TLS_PIN_SIZE];
    bool has_certificate;
    struct certificate_dates dates; /* of our own certificate, if there is one */
};

static bool is_pinned(const struct tls_client *client, const X509 *certificate)
{
    unsigned char pin[TLS_PIN_SIZE];

    if (!certificate || !certificate_pin(certificate, pin))
        return false;
    for (size_t i = 0; i < client->pin_count; i++) {
        if (memcmp(client->pins[i], pin, TLS_PIN_SIZE) == 0)
            return true;
    }
    return false;
}

static bool is_accepted(const struct tls_client *client, X509_STORE_CTX *store)
{
    if (client->chain_counts && X509_verify_cert(store) <= 0)
        return false;
    if (client->pin_count > 0) {
        if (!is_pinned(client, X509_STORE_CTX_get0_cert(store))) {
            X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
            return false;
        }
        X509_STORE_CTX_set_error(store, X509_V_OK);
    }
    return true;
}

/* Keeps what is wrong with a certificate, since the library drops it with the handshake. */
static void keep_hint(const struct tls_client *client, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct stream *stream = ssl ? tls_stream(ssl) : NULL;
    char hint[TLS_HINT_MAX] = "";

    if (!stream || stream->hint)
        return;
    tls_advise_server_certificate(store, stream->server_name, client->has_own_ca, hint);
    if (hint[0] != '\0')
        stream->hint = strdup(hint);
}

/*
 * Verifies a server's certificate. OpenSSL calls this function in place of X509_verify_cert, which
 * is called here if the chain counts. Returns 1 if the certificate is accepted, else 0.
 */
static int verify(X509_STORE_CTX *store, void *argument)
{
    const struct tls_client *client = argument;

    if (is_accepted(client, store))
        return 1;
    keep_hint(client, store);
    return 0;
}

static bool load_store(struct tls_client *client, const struct tls_client_parameters *parameters,
    struct tls_fault *fault)
{
    if (!parameters->ca && !client->chain_counts)
        return true; /* the system's store is large, and would never be asked */
    if (!parameters->ca) {
        X509_STORE *store = tls_roots_trusted();

        SSL_CTX_set_cert_store(client->context, store); /* which takes it */
        if (store)
            return true;
        tls_fault_library(fault, TLS_CULPRIT_CA, 0, "the system's certificate store is unusable");
        return false;
    }
    if (!tls_pem_check(parameters->ca, "CA file", TLS_CULPRIT_CA, 0, fault))
        return false;
    if (tls_pem_trust(SSL_CTX_get_cert_store(client->context), parameters->ca, NULL))
        return true;
    tls_fault_library(fault, TLS_CULPRIT_CA, 0,
        "cannot use %s as ca; expected PEM with the certificates of authorities", parameters->ca);
    return false;
}

/* Judges our own certificate. */
static void judge(struct tls_client *client, const struct tls_client_parameters *parameters)
{
    struct certificate_subject subject = {.file = parameters->certificate,
        .leaf = SSL_CTX_get0_certificate(client->context),
        .use = CERTIFICATE_TO_SERVERS,
        .is_under_root = tls_roots_issued,
        .now_s = time(NULL)};

    (void)SSL_CTX_get0_chain_certs(client->context, &subject.chain);
    client->has_certificate = true;
    client->dates = certificate_dates_of(subject.leaf);
    certificate_check(&subject, &parameters->warning);
}

bool tls_client_dates(const struct tls_client *client, struct certificate_dates *out)
{
    *out = client->dates;
    return client->has_certificate;
}

static bool load_pair(struct tls_client *client, const struct tls_client_parameters *parameters,
    struct tls_fault *fault)
{
    const char *key = parameters->key ? parameters->key : parameters->certificate;

    if (!parameters->certificate)
        return true;
    if (!tls_pem_load_pair(
            client->context, parameters->certificate, key, 0, &parameters->warning, fault))
        return false;
    judge(client, parameters);
    return true;
}

/* Decides whether the chain, the pins or both count. Returns false without memory. */
static bool set_verification(
    struct tls_client *client, const struct tls_client_parameters *parameters)
{
    bool pins_alone = parameters->pin_count > 0 && !parameters->ca;

    client->has_own_ca = parameters->ca != NULL;
    client->chain_counts = !parameters->no_verify && !pins_alone;
    client->pin_count = parameters->pin_count;
    if (client->pin_count > 0) {
        client->pins = calloc(client->pin_count, sizeof(*client->pins));
        if (!client->pins)
            return false;
        memcpy(client->pins, parameters->pins, client->pin_count * sizeof(*client->pins));
    }
    SSL_CTX_set_verify(client->context,
        client->chain_counts || client->pin_count > 0 ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (client->chain_counts || client->pin_count > 0)
        SSL_CTX_set_cert_verify_callback(client->context, verify, client);
    return true;
}

/* Called for each session that the server gives: with a handshake, or with a ticket of TLS 1.3. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct stream *stream = tls_stream(ssl);

    if (stream->place)
        tls_place_keep(
            stream->place, session, SSL_session_reused(ssl) == 1 ? stream->session_end_s : 0);
    return 0; /* the library keeps its reference */
}

/* Has the library give us the sessions, and keep none itself. Returns false without memory. */
static bool keep_sessions(struct tls_client *client)
{
    client->kept = tls_kept_new(client->chain_counts);
    (void)SSL_CTX_set_session_cache_mode(
        client->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client->context, on_session);
    return client->kept != NULL;
}

struct tls_client *tls_client_new(
    const struct tls_client_parameters *parameters, struct tls_fault *fault)
{
    struct tls_client *client = calloc(1, sizeof(*client));

    *fault = (struct tls_fault){0};
    ERR_clear_error();
    if (client) {
        refcount_init(&client->references);
        client->context = SSL_CTX_new(TLS_client_method());
    }
    if (!client || !client->context || !set_verification(client, parameters)) {
        tls_fault_library(fault, TLS_CULPRIT_NONE, 0, "cannot set TLS up");
        tls_client_unref(&client);
        return NULL;
    }
    if (!tls_policy_apply(
            client->context, &parameters->rules, &parameters->warning, &client->applied, fault) ||
        !load_store(client, parameters, fault) || !load_pair(client, parameters, fault) ||
        !keep_sessions(client))
        tls_client_unref(&client);
    ERR_clear_error();
    return client;
}

void tls_client_unref(struct tls_client **pointer)
{
    struct tls_client *client = *pointer;

    *pointer = NULL;
    if (!client || !refcount_drop(&client->references))
        return;
    tls_kept_free(&client->kept);
    SSL_CTX_free(client->context);
    free(client->pins);
    free(client);
}

const struct tls_applied *tls_client_applied(const struct tls_client *client)
{
    return &client->applied;
}

/*
 * Sets the name that the certificate must carry, and sends it as SNI. An IP address is never sent
 * as SNI [RFC 6066 3]. Returns false without memory, or if OpenSSL refuses the name.
 */
static bool set_name(struct stream *stream, const char *name)
{
    struct address ip;
    size_t n = strlen(name);

    if (n > 0 && name[n - 1] == '.')
        n--;
    free(stream->server_name);
    stream->server_name = strndup(name, n);
    if (!stream->server_name)
        return false;
    if (address_parse_ip(slice_from(stream->server_name), 0, &ip)) {
        char text[ADDRESS_TEXT_MAX];

        return X509_VERIFY_PARAM_set1_ip_asc(
                   SSL_get0_param(stream->ssl), address_ip_text(&ip, text)) == 1;
    }
    SSL_set_hostflags(stream->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(stream->ssl, stream->server_name) == 1 &&
           SSL_set_tlsext_host_name(stream->ssl, stream->server_name) == 1;
}

/* Offers a session of the same place, if one is kept. Without memory there is no place. */
static void offer_session(struct stream *stream, const struct address *at, const char *name)
{
    SSL_SESSION *session;

    stream->place = tls_place_enter(stream->client->kept, at, name ? name : "");
    session = stream->place ? tls_place_take(stream->place) : NULL;
    if (!session)
        return;
    stream->session_end_s = tls_session_end(session, false);
    stream->offers_session = SSL_set_session(stream->ssl, session) == 1;
    SSL_SESSION_free(session);
}

enum io stream_start_tls_client(struct stream *stream, struct tls_client *client, const char *name,
    const struct address *resume_at)
{
    if (tls_begin(stream, client->context) != IO_OK)
        return IO_ERR;
    refcount_take(&client->references);
    stream->client = client;
    SSL_set_connect_state(stream->ssl);
    if (resume_at)
        offer_session(stream, resume_at, name);
    if (name && *name ? set_name(stream, name) : !client->chain_counts)
        return IO_OK;
    /* Without a name a certificate for any name would be accepted [attack A18]. */
    stream->failure = STREAM_HANDSHAKE;
    tls_set_detail(stream, "no usable name to verify", "");
    ERR_clear_error();
    return IO_ERR;
}

static bool parse_hex(const char *text, unsigned char pin[TLS_PIN_SIZE])
{
    for (size_t i = 0; i < (size_t)2 * TLS_PIN_SIZE; i++) {
        int digit = OPENSSL_hexchar2int((unsigned char)text[i]);

        if (digit < 0)
            return false;
        pin[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : pin[i / 2] | digit);
    }
    return true;
}

bool tls_pin_parse(const char *text, unsigned char pin[TLS_PIN_SIZE])
{
    enum { BASE64_SIZE = 44, PADDED_SIZE = 33 };
    unsigned char decoded[PADDED_SIZE + 3];
    struct slice rest = slice_from(text);

    if (!slice_starts_nocase(rest, SLICE("sha256:")))
        return false;
    rest = slice_after(rest, 7);
    if (rest.n == (size_t)2 * TLS_PIN_SIZE)
        return parse_hex(rest.p, pin);
    if (rest.n != BASE64_SIZE || rest.p[BASE64_SIZE - 1] != '=' || rest.p[BASE64_SIZE - 2] == '=' ||
        EVP_DecodeBlock(decoded, (const unsigned char *)rest.p, BASE64_SIZE) != PADDED_SIZE)
        return false;
    memcpy(pin, decoded, TLS_PIN_SIZE);
    return true;
}
