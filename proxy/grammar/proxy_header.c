/*
 * Reading a PROXY header [proxy-protocol.txt 2.1, 2.2]. Every length is checked against what
 * encloses it before it is used: the length of the header against the cap, the addresses against
 * the header, a TLV against the rest of the header, and a TLV inside the SSL one against that.
 */
#include "proxy_header_parts.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    V1_IP_MAX = 46, /* octets of an IP address as text, with a NUL */
    V2_UNIX_LENGTH = 216
};

static uint16_t number16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static uint32_t number32(const char *p)
{
    return (uint32_t)number16(p) << 16 | number16(p + 2);
}

/* Returns whether the shorter slice is the beginning of the longer one. */
static bool agrees(struct slice in, struct slice with)
{
    size_t n = in.n < with.n ? in.n : with.n;

    return n == 0 || memcmp(in.p, with.p, n) == 0;
}

/* ---- Version 1: PROXY TCP4 192.0.2.1 192.0.2.2 1234 25 CRLF ---- */

/*
 * Cuts off the text up to the next space, and the space. Two spaces in a row have an empty word
 * between them.
 */
static struct slice v1_word(struct slice *rest)
{
    struct slice word = slice_of(rest->p, slice_find(*rest, ' '));

    *rest = slice_after(*rest, word.n + 1);
    return word;
}

static bool v1_ip(struct slice word, int family, struct address *out)
{
    char text[V1_IP_MAX];
    void *place =
        family == AF_INET ? (void *)&out->socket.v4.sin_addr : (void *)&out->socket.v6.sin6_addr;

    /* inet_pton stops at a NUL, so a NUL inside would hide what follows. */
    if (word.n == 0 || word.n >= sizeof(text) || memchr(word.p, '\0', word.n) != NULL)
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    *out = (struct address){0};
    out->socket.any.sa_family = (sa_family_t)family;
    return inet_pton(family, text, place) == 1;
}

static bool v1_port(struct slice word, struct address *out)
{
    uint64_t port;

    if (!slice_number(word, UINT16_MAX, &port) || (word.n > 1 && word.p[0] == '0'))
        return false;
    if (out->socket.any.sa_family == AF_INET)
        out->socket.v4.sin_port = htons((uint16_t)port);
    else
        out->socket.v6.sin6_port = htons((uint16_t)port);
    return true;
}

static bool v1_addresses(struct slice rest, int family, struct proxy_header *header)
{
    bool separated = false;

    header->has_addresses = true;
    if (!v1_ip(v1_word(&rest), family, &header->source) ||
        !v1_ip(v1_word(&rest), family, &header->destination))
        return false;
    separated = slice_find(rest, ' ') < rest.n;
    return separated && v1_port(v1_word(&rest), &header->source) &&
           v1_port(rest, &header->destination);
}

static bool v1_line(struct slice line, struct proxy_header *header)
{
    struct slice rest = slice_after(line, proxy_header_v1.n);
    struct slice family = v1_word(&rest);

    *header = (struct proxy_header){.version = 1, .command = PROXY_HEADER_PROXY};
    if (slice_equal(family, SLICE("UNKNOWN")))
        return true; /* the rest of the line is ignored */
    if (slice_equal(family, SLICE("TCP4")))
        return v1_addresses(rest, AF_INET, header);
    return slice_equal(family, SLICE("TCP6")) && v1_addresses(rest, AF_INET6, header);
}

static enum proxy_header_result v1_parse(struct slice in, struct proxy_header *header, size_t *used)
{
    struct slice all = slice_of(in.p, in.n < PROXY_HEADER_V1_MAX ? in.n : PROXY_HEADER_V1_MAX);
    size_t end = slice_find(all, '\r');
    struct proxy_header found;

    if (slice_find(slice_of(all.p, end), '\n') < end)
        return PROXY_HEADER_MALFORMED; /* LF without CR does not end the line */
    if (end + 1 >= all.n)
        return all.n == PROXY_HEADER_V1_MAX ? PROXY_HEADER_MALFORMED : PROXY_HEADER_MORE;
    if (all.p[end + 1] != '\n' || !v1_line(slice_of(all.p, end), &found))
        return PROXY_HEADER_MALFORMED;
    *header = found;
    *used = end + 2;
    return PROXY_HEADER_COMPLETE;
}

