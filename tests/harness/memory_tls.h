/*
 * The TLS peer of a stream under test: an OpenSSL client or server on memory BIOs that talks to a
 * memory wire in the same process. One thread. Between memory_tls_init_* and the first
 * memory_tls_step a test may set up its SSL (SNI, ALPN, versions, session).
 */
#ifndef MAILMUX_MEMORY_TLS_H
#define MAILMUX_MEMORY_TLS_H

#include "memory_wire.h"
#include <openssl/ssl.h>

struct memory_tls {
    SSL_CTX *context;
    SSL *ssl;
    struct memory_wire *wire;
    struct memory_bytes plaintext; /* all that it has read */
    bool is_up;                    /* its handshake is complete */
    bool is_ended;                 /* it has seen close_notify */
    bool is_broken;                /* a TLS error, or an alert */
    int alert;                     /* the last fatal alert that it got; 0: none */
    SSL_SESSION *session;          /* of a client: the last one that the server has sent */
};

/*
 * A context for clients that accept every certificate; several clients may share it. The caller
 * frees it with SSL_CTX_free. abort() without memory.
 */
SSL_CTX *memory_tls_client_context(void);
/* Makes a client. It takes a reference to the context; NULL: it makes a context of its own. */
void memory_tls_init_client(struct memory_tls *peer, struct memory_wire *wire, SSL_CTX *context);
/* Makes a server with a certificate and a key in PEM files. */
void memory_tls_init_server(
    struct memory_tls *peer, struct memory_wire *wire, const char *certificate, const char *key);
void memory_tls_deinit(struct memory_tls *peer);

/*
 * Reads what the wire has sent, goes on with the handshake, reads plaintext, and feeds its answers
 * to the wire. Returns whether any byte has moved.
 */
bool memory_tls_step(struct memory_tls *peer);

/* Encrypts the text and feeds it to the wire. Only when it is up. */
void memory_tls_say(struct memory_tls *peer, struct slice text);
/* Sends close_notify. */
void memory_tls_end(struct memory_tls *peer);
/* Sends a KeyUpdate that asks for one in return. */
void memory_tls_key_update(struct memory_tls *peer);

/* What it has read so far; valid until the next step. */
struct slice memory_tls_heard(const struct memory_tls *peer);

/* Takes the bytes that it would feed next, such as its first flight. The caller frees them. */
struct memory_bytes memory_tls_take(struct memory_tls *peer);

#endif
