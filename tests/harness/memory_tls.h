/*
 * The other end of a TLS stream under test: an OpenSSL client or server on memory BIOs that talks
 * to a memory wire in the same process. One thread. A test sets its SSL up as it likes (SNI, ALPN,
 * versions, session) between memory_tls_init and the first memory_tls_step.
 */
#ifndef MAILMUX_MEMORY_TLS_H
#define MAILMUX_MEMORY_TLS_H

#include "memory_wire.h"
#include <openssl/ssl.h>

struct memory_tls {
    SSL_CTX *context;
    SSL *ssl;
    struct memory_wire *wire;
    struct memory_bytes plaintext; /* what it has read */
    bool is_up;                    /* its handshake is complete */
    bool is_ended;                 /* it has seen close_notify */
    bool is_broken;                /* a TLS error, or an alert */
    int alert;                     /* the last fatal alert that it got; 0: none */
    SSL_SESSION *session;          /* the last that it was given; client only */
};

/* What clients need that believe every certificate; several may share it. abort() without memory.
 */
SSL_CTX *memory_tls_client_context(void);
/* A client. context: a reference of its own is kept; NULL: one of its own is made. */
void memory_tls_init_client(struct memory_tls *peer, struct memory_wire *wire, SSL_CTX *context);
/* A server with a certificate and a key in PEM files. */
void memory_tls_init_server(
    struct memory_tls *peer, struct memory_wire *wire, const char *certificate, const char *key);
void memory_tls_deinit(struct memory_tls *peer);

/* Reads what the wire has sent, goes on with the handshake, reads plaintext, and feeds its answers
 * to the wire. True when any byte moved. */
bool memory_tls_step(struct memory_tls *peer);

/* Encrypts and feeds; only when up. */
void memory_tls_say(struct memory_tls *peer, struct slice text);
/* close_notify. */
void memory_tls_end(struct memory_tls *peer);
/* A KeyUpdate that asks for one in return. */
void memory_tls_key_update(struct memory_tls *peer);

/* What it has read so far. */
struct slice memory_tls_heard(const struct memory_tls *peer);

/* Takes what it has encrypted instead of feeding it: the bytes of its first flight, for example.
 * The caller frees them. */
struct memory_bytes memory_tls_take(struct memory_tls *peer);

#endif
