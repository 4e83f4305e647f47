/*
 * The server role of a handshake: which certificate set a ClientHello gets, with all that belongs
 * to it, and which protocol (ALPN).
 */
#include "tls.h"
#include "tls_hello.h"
#include "tls_scope.h"
#include "tls_served.h"
#include "tls_session.h"
#include "tls_set.h"
#include "tls_staple.h"
#include "tls_tickets.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* The options that differ from set to set. */
static const uint64_t OPTIONS_OF_A_SET = SSL_OP_NO_TICKET;

enum { SNI_HEADER = 5, SNI_HOST_NAME = 0 };

/*
 * Returns the host name of the ClientHello as it was sent [RFC 6066 3]. It is empty if there is
 * none, or if it is malformed, which the library refuses later.
 */
static struct slice hello_name(SSL *ssl)
{
    const unsigned char *p = NULL;
    size_t n = 0;
    size_t len;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < SNI_HEADER ||
        p[2] != SNI_HOST_NAME)
        return slice_of("", 0);
    len = (size_t)p[3] << 8 | p[4];
    return len <= n - SNI_HEADER ? slice_of((const char *)p + SNI_HEADER, len) : slice_of("", 0);
}

/*
 * Keeps the name for the log. A valid name comes in lower case, any other as it was sent. Its
 * length is limited to that of a name. Returns false without memory.
 */
static bool remember_name(struct stream *stream, struct slice name)
{
    enum { KEPT_MAX = 255 };

    free(stream->server_name);
    stream->server_name = strndup(name.p, name.n < KEPT_MAX ? name.n : KEPT_MAX);
    return stream->server_name != NULL;
}

/*
 * Returns what a ClientHello gets. It has no set if the name must be refused (or without memory).
 */
static struct tls_choice choose(struct stream *stream, SSL *ssl)
{
    const struct tls_service *service = stream->service;
    struct tls_choice choice = {0};
    struct slice name = hello_name(ssl);
    char host[TLS_HOST_MAX + 1];

    if (name.n == 0)
        return tls_names_fallback(service->sets[0]);
    if (tls_names_normalise(name, host)) {
        name = slice_from(host);
        choice = tls_names_choose(service, host);
    }
    if (!remember_name(stream, name)) {
        tls_choice_end(&choice);
        return choice;
    }
    if (!choice.set && (!service->strict_sni || service->smtp_fallback))
        choice = tls_names_fallback(service->sets[0]);
    return choice;
}

static void set_tickets(SSL *ssl, const struct tls_service *service, const struct tls_set *set)
{
    if (!service->tickets || set->tickets == 0)
        (void)SSL_set_options(ssl, SSL_OP_NO_TICKET);
}

/*
 * Sets the parameters of the chosen set on the connection. The connection was made from the first
 * set's context; SSL_set_SSL_CTX brings only certificates, ciphers and authorities along.
 */
static bool apply(SSL *ssl, const struct tls_service *service, const struct tls_choice *choice)
{
    const struct tls_set *set = choice->set;

    if (set != service->sets[0]) {
        uint64_t options = SSL_CTX_get_options(set->context) & OPTIONS_OF_A_SET;

        if (!SSL_set_SSL_CTX(ssl, set->context) ||
            SSL_set_min_proto_version(ssl, set->applied.minimum) != 1 ||
            SSL_set_max_proto_version(ssl, set->applied.maximum) != 1 ||
            SSL_set1_groups_list(ssl, set->applied.groups) != 1)
            return false;
        SSL_set_verify(
            ssl, SSL_CTX_get_verify_mode(set->context), SSL_CTX_get_verify_callback(set->context));
        (void)SSL_clear_options(ssl, OPTIONS_OF_A_SET);
        (void)SSL_set_options(ssl, options);
    }
    set_tickets(ssl, service, set);
    return (!choice->served || tls_served_use(choice->served, ssl)) &&
           tls_scope_set(ssl, service, choice);
}

