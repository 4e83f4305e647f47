/* Private to net: what tls_lean.c, tls_lean_messages.c, tls_take_over.c and the stream share. */
#ifndef MAILMUX_TLS_LEAN_PARTS_H
#define MAILMUX_TLS_LEAN_PARTS_H

#include "stream.h"
#include "tls_info.h"
#include "tls_lean.h"

/* The secrets of a connection and how many records it has sent with them, while the library has it.
 */
struct tls_secrets {
    bool has_client; /* the client's secret has come */
    bool has_server;
    bool is_updated; /* a KeyUpdate has made them useless */
    bool is_within;  /* the peer's last record may have ended within a message */
    unsigned char client[TRAFFIC_SECRET_MAX];
    unsigned char server[TRAFFIC_SECRET_MAX];
    uint64_t read; /* records since the peer's Finished */
    uint64_t written;
    uint64_t sent; /* what was written in them: pieces of data and messages */
};

enum lean_end {
    LEAN_GOES_ON,
    LEAN_CLOSED /* close_notify has come */,
    LEAN_LOST /* no more comes */
};

enum {
    LEAN_MESSAGE_KEPT = 5, /* a KeyUpdate, or the header of another message */
    LEAN_GROUP_MAX = 32
};

struct tls_lean {
    struct traffic in;
    struct traffic out;
    /* First `ready` octets of content that had no room, then a part of what was received; or NULL.
     */
    struct buffer *rest;
    size_t ready;
    enum lean_end end;
    bool answer_due; /* our KeyUpdate must go out before the next record */
    bool is_client;
    unsigned empty; /* records without data in a row */
    /* A message of the handshake protocol that has begun. */
    unsigned char message[LEAN_MESSAGE_KEPT];
    size_t message_n;
    size_t skip; /* octets of it that are still dropped */
    struct tls_info info;
    char group[LEAN_GROUP_MAX];
};

/* These do what tls_read, tls_write and tls_shut_down promise, for a stream that has left. */
enum io tls_lean_read(struct stream *stream, char *into, size_t cap, size_t *got);
enum io tls_lean_write(struct stream *stream, struct slice bytes, size_t *put);
void tls_lean_shut_down(struct stream *stream);

/* Frees what the stream keeps for it and overwrites the keys. NULL is allowed. */
void tls_lean_free(struct stream *stream, struct tls_lean **lean);

enum lean_what {
    LEAN_TAKEN,
    LEAN_UPDATED, /* the peer has new keys */
    LEAN_CLOSES,  /* close_notify */
    LEAN_ALERTED, /* the peer ends the connection with this alert */
    LEAN_REFUSED  /* the stream fails, and says this alert */
};

struct lean_verdict {
    enum lean_what what;
    unsigned char alert;
    const char *text; /* a constant */
};

/* Takes what an opened record says, except data that does not come within a message. */
struct lean_verdict tls_lean_take_message(
    struct tls_lean *lean, struct record_tools *tools, enum record_type type, struct slice content);

/* Lets the stream leave the library if nothing is left there and its secrets are known. */
void tls_take_over(struct stream *stream);

/*
 * Notes a record or a message that the library has read or written, as SSL_CTX_set_msg_callback
 * has it. type: of a handshake message, or of what a record holds. has_more: the library has octets
 * that it has not read.
 */
void tls_secrets_note(
    struct tls_secrets *secrets, bool is_written, int content_type, int type, bool has_more);

/* Frees the secrets, overwritten. NULL is allowed. */
void tls_secrets_free(struct tls_secrets **secrets);

#endif
