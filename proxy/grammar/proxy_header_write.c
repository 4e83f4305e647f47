/*
 * Writing a PROXY header, in one piece, because a receiver may expect all of it in its first
 * segment.
 */
#include "proxy_header_parts.h"

#include <arpa/inet.h>
#include <string.h>

const struct slice proxy_header_v1 = {"PROXY ", 6};
const struct slice proxy_header_v2 = {"\r\n\r\n\0\r\nQUIT\n", 12};

uint32_t proxy_header_sum(uint32_t sum, struct slice bytes)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc,
        0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

    for (size_t i = 0; i < bytes.n; i++) {
        sum ^= (unsigned char)bytes.p[i];
        sum = table[sum & 15] ^ sum >> 4;
        sum = table[sum & 15] ^ sum >> 4;
    }
    return sum;
}

/*
 * Writes into one run of free space. If something does not fit, it is left out, and is_full stays
 * true.
 */
struct writer {
    char *p;
    size_t cap;
    size_t n;
    bool is_full;
};

static void put(struct writer *writer, struct slice bytes)
{
    writer->is_full = writer->is_full || bytes.n > writer->cap - writer->n;
    if (writer->is_full || bytes.n == 0)
        return;
    memcpy(writer->p + writer->n, bytes.p, bytes.n);
    writer->n += bytes.n;
}

static void put_octet(struct writer *writer, unsigned octet)
{
    char c = (char)octet;

    put(writer, slice_of(&c, 1));
}

static void put_number16(struct writer *writer, size_t number)
{
    put_octet(writer, (unsigned)(number >> 8 & 0xff));
    put_octet(writer, (unsigned)(number & 0xff));
}

static void put_number32(struct writer *writer, uint32_t number)
{
    put_number16(writer, number >> 16);
    put_number16(writer, number & 0xffff);
}

/* Writes an IPv4 address in the form of an IPv6 address [RFC 4291 2.5.5.2]. */
static void as_v6(const struct address *address, struct in6_addr *out)
{
    if (address_family(address) == AF_INET6) {
        *out = address->socket.v6.sin6_addr;
        return;
    }
    memset(out, 0, sizeof(*out));
    memset(out->s6_addr + 10, 0xff, 2);
    memcpy(out->s6_addr + 12, &address->socket.v4.sin_addr, 4);
}

static bool is_v4(const struct proxy_header *header)
{
    return address_family(&header->source) == AF_INET &&
           address_family(&header->destination) == AF_INET;
}

/* ---- Version 1 ---- */

static void put_ip(struct writer *writer, const struct address *address, bool v4)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr v6;

    if (v4) {
        (void)inet_ntop(AF_INET, &address->socket.v4.sin_addr, text, sizeof(text));
    } else {
        as_v6(address, &v6);
        (void)inet_ntop(AF_INET6, &v6, text, sizeof(text));
    }
    put(writer, slice_from(text));
    put_octet(writer, ' ');
}

static void put_port(struct writer *writer, uint16_t port)
{
    char digits[SLICE_DECIMAL_MAX];

    put(writer, slice_decimal(port, digits));
}

static void put_v1(struct writer *writer, const struct proxy_header *header)
{
    bool v4 = is_v4(header);

    put(writer, proxy_header_v1);
    if (header->has_addresses) {
        put(writer, v4 ? SLICE("TCP4 ") : SLICE("TCP6 "));
        put_ip(writer, &header->source, v4);
        put_ip(writer, &header->destination, v4);
        put_port(writer, address_port(&header->source));
        put_octet(writer, ' ');
        put_port(writer, address_port(&header->destination));
    } else {
        put(writer, SLICE("UNKNOWN"));
    }
    put(writer, SLICE("\r\n"));
}

/* ---- Version 2 ---- */

static void put_v4_addresses(struct writer *writer, const struct proxy_header *header)
{
    put(writer, slice_of((const char *)&header->source.socket.v4.sin_addr, 4));
    put(writer, slice_of((const char *)&header->destination.socket.v4.sin_addr, 4));
}

static void put_v6_addresses(struct writer *writer, const struct proxy_header *header)
{
    struct in6_addr source;
    struct in6_addr destination;

    as_v6(&header->source, &source);
    as_v6(&header->destination, &destination);
    put(writer, slice_of((const char *)&source, sizeof(source)));
    put(writer, slice_of((const char *)&destination, sizeof(destination)));
}