/* ---- Version 2 ---- */

struct tlv {
    uint8_t type;
    struct slice value;
};

enum tlv_cut { TLV_END, TLV_WHOLE, TLV_OVERRUN };

static enum tlv_cut cut_tlv(struct slice *rest, struct tlv *tlv)
{
    size_t length;

    if (rest->n == 0)
        return TLV_END;
    if (rest->n < V2_TLV_HEAD)
        return TLV_OVERRUN;
    length = number16(rest->p + 1);
    if (length > rest->n - V2_TLV_HEAD)
        return TLV_OVERRUN;
    *tlv = (struct tlv){(uint8_t)rest->p[0], slice_of(rest->p + V2_TLV_HEAD, length)};
    *rest = slice_after(*rest, V2_TLV_HEAD + length);
    return TLV_WHOLE;
}

/* Keeps a value unless there is one already: the first TLV of each kind counts. */
static void keep(struct slice *place, struct slice value)
{
    if (place->n == 0)
        *place = value;
}

static bool take_tls(struct slice value, struct proxy_header *header)
{
    struct slice rest = slice_after(value, V2_TLS_HEAD);
    struct proxy_header_tls tls = {0};
    enum tlv_cut cut;
    struct tlv tlv;

    if (value.n < V2_TLS_HEAD)
        return false;
    tls.client = (uint8_t)value.p[0];
    tls.verify = number32(value.p + 1);
    while ((cut = cut_tlv(&rest, &tlv)) == TLV_WHOLE) {
        if (tlv.type == TLV_TLS_VERSION)
            keep(&tls.version, tlv.value);
        else if (tlv.type == TLV_TLS_COMMON_NAME)
            keep(&tls.common_name, tlv.value);
        else if (tlv.type == TLV_TLS_CIPHER)
            keep(&tls.cipher, tlv.value);
    }
    if (cut == TLV_OVERRUN)
        return false;
    if (!header->has_tls)
        header->tls = tls;
    header->has_tls = true;
    return true;
}

/*
 * Checks the checksum. all: the whole header; the checksum covers it, with the octets of the
 * checksum itself taken as zero.
 */
static bool take_checksum(struct slice all, struct slice value, struct proxy_header *header)
{
    static const char zeros[V2_CHECKSUM_LENGTH];
    uint32_t sum = PROXY_HEADER_SUM_START;
    struct slice before;

    if (value.n != V2_CHECKSUM_LENGTH || header->has_checksum)
        return false;
    before = slice_of(all.p, (size_t)(value.p - all.p));
    sum = proxy_header_sum(sum, before);
    sum = proxy_header_sum(sum, slice_of(zeros, sizeof(zeros)));
    sum = proxy_header_sum(sum, slice_after(all, before.n + V2_CHECKSUM_LENGTH));
    header->has_checksum = true;
    return ~sum == number32(value.p);
}

/* Takes a TLV. Unknown ones are skipped, so that senders may say more than mailmux understands. */
static bool take_tlv(struct slice all, const struct tlv *tlv, struct proxy_header *header)
{
    switch (tlv->type) {
    case TLV_ALPN:
        keep(&header->alpn, tlv->value);
        return true;
    case TLV_AUTHORITY:
        keep(&header->authority, tlv->value);
        return true;
    case TLV_UNIQUE_ID:
        keep(&header->unique_id, tlv->value);
        return tlv->value.n <= PROXY_HEADER_UNIQUE_ID_MAX;
    case TLV_CHECKSUM:
        return take_checksum(all, tlv->value, header);
    case TLV_TLS:
        return take_tls(tlv->value, header);
    }
    return true;
}

static bool take_tlvs(struct slice all, size_t at, struct proxy_header *header)
{
    struct slice rest = slice_after(all, at);
    enum tlv_cut cut;
    struct tlv tlv;

    while ((cut = cut_tlv(&rest, &tlv)) == TLV_WHOLE) {
        if (!take_tlv(all, &tlv, header))
            return false;
    }
    return cut == TLV_END;
}

