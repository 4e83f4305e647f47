/*
 * A stream is one non-blocking byte stream, plain or TLS, over a wire. Its owner reads and writes
 * plaintext and never learns what is below; stream_start_tls_* is the only way from plain to TLS.
 *
 * It belongs to one worker thread. It owns its wire and its TLS state. A stream is zeroed memory
 * until stream_open and again after stream_close, and must not be moved in between.
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
struct tls_client;
struct tls_info;
struct tls_set;
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

enum stream_failure {
    STREAM_FINE,
    STREAM_RESET, /* the connection failed: see stream_error */
    /* TLS ended without close_notify: what came may be incomplete [RFC 8446 6.1]; or it ended
     * before the peer's first byte. */
    STREAM_TRUNCATED,
    STREAM_HANDSHAKE,    /* TLS could not be agreed on; text in stream->detail */
    STREAM_NOT_TLS,      /* the peer sent something that is no TLS record */
    STREAM_TLS_PROTOCOL, /* a TLS error after the handshake */
    STREAM_ALPN,         /* the client offered only other protocols: alert 120 was sent */
    STREAM_SNI,          /* strict_sni and an unknown name: alert 112 was sent */
    STREAM_KEY_UPDATES   /* more KeyUpdates than allowed in a minute */
};

enum { STREAM_DETAIL_MAX = 160 };

/* events: what became true, of enum wire_event. May close the stream. */
typedef void stream_callback(void *owner, struct stream *stream, unsigned events);

struct stream {
    /* To be read by the owner: */
    enum stream_failure failure;
    char detail[STREAM_DETAIL_MAX]; /* for the log: the library's own words; may be empty */
    bool handshaken;                /* TLS is up; always false on a plain stream */
    bool finished;                  /* our direction has been shut down */
    bool unwritable; /* the wire has refused a write: the peer hears nothing more of ours */

    /* Private to net: */
    struct wire *wire; /* NULL: not open */
    const struct stream_context *context;
    stream_callback *on_event;
    void *owner;
    struct buffer *held;               /* encrypted bytes that the wire did not take yet */
    struct buffer *prefix;             /* read before TLS began, and TLS from its first byte on */
    struct ssl_st *ssl;                /* NULL: plain */
    const struct tls_service *service; /* server role only */
    const struct tls_set *set;         /* the one that the ClientHello chose */
    struct tls_client *client;         /* client role only */
    char *server_name;             /* the name asked for: by the client, or of the backend by us */
    bool finish_due;               /* it is finished, but the FIN waits until `held` is empty */
    bool heard;                    /* the peer's first byte of TLS has been looked at */
    bool starved;                  /* TLS needs more bytes from the wire before it can give any */
    bool end_due;                  /* the end came behind bytes: the next read tells it */
    bool buffers_freed;            /* see tls.c */
    uint64_t key_update_window_ms; /* see tls.c */
    unsigned key_updates;
};

/*
 * A plain stream over the wire, which is taken. on_event gets what stream_watch has asked for, from
 * the loop and never from inside a call.
 */
void stream_open(struct stream *stream, const struct stream_context *context, struct wire *wire,
    stream_callback *on_event, void *owner);

bool stream_is_open(const struct stream *stream);

/* Reports these events from now on (a mask of enum wire_event), and no other. */
void stream_watch(struct stream *stream, unsigned events);

/* What stream_watch was last given, without what cannot come any more. */
unsigned stream_watched(const struct stream *stream);

/*
 * Whether the wire, which has begun to connect, is connected. IO_AGAIN: not yet, watch
 * WIRE_WRITABLE. IO_ERR: it is not, see stream_error; what the peer said before it reset the
 * connection may still be read.
 */
enum io stream_connected(struct stream *stream) __attribute__((warn_unused_result));

/* Our own end of the connection; false where it is not known. */
bool stream_local_address(const struct stream *stream, struct address *out);

/* The stream fails when the peer's kernel acknowledges nothing of what waits for it for so long. */
void stream_set_patience(struct stream *stream, uint64_t ms);

