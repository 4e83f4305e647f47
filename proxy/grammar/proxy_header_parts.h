/* What the reading and the writing of a PROXY header share [proxy-protocol.txt 2.2]. */
#ifndef MAILMUX_PROXY_HEADER_PARTS_H
#define MAILMUX_PROXY_HEADER_PARTS_H

#include "mailmux/proxy_header.h"

#define PROXY_HEADER_SUM_START UINT32_MAX

enum {
    V2_HEAD = 16, /* signature, command, family, length */
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_UNSPEC = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_IPV4_LENGTH = 12,
    V2_IPV6_LENGTH = 36,
    V2_TLV_HEAD = 3, /* type, length */
    V2_TLS_HEAD = 5, /* client, verify */
    V2_CHECKSUM_LENGTH = 4
};

enum {
    TLV_ALPN = 0x01,
    TLV_AUTHORITY = 0x02,
    TLV_CHECKSUM = 0x03,
    TLV_UNIQUE_ID = 0x05,
    TLV_TLS = 0x20,
    TLV_TLS_VERSION = 0x21,
    TLV_TLS_COMMON_NAME = 0x22,
    TLV_TLS_CIPHER = 0x23
};

extern const struct slice proxy_header_v1; /* "PROXY " */
extern const struct slice proxy_header_v2; /* the signature of twelve octets */

/*
 * Adds bytes to a CRC32C [RFC 3720 B.4]. The sum begins as PROXY_HEADER_SUM_START; the checksum is
 * the complement of the last one.
 */
uint32_t proxy_header_sum(uint32_t sum, struct slice bytes);

#endif
