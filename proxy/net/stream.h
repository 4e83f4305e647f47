/*
 * A stream is one non-blocking byte stream, plain or TLS, over a wire. The session reads and writes
 * plaintext and never learns which it is; stream_start_tls_* is the only way from one to the other.
 *
 * Owned by its session, on one worker thread. It owns its wire and its TLS state. A stream is
 * zeroed memory until stream_open and again after stream_close.
 *
 * Encrypted output goes through the worker's cork, one write for all records of a call. What the
 * wire did not take is kept in `held`, one buffer at most; while there is any, stream_write
 * answers IO_AGAIN. So an idle stream holds no buffer, and a peer that does not read costs one.
 */
#ifndef MAILMUX_STREAM_H
#define MAILMUX_STREAM_H

#include "mailmux/buffer.h"
#include "wire.h"

struct tls_service;
struct tls_client_parameters;
struct ssl_st;

enum { CORK_SIZE = 64 * 1024 };

/* One per worker: empty between calls. */
struct cork {
    size_t n;
    char bytes[CORK_SIZE];
};

/* What streams of one worker share. The pool's buffers hold at least CORK_SIZE bytes. */
struct stream_context {
    struct cork *cork;
    struct buffer_pool *pool;
};

struct stream;

struct stream_ops {
    enum io (*handshake)(struct stream *stream);
    enum io (*read)(struct stream *stream, char *into, size_t cap, size_t *got);
    enum io (*write)(struct stream *stream, struct slice bytes, size_t *put);
    bool (*pending)(const struct stream *stream);
    enum io (*shutdown)(struct stream *stream);
};

enum stream_failure {
    STREAM_FINE,
    STREAM_RESET,     /* the socket failed: errno in wire->error */
    STREAM_TRUNCATED, /* TLS ended without close_notify: what came may be incomplete [RFC 8446 6.1]
                       */
    STREAM_HANDSHAKE, /* TLS could not be agreed on; text in stream->detail */
    STREAM_NOT_TLS,   /* the peer sent something that is no TLS record */
    STREAM_TLS_PROTOCOL, /* a TLS error after the handshake */
    STREAM_ALPN,         /* the client offered only other protocols: alert 120 was sent */
    STREAM_SNI,          /* strict_sni and an unknown name: alert 112 was sent */
    STREAM_KEY_UPDATES   /* more KeyUpdates than allowed in a minute */
};

enum { STREAM_DETAIL_MAX = 160 };

struct stream {
    const struct stream_ops *ops; /* NULL: not open */
    struct wire *wire;
    const struct stream_context *context;
    struct buffer *held;   /* encrypted bytes that the wire did not take yet */
    struct buffer *prefix; /* read before TLS began, and TLS from its first byte on */
    struct ssl_st *ssl;
    bool handshaken; /* TLS is up; always false on a plain stream */
    bool finished;   /* our direction has been shut down */
    enum stream_failure failure;
    char detail[STREAM_DETAIL_MAX]; /* for the log: the library's own words; may be empty */
    uint64_t key_update_window_ms;  /* see tls.c */
    unsigned key_updates;
};

/* A plain stream over the wire, which is taken. */
void stream_open(struct stream *stream, const struct stream_context *context, struct wire *wire);

/*
 * Turns the stream into TLS. Nothing may be held. *prefix (may be NULL) is taken: plaintext that
 * was read and not consumed, and that is the start of the peer's TLS. Afterwards call
 * stream_handshake until it says IO_OK. IO_ERR only without memory.
 */
enum io stream_start_tls_server(struct stream *stream, const struct tls_service *service,
    struct buffer **prefix) __attribute__((warn_unused_result));
enum io stream_start_tls_client(struct stream *stream,
    const struct tls_client_parameters *parameters) __attribute__((warn_unused_result));

/* IO_OK at once on a plain stream. After IO_ERR, failure says what happened and the alert is out.
 */
enum io stream_handshake(struct stream *stream) __attribute__((warn_unused_result));

/* Up to cap bytes of plaintext. IO_EOF is a clean end; a truncated one is IO_ERR. */
enum io stream_read(struct stream *stream, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));

/* Takes some of the bytes. IO_AGAIN: none were taken; present the same ones again when writable. */
enum io stream_write(struct stream *stream, struct slice bytes, size_t *put)
    __attribute__((warn_unused_result));

/* Pushes what is held toward the wire. IO_OK: nothing is held any more. */
enum io stream_flush(struct stream *stream) __attribute__((warn_unused_result));

/* A read may give bytes although the wire will never report readable again. */
bool stream_pending(const struct stream *stream);

/* Something of ours waits for the wire to become writable. */
bool stream_has_held(const struct stream *stream);

bool stream_is_tls(const struct stream *stream);

/*
 * Ends our direction in order: close_notify (TLS), then FIN. Nothing may be held. truncated: the
 * other leg ended without a clean end, so no close_notify is sent [RFC 8446 6.1, C93].
 */
void stream_shutdown(struct stream *stream, bool truncated);

/* The end; reset sends RST where something would be lost silently. The stream is zeroed. */
void stream_close(struct stream *stream, bool reset);

#endif