static int take_choice(SSL *ssl, struct stream *stream, const struct tls_choice *choice, int *alert)
{
    if (!choice->set) {
        stream->failure = STREAM_SNI;
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (stream->set && stream->set != choice->set) {
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return SSL_CLIENT_HELLO_ERROR;
    }
    stream->set = choice->set;
    if (!apply(ssl, stream->service, choice)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/*
 * Called for a ClientHello. It can run twice in one handshake (HelloRetryRequest); then both must
 * choose the same set.
 */
static int on_client_hello(SSL *ssl, int *alert, void *unused)
{
    struct stream *stream = tls_stream(ssl);
    struct tls_choice choice = choose(stream, ssl);
    int result;

    (void)unused;
    if (!stream->hello)
        stream->hello = tls_hello_new(ssl); /* without memory a failure has fewer words */
    result = take_choice(ssl, stream, &choice, alert);
    tls_choice_end(&choice);
    return result;
}

/* Tells the client that its name was understood. The set has been chosen before. */
static int on_server_name(SSL *ssl, int *alert, void *unused)
{
    (void)alert;
    (void)unused;
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
                                                              : SSL_TLSEXT_ERR_NOACK;
}

/*
 * Called only if the client offers protocols. If none of them is ours that is an attack or a
 * mistake, and the handshake fails [RFC 7301 3.2, attack A12].
 */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_n,
    const unsigned char *offered, unsigned n, void *unused)
{
    struct stream *stream = tls_stream(ssl);
    const struct tls_service *service = stream->service;

    (void)unused;
    for (size_t i = 0; i < service->alpn_count; i++) {
        size_t len = strlen(service->alpn[i]);

        for (unsigned at = 0; at < n && offered[at] < n - at; at += 1u + offered[at]) {
            if (offered[at] != len || memcmp(offered + at + 1, service->alpn[i], len) != 0)
                continue;
            *chosen = offered + at + 1;
            *chosen_n = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    stream->failure = STREAM_ALPN;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * Called to encrypt or decrypt a ticket. Returns 0 (no ticket, full handshake) if the listener does
 * not resume.
 */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt)
{
    const struct stream *stream = tls_stream(ssl);

    if (!stream->service->tickets)
        return 0;
    return tls_tickets_use(stream->service->tickets, name, iv, cipher, mac, encrypt != 0);
}

/*
 * Called for the session of a ticket that the client has sent. It keeps the session's end, and has
 * TLS 1.3 issue another ticket, since a client uses each one once [RFC 8446 C.4].
 */
static SSL_TICKET_RETURN on_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t name_n, SSL_TICKET_STATUS status, void *unused)
{
    bool is_good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;

    (void)name;
    (void)name_n;
    (void)unused;
    if (!is_good)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    tls_stream(ssl)->session_end_s = tls_session_end(session, false);
    return status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION
               ? SSL_TICKET_RETURN_USE_RENEW
               : SSL_TICKET_RETURN_USE;
}

/*
 * Called when a ticket is made. However often its tickets are renewed, a session ends when the one
 * of the full handshake would have [RFC 8446 4.6.1], and with the client's certificate.
 */
static int on_ticket_made(SSL *ssl, void *unused)
{
    SSL_SESSION *session = SSL_get_session(ssl);
    bool is_verified = SSL_get_verify_result(ssl) == X509_V_OK;

    (void)unused;
    tls_session_set_end(session, SSL_session_reused(ssl) == 1
                                     ? tls_stream(ssl)->session_end_s
                                     : tls_session_end(session, is_verified));
    return 1;
}

void tls_server_prepare(SSL_CTX *context)
{
    (void)SSL_CTX_set_num_tickets(context, 0); /* the handshake sends none: see tls.c */
    SSL_CTX_set_client_hello_cb(context, on_client_hello, NULL);
    (void)SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    (void)SSL_CTX_set_session_ticket_cb(context, on_ticket_made, on_ticket_read, NULL);
    tls_staple_prepare(context);
}

enum io stream_start_tls_server(
    struct stream *stream, const struct tls_service *service, struct buffer **prefix)
{
    if (prefix && *prefix) {
        stream->prefix = *prefix;
        *prefix = NULL;
    }
    if (tls_begin(stream, service->sets[0]->context) != IO_OK)
        return IO_ERR;
    stream->service = service;
    SSL_set_accept_state(stream->ssl);
    return IO_OK;
}
