/*
 * A stream is a non-blocking byte stream, plain or TLS, over a wire. Its owner reads and writes
 * plaintext and never learns what is below. stream_start_tls_server and stream_start_tls_client are
 * the only ways from plain to TLS.
 *
 * A stream belongs to one worker thread, and owns its wire and its TLS state. It is zeroed memory
 * until stream_open and again after stream_close, and must not be moved in between.
 *
 * Encrypted output gathers in the worker's cork and goes out in one write for all records of a
 * call. What the wire does not take is kept in `held`, which is one buffer at most. While anything
 * is held, stream_write returns IO_AGAIN. So an idle stream holds no buffer, and a peer that does
 * not read costs one.
 */
#ifndef MAILMUX_STREAM_H
#define MAILMUX_STREAM_H

#include "mailmux/buffer.h"
#include "wire.h"

struct tls_service;
struct tls_client;
struct tls_info;
struct tls_place;
struct tls_set;
struct tls_hello;
struct tls_lean;
struct tls_lean_tools;
struct tls_secrets;
struct bio_st;
struct ssl_st;

enum {
    /*
     * What is read and written at once where there is much. With its records' overhead it stays
     * below 128 KiB: a gigabyte to a client took 8 % less of the processor than in pieces of 48
     * KiB, and pieces of 64 KiB, or of 128 KiB and the overhead, gained less.
     */
    STREAM_PIECE = 127 * 1024,
    CORK_SIZE = 136 * 1024 /* a piece in records, and one more record by its largest size */
};

/* Output of TLS that is about to be written. One per worker; it is empty between calls. */
struct cork {
    size_t n;
    char bytes[CORK_SIZE];
};

/* What the streams of one worker share. The pool's buffers must hold at least CORK_SIZE bytes. */
struct stream_context {
    struct cork *cork;
    struct buffer_pool *pool;
    struct tls_lean_tools *lean; /* NULL: no stream leaves the library (net/tls_lean.h) */
    struct bio_st *bio; /* of all streams whose TLS is up; NULL: each has its own (net/tls_bio.h) */
};

struct stream;

enum stream_failure {
    STREAM_FINE,
    STREAM_RESET, /* the connection failed: see stream_error */
    /*
     * TLS ended without close_notify, so that what came may be incomplete [RFC 8446 6.1]; or the
     * peer left before its first byte of TLS.
     */
    STREAM_TRUNCATED,
    STREAM_HANDSHAKE,    /* no agreement on TLS; text in stream->detail */
    STREAM_NOT_TLS,      /* the peer sent something that is no TLS record */
    STREAM_TLS_PROTOCOL, /* a TLS error after the handshake */
    STREAM_ALPN,         /* the client offered other protocols only; alert 120 was sent */
    STREAM_SNI,          /* strict_sni is set, and the name is unknown; alert 112 was sent */
    STREAM_KEY_UPDATES   /* more KeyUpdates than allowed in a minute */
};

/*
 * events: what became true, a mask of enum wire_event. It is 0 if the owner calls the callback
 * itself. The callback may close the stream.
 */
typedef void stream_callback(void *owner, struct stream *stream, unsigned events);

struct stream {
    /* For the owner to read: */
    enum stream_failure failure;
    char *detail;    /* for the log: the library's own words; or NULL */
    bool handshaken; /* TLS is up; always false on a plain stream */
    bool finished;   /* our direction has been shut down */
    bool unwritable; /* a write to the wire has failed: the peer gets nothing more */

    /* Private to net: */
    struct wire *wire; /* NULL: not open */
    const struct stream_context *context;
    stream_callback *on_event;
    void *owner;
    struct buffer *held;               /* encrypted bytes that the wire has not taken yet */
    struct buffer *prefix;             /* read before TLS began, but part of TLS */
    struct ssl_st *ssl;                /* NULL: plain, or TLS of our own */
    struct tls_lean *lean;             /* after the library; see tls_lean_parts.h */
    struct tls_secrets *secrets;       /* to leave the library with; or NULL */
    const struct tls_service *service; /* server role only */
    const struct tls_set *set;         /* chosen by the ClientHello */
    struct tls_client *client;         /* client role only */
    struct tls_place *place;           /* client role: where sessions are kept; NULL: nowhere */
    int64_t session_end_s; /* of a session that is resumed; of one that is offered, until then */
    char *server_name;     /* in SNI: sent by the client, or by us to the backend */
    bool gathers;          /* output stays in the cork: see stream_write_last */
    bool finish_due;       /* the FIN is sent once `held` is empty */
    bool heard;            /* the peer's first byte of TLS was checked */
    bool offers_session;   /* client role: the handshake is to resume one */
    bool starved;          /* TLS needs bytes from the wire before it can give any */
    bool end_due;          /* a read met bytes and then the end: the next read returns the end */
    bool tickets_due;      /* server role: with the next octets; see tls.c */
    bool leaves;           /* the library, as soon as nothing is left there */
    bool reads_ahead;      /* more than one record at a time */
    uint64_t key_update_window_ms; /* see tls.c */
    unsigned key_updates;
    int tls_reason;          /* the library's reason for the failure; 0: it gave none */
    unsigned peer_version;   /* client role: as in the ServerHello; 0: none has come */
    struct tls_hello *hello; /* server role: what the client offers, until TLS is up; or NULL */
    char *hint;              /* what is known of the failure before it is one; or NULL */
    char *clear;             /* client role: what the peer says in place of TLS; or NULL */
};

