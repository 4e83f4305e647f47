/*
 * What stream_tls_info reports about the TLS of a stream, for the log, PROXY headers and policies.
 * A plain value. Its pointers are valid until the stream is closed. One thread.
 */
#ifndef MAILMUX_TLS_INFO_H
#define MAILMUX_TLS_INFO_H

#include "mailmux/slice.h"
#include <stdint.h>

struct stream;

enum { TLS_INFO_NAME_MAX = 128 };

enum tls_peer {
    TLS_PEER_UNKNOWN,    /* it showed no certificate */
    TLS_PEER_UNVERIFIED, /* it did, and it is not trusted; if that ended the handshake its contents
                            are not known */
    TLS_PEER_VERIFIED
};

/* Why a certificate is not verified, as far as the remedies differ. */
enum tls_peer_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_EXPIRED,
    TLS_FAULT_NAME, /* it is for other names */
    TLS_FAULT_TRUST /* no trusted authority has signed it, or any other fault */
};

/*
 * A pointer is NULL while its value is not known. sni, and what comes from a certificate, is
 * foreign text with any byte but NUL.
 */
struct tls_info {
    const char *version; /* "TLSv1.3"; it and the cipher are constants */
    const char *cipher;  /* OpenSSL's name */
    const char *group;   /* "x25519"; its set has it; NULL for key exchange without one */
    const char *sni;     /* the name asked for: by the client, or of the backend by us */
    const char *alpn;    /* server role: the agreed protocol */
    bool resumed;
    enum tls_peer peer;
    enum tls_peer_fault peer_fault; /* why it is not verified */
    const char *peer_words;         /* the same in the library's words: a constant; or NULL */
    bool wants_peer;                /* server role: the client is asked for a certificate */
    int64_t peer_seconds;           /* until its certificate expires; negative: since it expired */
    char peer_name[TLS_INFO_NAME_MAX]; /* the common name in its certificate; may be empty */
};

/*
 * Logs at level debug that the TLS of a stream is up. The handshake must be over. id: the session's
 * id; leg: "client" or "server". The caller asks log_is_on first.
 */
void tls_info_trace(const struct stream *stream, struct slice id, const char *leg);

#endif
