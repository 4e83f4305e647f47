/*
 * The PROXY protocol, version 1 (a line of text) and version 2 (binary, with TLVs): what a load
 * balancer in front of us says about the true client, and what we say to a backend. Read and
 * written here, never sent. Pure; any thread.
 *
 * A header is believed only where the configuration lists its source; that is the caller's part.
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
    PROXY_HEADER_NONE /* the first octets are of no PROXY header */
};

enum proxy_header_command {
    PROXY_HEADER_LOCAL, /* the sender speaks for itself: a health check */
    PROXY_HEADER_PROXY
};

/* Bits of proxy_header_tls.client. */
enum {
    PROXY_HEADER_CLIENT_TLS = 1,
    PROXY_HEADER_CERTIFICATE_ON_CONNECTION = 2,
    PROXY_HEADER_CERTIFICATE_IN_SESSION = 4,
    PROXY_HEADER_CLIENT_ALL = 7 /* those that are known */
};

/* What is said about the client's TLS; a text that is not given is empty. */
struct proxy_header_tls {
    uint8_t client;
    uint32_t verify; /* 0: its certificate was verified */
    struct slice version;
    struct slice common_name;
    struct slice cipher;
};

/* Slices borrow the input of proxy_header_parse. Empty: not given. */
struct proxy_header {
    unsigned version; /* 1 or 2 */
    enum proxy_header_command command;
    bool has_addresses; /* of TCP over IPv4 or IPv6; everything else leaves the connection's own */
    struct address source;
    struct address destination;
    struct slice alpn;
    struct slice authority; /* the name that the client asked for in its TLS */
    struct slice unique_id;
    bool has_tls;
    struct proxy_header_tls tls;
    bool has_checksum; /* CRC32C: it was there and right; to be written */
};

/*
 * A header at the start of `in`. header and used are written on COMPLETE only; used is exact, so
 * what stands behind it is the client's own.
 */
enum proxy_header_result proxy_header_parse(
    struct slice in, struct proxy_header *header, size_t *used);

/* The version of the header that tells it this way; 0: none does. */
unsigned proxy_header_version(enum send_address how);

/*
 * Appends the header, all of it or nothing: false when it does not fit, or a text is longer than
 * its field. Without addresses it says UNKNOWN (1) or UNSPEC (2). Addresses of two families are
 * written as IPv6. Version 1 has no place for anything but addresses.
 */
bool proxy_header_write(const struct proxy_header *header, struct buffer *out);

#endif