/*
 * Turns the stream into TLS. Nothing may be held. *prefix (prefix and *prefix may be NULL) is taken
 * in every case: plaintext that was read and not consumed, and that is the start of the peer's TLS;
 * it must come from the context's pool. Afterwards call stream_handshake until it says IO_OK.
 * IO_ERR only without memory. The service (net/tls_context.h) must outlive the stream.
 */
enum io stream_start_tls_server(struct stream *stream, const struct tls_service *service,
    struct buffer **prefix) __attribute__((warn_unused_result));

/*
 * Turns the stream into TLS toward a backend, as above. name: what its certificate must say, a host
 * name (which is sent as SNI, too) or an IP literal; NULL where nothing is verified or the pin
 * alone decides. IO_ERR without memory, or where a name is needed and this one is of no use. The
 * stream keeps a reference of its own to the client (net/tls_client.h).
 */
enum io stream_start_tls_client(struct stream *stream, struct tls_client *client, const char *name)
    __attribute__((warn_unused_result));

/*
 * IO_OK at once on a plain stream. What is held is pushed on first. After IO_ERR, failure says what
 * happened and the alert is out.
 */
enum io stream_handshake(struct stream *stream) __attribute__((warn_unused_result));

/*
 * Up to cap bytes of plaintext. IO_EOF is a clean end; a truncated one is IO_ERR. A write that
 * failed is no failure of reading: what the peer said before it was gone still comes, and then its
 * end.
 */
enum io stream_read(struct stream *stream, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));

/*
 * Takes some of the bytes. IO_AGAIN: none were taken; present the same ones again when writable.
 * IO_ERR: none will be any more; the peer's last words may still be read.
 */
enum io stream_write(struct stream *stream, struct slice bytes, size_t *put)
    __attribute__((warn_unused_result));

/* Pushes what is held toward the wire. IO_OK: nothing is held any more. */
enum io stream_flush(struct stream *stream) __attribute__((warn_unused_result));

/* Something that was written waits for the wire to become writable. */
bool stream_has_held(const struct stream *stream);

/* How many octets of that, as they go over the wire. */
size_t stream_held(const struct stream *stream);

bool stream_is_tls(const struct stream *stream);

/* The errno behind the connection's last failure, or 0: there was none, or it is not open. */
int stream_error(const struct stream *stream);

/* WIRE_FIN was reported: the peer says nothing behind what waits to be read. */
bool stream_peer_finished(const struct stream *stream);

/* All that came over the wire has been read, to the peer's end or the connection's. */
bool stream_has_ended(const struct stream *stream);

/* Octets that came over the wire so far, those of TLS itself included. */
uint64_t stream_received(const struct stream *stream);

/* Octets that have reached the peer's kernel so far: more of them is progress. */
uint64_t stream_delivered(const struct stream *stream);

/* Octets that were sent and have not reached the peer's kernel, as far as ours knows. */
uint64_t stream_unacknowledged(const struct stream *stream);

/* Nothing of what was written is still on its way. */
bool stream_is_delivered(const struct stream *stream);

/* After a WIRE_HANGUP: a stream that has not failed before has failed by STREAM_RESET now. */
void stream_note_reset(struct stream *stream);

/* Behind a failure of TLS: reads what still comes, undeciphered, so that it can be dropped. */
enum io stream_read_raw(struct stream *stream, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));

/*
 * What is known about TLS (net/tls_info.h), the server name also when the handshake failed. False
 * on a plain stream; *info is cleared then. Its strings are valid until stream_close.
 */
bool stream_tls_info(const struct stream *stream, struct tls_info *info);

/*
 * Ends our direction in order: close_notify (TLS), then FIN. Nothing may be held before; where the
 * wire is too full for close_notify it is held afterwards, and stream_flush sends the FIN behind
 * it. truncated: the other leg ended without a clean end, so no close_notify is sent
 * [RFC 8446 6.1, C93]. Nothing may be written afterwards; reading goes on.
 */
void stream_shutdown(struct stream *stream, bool truncated);

/*
 * The end. reset sends RST, for where something would be lost silently. The stream is zeroed;
 * closing it twice is harmless. It says nothing to the peer: for an orderly end call
 * stream_shutdown first, and stream_flush while something is held. (The kernel sends an RST of its
 * own when unread bytes are left in the socket: read them first.)
 */
void stream_close(struct stream *stream, bool reset);

#endif
