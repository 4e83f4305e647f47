/* What stream_tls_info tells of the TLS of a stream, for the log, PROXY headers and policies: a
 * plain value. Its pointers are valid until the stream is closed. One thread. */
#ifndef MAILMUX_TLS_INFO_H
#define MAILMUX_TLS_INFO_H

#include "mailmux/slice.h"
#include <stdint.h>

struct stream;

enum { TLS_INFO_NAME_MAX = 128 };

enum tls_peer {
    TLS_PEER_UNKNOWN,    /* it showed no certificate */
    TLS_PEER_UNVERIFIED, /* it did, and the certificate is not trusted; where that ended the
                            handshake its contents are not known */
    TLS_PEER_VERIFIED
};

/* Why a certificate is not verified, as far as the remedies differ. */
enum tls_peer_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_EXPIRED,
    TLS_FAULT_NAME, /* it is for other names */
    TLS_FAULT_TRUST /* no trusted authority has signed it, or any other fault */
};

/* NULL: not known (yet). What the peer chose is foreign text: it may hold any byte but NUL. */
struct tls_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* OpenSSL's name */
    const char *group;   /* "x25519"; NULL for key exchange without one */
    const char *sni;     /* server role: what the client asked for; client role: what we sent */
    const char *alpn;    /* server role: what was agreed on */
    bool resumed;
    enum tls_peer peer;
    const char *peer_reason;           /* why it is not verified, in OpenSSL's words */
    enum tls_peer_fault peer_fault;    /* the same */
    int64_t peer_seconds;              /* until its certificate expires; less than 0: since */
    char peer_name[TLS_INFO_NAME_MAX]; /* the common name in its certificate; may be empty */
};

/*
 * Logs at level debug that the TLS of a stream is up, which it is. id: the session's; leg:
 * "client" or "server". The caller asks log_is_on first.
 */
void tls_info_trace(const struct stream *stream, struct slice id, const char *leg);

#endif