/*
 * Opens a plain stream over the wire, which the stream takes. on_event gets the events that
 * stream_watch has asked for, from the loop and never from inside a call. It may be NULL if nothing
 * is watched.
 */
void stream_open(struct stream *stream, const struct stream_context *context, struct wire *wire,
    stream_callback *on_event, void *owner);

static inline bool stream_is_open(const struct stream *stream)
{
    return stream->wire != NULL;
}

/* Reports these events from now on (a mask of enum wire_event), and no others. */
void stream_watch(struct stream *stream, unsigned events);

/*
 * Returns the mask of the last stream_watch, without WIRE_READABLE if the peer has ended its
 * direction. Returns 0 after an error has stopped the watching.
 */
unsigned stream_watched(const struct stream *stream);

/*
 * Returns IO_OK when the wire is connected. IO_AGAIN: it still connects; watch WIRE_WRITABLE.
 * IO_ERR: it is not connected, see stream_error; what the peer sent before it reset the connection
 * may still be read.
 */
enum io stream_connected(struct stream *stream) __attribute__((warn_unused_result));

/* Writes our own address of the connection to *out. Returns false if it is not known. */
bool stream_local_address(const struct stream *stream, struct address *out);

/*
 * From now on the stream fails when octets wait for the peer and its kernel acknowledges nothing
 * for `ms` milliseconds.
 */
void stream_set_patience(struct stream *stream, uint64_t ms);

/*
 * Turns the stream into TLS, in the server role. Nothing may be held. *prefix holds bytes that were
 * read from the plain stream and not consumed: the peer's TLS begins with them. prefix and *prefix
 * may be NULL. *prefix must come from the context's pool; the stream takes it in every case and
 * sets it to NULL. Returns IO_OK, or IO_ERR without memory. Call stream_handshake afterwards, until
 * it returns IO_OK. The service (net/tls_context.h) must outlive the stream.
 */
enum io stream_start_tls_server(struct stream *stream, const struct tls_service *service,
    struct buffer **prefix) __attribute__((warn_unused_result));

/*
 * Turns the stream into TLS, in the client role toward a backend. name is what the certificate must
 * carry: a host name, which is also sent as SNI, or an IP literal. It is NULL or empty if nothing
 * is verified or if a pin alone decides. Returns IO_OK; or IO_ERR without memory, or if a name is
 * needed and this one cannot be used. Call stream_handshake afterwards. The stream takes a
 * reference of its own to the client (net/tls_client.h).
 *
 * resume_at is the server's address: a session that began there under this name may be resumed, and
 * this one may be later. NULL: this handshake is a full one and leaves nothing behind.
 */
enum io stream_start_tls_client(struct stream *stream, struct tls_client *client, const char *name,
    const struct address *resume_at) __attribute__((warn_unused_result));

/*
 * Lets a stream whose TLS is up go on without the library, from its next read that finds nothing
 * left there, if it is TLS 1.3 and was prepared for it (tls_rules.own_records). For a relay: see
 * net/tls_lean.h. Nothing else changes for the owner.
 */
void stream_leave_library(struct stream *stream);

/*
 * Says whether what comes from the peer may be a password. While it may, what TLS has decrypted is
 * overwritten as soon as it is read. In the server role it may from the handshake on. A plain
 * stream is no secret; the call does nothing then.
 */
void stream_set_secret(struct stream *stream, bool is_secret);

/*
 * Goes on with the handshake. What is held is sent first. Returns IO_OK when TLS is up, and at once
 * on a plain stream. IO_AGAIN: it waits for the peer. After IO_ERR, stream->failure says what
 * happened, and an alert has been sent if TLS has one for it.
 */
enum io stream_handshake(struct stream *stream) __attribute__((warn_unused_result));

/*
 * Reads up to cap bytes of plaintext; *got is how many. IO_AGAIN: none are there yet. IO_EOF is a
 * clean end; an end without close_notify is IO_ERR. A write that has failed does not stop reading:
 * what the peer sent before it was gone still comes, and then its end.
 */
enum io stream_read(struct stream *stream, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));

