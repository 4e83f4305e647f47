#include "memory_tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static void need(bool is_fine)
{
    if (!is_fine)
        abort(); /* without memory a test proves nothing */
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct memory_tls *peer = SSL_get_app_data(ssl);

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        peer->alert = value & 0xff;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct memory_tls *peer = SSL_get_app_data(ssl);

    SSL_SESSION_free(peer->session);
    peer->session = session;
    return 1; /* the reference is ours now */
}

static void make_ssl(struct memory_tls *peer)
{
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    peer->ssl = SSL_new(peer->context);
    need(peer->ssl && in && out && SSL_set_app_data(peer->ssl, peer) == 1);
    SSL_set_bio(peer->ssl, in, out);
    SSL_set_info_callback(peer->ssl, on_info);
}

SSL_CTX *memory_tls_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    need(context != NULL);
    (void)SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    (void)SSL_CTX_set_session_cache_mode(
        context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return context;
}

void memory_tls_init_client(struct memory_tls *peer, struct memory_wire *wire, SSL_CTX *context)
{
    *peer = (struct memory_tls){.wire = wire, .context = context};
    if (context)
        need(SSL_CTX_up_ref(context) == 1);
    else
        peer->context = memory_tls_client_context();
    make_ssl(peer);
    SSL_set_connect_state(peer->ssl);
}

void memory_tls_init_server(
    struct memory_tls *peer, struct memory_wire *wire, const char *certificate, const char *key)
{
    *peer = (struct memory_tls){.wire = wire, .context = SSL_CTX_new(TLS_server_method())};
    need(peer->context != NULL);
    need(SSL_CTX_use_certificate_chain_file(peer->context, certificate) == 1);
    need(SSL_CTX_use_PrivateKey_file(peer->context, key, SSL_FILETYPE_PEM) == 1);
    make_ssl(peer);
    SSL_set_accept_state(peer->ssl);
}

void memory_tls_deinit(struct memory_tls *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    SSL_SESSION_free(peer->session);
    free(peer->plaintext.data);
    *peer = (struct memory_tls){0};
}

static void add(struct memory_bytes *bytes, const char *p, size_t n)
{
    char *grown = realloc(bytes->data, bytes->n + n + 1);

    need(grown != NULL);
    memcpy(grown + bytes->n, p, n);
    bytes->data = grown;
    bytes->n += n;
}

static void take_from_wire(struct memory_tls *peer)
{
    struct slice sent = memory_wire_sent(peer->wire);

    if (sent.n == 0)
        return;
    need(BIO_write(SSL_get_rbio(peer->ssl), sent.p, (int)sent.n) == (int)sent.n);
    memory_wire_drop(peer->wire, sent.n);
}

struct memory_bytes memory_tls_take(struct memory_tls *peer)
{
    struct memory_bytes taken = {0};
    char bytes[4096];
    int n;

    while ((n = BIO_read(SSL_get_wbio(peer->ssl), bytes, sizeof(bytes))) > 0)
        add(&taken, bytes, (size_t)n);
    return taken;
}

static bool give_to_wire(struct memory_tls *peer)
{
    struct memory_bytes taken = memory_tls_take(peer);

    memory_wire_feed(peer->wire, slice_of(taken.data, taken.n));
    free(taken.data);
    return taken.n > 0;
}

/* Judges the result of an SSL call. Returns whether it succeeded; if not, notes an end or error. */
static bool understand(struct memory_tls *peer, int result)
{
    int why;

    if (result > 0)
        return true;
    why = SSL_get_error(peer->ssl, result);
    if (why == SSL_ERROR_ZERO_RETURN)
        peer->is_ended = true;
    else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        peer->is_broken = true;
    ERR_clear_error();
    return false;
}

bool memory_tls_step(struct memory_tls *peer)
{
    bool has_moved = memory_wire_sent(peer->wire).n > 0;
    char bytes[16384];
    size_t n;

    take_from_wire(peer);
    ERR_clear_error();
    if (!peer->is_up && !peer->is_broken)
        peer->is_up = understand(peer, SSL_do_handshake(peer->ssl));
    while (peer->is_up && !peer->is_broken && !peer->is_ended &&
           understand(peer, SSL_read_ex(peer->ssl, bytes, sizeof(bytes), &n)))
        add(&peer->plaintext, bytes, n);
    return give_to_wire(peer) || has_moved;
}

void memory_tls_say(struct memory_tls *peer, struct slice text)
{
    size_t n = 0;

    ERR_clear_error();
    need(text.n == 0 || SSL_write_ex(peer->ssl, text.p, text.n, &n) == 1);
    (void)give_to_wire(peer);
}

void memory_tls_end(struct memory_tls *peer)
{
    ERR_clear_error();
    (void)SSL_shutdown(peer->ssl);
    (void)give_to_wire(peer);
}

void memory_tls_key_update(struct memory_tls *peer)
{
    ERR_clear_error();
    need(SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
    need(SSL_do_handshake(peer->ssl) == 1);
    (void)give_to_wire(peer);
}

struct slice memory_tls_heard(const struct memory_tls *peer)
{
    return peer->plaintext.n > 0 ? slice_of(peer->plaintext.data, peer->plaintext.n)
                                 : slice_of("", 0);
}