static void put_tlv(struct writer *writer, unsigned type, struct slice value)
{
    if (value.n == 0)
        return;
    writer->is_full = writer->is_full || value.n > UINT16_MAX;
    put_octet(writer, type);
    put_number16(writer, value.n);
    put(writer, value);
}

/* Writes the length of what has been written so far after the length field at `at`. */
static void set_length(struct writer *writer, size_t at)
{
    size_t length = writer->n - at - 2;

    if (writer->is_full)
        return;
    writer->p[at] = (char)(length >> 8);
    writer->p[at + 1] = (char)(length & 0xff);
}

static void put_tls(struct writer *writer, const struct proxy_header_tls *tls)
{
    size_t at;

    put_octet(writer, TLV_TLS);
    at = writer->n;
    put_number16(writer, 0);
    put_octet(writer, tls->client);
    put_number32(writer, tls->verify);
    put_tlv(writer, TLV_TLS_VERSION, tls->version);
    put_tlv(writer, TLV_TLS_COMMON_NAME, tls->common_name);
    put_tlv(writer, TLV_TLS_CIPHER, tls->cipher);
    set_length(writer, at);
}

/* Writes the checksum into the last TLV, over its zeros. The rest of the header is complete. */
static void set_checksum(struct writer *writer)
{
    uint32_t sum;

    if (writer->is_full)
        return;
    sum = ~proxy_header_sum(PROXY_HEADER_SUM_START, slice_of(writer->p, writer->n));
    writer->n -= V2_CHECKSUM_LENGTH;
    put_number32(writer, sum);
}

static void put_tlvs(struct writer *writer, const struct proxy_header *header)
{
    put_tlv(writer, TLV_ALPN, header->alpn);
    put_tlv(writer, TLV_AUTHORITY, header->authority);
    put_tlv(writer, TLV_UNIQUE_ID, header->unique_id);
    if (header->has_tls)
        put_tls(writer, &header->tls);
    if (header->has_checksum)
        put_tlv(writer, TLV_CHECKSUM, slice_of("\0\0\0", V2_CHECKSUM_LENGTH));
}

static void put_v2(struct writer *writer, const struct proxy_header *header)
{
    bool v4 = is_v4(header);
    bool says_addresses = header->has_addresses && header->command == PROXY_HEADER_PROXY;

    put(writer, proxy_header_v2);
    put_octet(writer, header->command == PROXY_HEADER_LOCAL ? V2_LOCAL : V2_PROXY);
    if (!says_addresses) {
        /*
         * A receiver need not look at what follows UNSPEC, so neither TLVs nor a checksum are
         * written.
         */
        put_octet(writer, V2_UNSPEC);
        put_number16(writer, 0);
        return;
    }
    put_octet(writer, v4 ? V2_TCP4 : V2_TCP6);
    put_number16(writer, 0);
    if (v4)
        put_v4_addresses(writer, header);
    else
        put_v6_addresses(writer, header);
    put_number16(writer, address_port(&header->source));
    put_number16(writer, address_port(&header->destination));
    put_tlvs(writer, header);
    set_length(writer, V2_HEAD - 2);
    if (header->has_checksum)
        set_checksum(writer);
}

unsigned proxy_header_version(enum send_address how)
{
    if (how == SEND_ADDRESS_PROXY_V1)
        return 1;
    return how == SEND_ADDRESS_PROXY_V2 ? 2 : 0;
}

bool proxy_header_write(const struct proxy_header *header, struct buffer *out)
{
    size_t most = header->version == 1 ? PROXY_HEADER_V1_MAX : PROXY_HEADER_MAX;
    struct writer writer = {0};

    writer.p = buffer_space(out, &writer.cap);
    if (writer.cap > most)
        writer.cap = most;
    if (header->unique_id.n > PROXY_HEADER_UNIQUE_ID_MAX)
        return false;
    if (header->version == 1)
        put_v1(&writer, header);
    else
        put_v2(&writer, header);
    if (writer.is_full)
        return false;
    buffer_filled(out, writer.n);
    return true;
}
