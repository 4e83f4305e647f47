/*
 * The PROXY protocol [proxy-protocol.txt of HAProxy], version 1 (a line of text) and version 2
 * (binary, with TLVs): what a load balancer in front of us says about the client, and what we say
 * to a backend. Headers are read and written here, never sent. Pure; any thread.
 *
 * Whether the sender of a header may be believed is the caller's to know (accept_proxy_from).
 */
#ifndef MAILMUX_PROXY_HEADER_H
#define MAILMUX_PROXY_HEADER_H

#include "mailmux/address.h"
#include "mailmux/buffer.h"
#include "mailmux/settings.h"

enum {
    PROXY_HEADER_V1_MAX = 107, /* octets of a version 1 line, its end included */
    PROXY_HEADER_MAX = 4096,   /* octets of a version 2 header that we take or write */
    PROXY_HEADER_UNIQUE_ID_MAX = 128
};

enum proxy_header_result {
    PROXY_HEADER_MORE,
    PROXY_HEADER_COMPLETE,
    PROXY_HEADER_MALFORMED,
    PROXY_HEADER_NONE /* the first octets are not those of a PROXY header */
};

enum proxy_header_command {
    PROXY_HEADER_LOCAL, /* the sender speaks for itself: a health check */
    PROXY_HEADER_PROXY  /* it speaks for a client */
};

/* Bits of proxy_header_tls.client. */
enum {
    PROXY_HEADER_CLIENT_TLS = 1,
    PROXY_HEADER_CERTIFICATE_ON_CONNECTION = 2,
    PROXY_HEADER_CERTIFICATE_IN_SESSION = 4,
    PROXY_HEADER_CLIENT_ALL = 7 /* all bits that have a meaning */
};

/* What is said about the client's TLS [2.2.6]. A text that is not given is empty. */
struct proxy_header_tls {
    uint8_t client;
    uint32_t verify; /* 0: its certificate was verified */
    struct slice version;
    struct slice common_name;
    struct slice cipher;
};

/* One header. Slices borrow the input of proxy_header_parse; one that is empty was not given. */
struct proxy_header {
    unsigned version; /* 1 or 2 */
    enum proxy_header_command command;
    bool has_addresses; /* of TCP over IPv4 or IPv6. Without, the connection's own ones stand */
    struct address source;
    struct address destination;
    struct slice alpn;
    struct slice authority; /* the name that the client asked for in its TLS */
    struct slice unique_id;
    bool has_tls;
    struct proxy_header_tls tls;
    bool has_checksum; /* a CRC32C was there, and right; or is to be written */
};

/*
 * Reads the header at the start of `in`. COMPLETE: *header is written, and *used is how many octets
 * it takes; what stands behind them is the client's own. Otherwise neither is written.
 */
enum proxy_header_result proxy_header_parse(
    struct slice in, struct proxy_header *header, size_t *used);

/* Returns the version of the PROXY header that is used for this setting, or 0 if none is. */
unsigned proxy_header_version(enum send_address how);

/*
 * Appends the header. Returns false if it does not fit, or if a text is longer than its field;
 * nothing is appended then. Without addresses the header says UNKNOWN (version 1) or UNSPEC
 * (version 2). If one address is IPv4 and the other IPv6, both are written as IPv6. Version 1 has
 * no place for anything else.
 */
bool proxy_header_write(const struct proxy_header *header, struct buffer *out);

#endif