/*
 * Takes some of the bytes; *put is how many. IO_AGAIN: none were taken; call again with the same
 * bytes when the stream is writable. IO_ERR: no more will be taken; what the peer sent before may
 * still be read.
 */
enum io stream_write(struct stream *stream, struct slice bytes, size_t *put)
    __attribute__((warn_unused_result));

/* Returns how many octets can be read at once, at least. For a stream in clear. */
size_t stream_waiting(const struct stream *stream);

/*
 * stream_read and stream_write by way of a duct (net/duct.h), for a stream in clear. The duct must
 * be empty for the first, which takes up to cap octets, and hold something for the second, which
 * sends what it holds.
 */
enum io stream_read_into(struct stream *stream, struct duct *duct, size_t cap, size_t *got)
    __attribute__((warn_unused_result));
enum io stream_write_from(struct stream *stream, struct duct *duct, size_t *put)
    __attribute__((warn_unused_result));

/*
 * Sends what is held. IO_OK: nothing is held any more. IO_AGAIN: some of it waits until the wire is
 * writable. IO_ERR: a write to the wire has failed.
 */
enum io stream_flush(struct stream *stream) __attribute__((warn_unused_result));

/* Returns whether encrypted output waits for the wire to become writable. */
static inline bool stream_has_held(const struct stream *stream)
{
    return stream->held != NULL;
}

/* Returns how many octets are held, as they go over the wire. */
size_t stream_held(const struct stream *stream);

bool stream_is_tls(const struct stream *stream);

/* Returns whether TLS has begun in the server role, and the ClientHello has not come as a whole. */
bool stream_awaits_hello(const struct stream *stream);

/*
 * Returns the errno of the connection's last failure. It is 0 if there was none or if the stream is
 * not open.
 */
int stream_error(const struct stream *stream);

/*
 * Returns the first words of a server that spoke in clear where TLS was expected (STREAM_NOT_TLS),
 * cut at a NUL or after some 200 octets; else NULL. Valid until stream_close.
 */
const char *stream_said_in_clear(const struct stream *stream);

/*
 * Returns whether WIRE_FIN was reported: after what waits to be read, the peer sends nothing more.
 */
bool stream_peer_finished(const struct stream *stream);

/*
 * Returns whether the kernel has the peer's end already (or urgent octets), so that a read behind
 * the last octets can learn it.
 */
bool stream_is_last(const struct stream *stream);

/* Returns whether all has been read, up to the end of the peer's direction or of the connection. */
bool stream_has_ended(const struct stream *stream);

/* Returns how many octets have been read from the wire, those of TLS itself included. */
uint64_t stream_received(const struct stream *stream);

/* Returns how many octets have reached the peer's kernel. If the number grows there is progress. */
uint64_t stream_delivered(const struct stream *stream);

/* Returns how many octets were sent but not acknowledged by the peer's kernel yet. */
uint64_t stream_unacknowledged(const struct stream *stream);

/* Returns whether all that was written has reached the peer's kernel. */
bool stream_is_delivered(const struct stream *stream);

/*
 * The owner calls it after WIRE_HANGUP. The failure becomes STREAM_RESET unless the stream has
 * failed before.
 */
void stream_note_reset(struct stream *stream);

/*
 * Reads what still comes after a failure of TLS, without decrypting it, so that the owner can drop
 * it. Returns what stream_read returns.
 */
enum io stream_read_raw(struct stream *stream, char *into, size_t cap, size_t *got)
    __attribute__((warn_unused_result));

/*
 * Fills *info with what is known about the TLS (net/tls_info.h). The server name is known even if
 * the handshake failed. Returns false on a plain stream; *info is zeroed then. Its strings are
 * valid until stream_close.
 */
bool stream_tls_info(const struct stream *stream, struct tls_info *info);

/*
 * Ends our direction cleanly: close_notify (TLS), then FIN. Nothing may be held before. If the wire
 * is too full for close_notify, it is held, and stream_flush sends it and the FIN. truncated: the
 * session's other leg has ended without a clean end, so no close_notify is sent [RFC 8446 6.1,
 * C93]. Nothing may be written afterwards; reading goes on.
 */
void stream_shutdown(struct stream *stream, bool truncated);

/*
 * As stream_write, for the last octets: if all are taken, our direction ends behind them as by
 * stream_shutdown, and with TLS one write has both. Otherwise it has not ended.
 */
enum io stream_write_last(struct stream *stream, struct slice bytes, bool truncated, size_t *put)
    __attribute__((warn_unused_result));

/*
 * Closes the stream and zeroes it. Closing it twice is harmless. With reset the peer gets RST, for
 * an end that must not look like a clean one. Nothing else is said to the peer: for a clean end
 * call stream_shutdown first, and stream_flush while something is held. Note that the kernel itself
 * sends RST if unread bytes are left in the socket.
 */
void stream_close(struct stream *stream, bool reset);

#endif