static struct address v4_address(const char *ip, const char *port)
{
    struct address address = {0};

    address.socket.v4.sin_family = AF_INET;
    memcpy(&address.socket.v4.sin_addr, ip, sizeof(address.socket.v4.sin_addr));
    memcpy(&address.socket.v4.sin_port, port, sizeof(address.socket.v4.sin_port));
    return address;
}

static struct address v6_address(const char *ip, const char *port)
{
    struct address address = {0};

    address.socket.v6.sin6_family = AF_INET6;
    memcpy(&address.socket.v6.sin6_addr, ip, sizeof(address.socket.v6.sin6_addr));
    memcpy(&address.socket.v6.sin6_port, port, sizeof(address.socket.v6.sin6_port));
    return address;
}

/* Takes source, destination, source port and destination port. The length has been checked. */
static void take_addresses(const char *block, unsigned family, struct proxy_header *header)
{
    header->has_addresses = true;
    if (family == V2_TCP4) {
        header->source = v4_address(block, block + 8);
        header->destination = v4_address(block + 4, block + 10);
    } else {
        header->source = v6_address(block, block + 32);
        header->destination = v6_address(block + 16, block + 34);
    }
}

static bool v2_whole(struct slice all, struct proxy_header *header)
{
    static const size_t lengths[] = {0, V2_IPV4_LENGTH, V2_IPV6_LENGTH, V2_UNIX_LENGTH};
    unsigned command = (unsigned char)all.p[12];
    unsigned family = (unsigned char)all.p[13];
    size_t addresses;

    *header = (struct proxy_header){.version = 2};
    if (command == V2_LOCAL) {
        header->command = PROXY_HEADER_LOCAL;
        return true; /* everything that follows, with the family, is ignored */
    }
    header->command = PROXY_HEADER_PROXY;
    if (family >> 4 == 0)
        return true; /* UNSPEC: the form of what follows is not known */
    addresses = lengths[family >> 4];
    if (all.n - V2_HEAD < addresses)
        return false;
    if (family == V2_TCP4 || family == V2_TCP6)
        take_addresses(all.p + V2_HEAD, family, header);
    return take_tlvs(all, V2_HEAD + addresses, header);
}

/*
 * Returns whether the part that every header has is valid. Values that have no meaning yet must be
 * refused.
 */
static bool v2_head_is_good(struct slice in)
{
    unsigned command = in.n > 12 ? (unsigned char)in.p[12] : V2_LOCAL;
    unsigned family = in.n > 13 ? (unsigned char)in.p[13] : 0;

    if (command != V2_LOCAL && command != V2_PROXY)
        return false;
    if (command == V2_PROXY && (family >> 4 > 3 || (family & 0xf) > 2))
        return false;
    return in.n < V2_HEAD || number16(in.p + 14) <= PROXY_HEADER_MAX - V2_HEAD;
}

static enum proxy_header_result v2_parse(struct slice in, struct proxy_header *header, size_t *used)
{
    struct proxy_header found;
    size_t whole;

    if (!v2_head_is_good(in))
        return PROXY_HEADER_MALFORMED;
    if (in.n < V2_HEAD)
        return PROXY_HEADER_MORE;
    whole = V2_HEAD + (size_t)number16(in.p + 14);
    if (in.n < whole)
        return PROXY_HEADER_MORE;
    if (!v2_whole(slice_of(in.p, whole), &found))
        return PROXY_HEADER_MALFORMED;
    *header = found;
    *used = whole;
    return PROXY_HEADER_COMPLETE;
}

enum proxy_header_result proxy_header_parse(
    struct slice in, struct proxy_header *header, size_t *used)
{
    if (in.n == 0)
        return PROXY_HEADER_MORE;
    if (agrees(in, proxy_header_v1))
        return in.n < proxy_header_v1.n ? PROXY_HEADER_MORE : v1_parse(in, header, used);
    if (agrees(in, proxy_header_v2))
        return in.n < proxy_header_v2.n ? PROXY_HEADER_MORE : v2_parse(in, header, used);
    return PROXY_HEADER_NONE;
}
