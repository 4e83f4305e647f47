/*
 * PROXY headers, read and written: what is taken (C96, C98), what is refused, and how much of a
 * header must be there for which answer. All numbers in version 2 are written out, so that the
 * tests do not lean on the code under test.
 */
#include "mailmux/proxy_header.h"

#include "proves.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK "\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\xd2\x00\x19" /* 192.0.2.1 .2 1234 25 */
#define V6_BLOCK                                                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"                                                   \
    "\x04\xd2\x03\xe1" /* 2001:db8::1 ::2 1234 993 */

enum { BIG = 128 * 1024 };

static struct proxy_header header;
static size_t used;
static char memory[BIG];

static enum proxy_header_result parse(struct slice in)
{
    memset(&header, 0x55, sizeof(header));
    used = 77;
    return proxy_header_parse(in, &header, &used);
}

/* A header of version 2 around a body. */
static struct slice v2(unsigned command, unsigned family, struct slice body)
{
    memcpy(memory, SIGNATURE, 12);
    memory[12] = (char)command;
    memory[13] = (char)family;
    memory[14] = (char)(body.n >> 8);
    memory[15] = (char)(body.n & 0xff);
    memcpy(memory + 16, body.p, body.n);
    return slice_of(memory, 16 + body.n);
}

/* The same with IPv4 addresses before the TLVs. */
static struct slice v2_tlvs(struct slice tlvs)
{
    static char body[BIG / 2];

    memcpy(body, V4_BLOCK, 12);
    memcpy(body + 12, tlvs.p, tlvs.n);
    return v2(0x21, 0x11, slice_of(body, 12 + tlvs.n));
}

static void assert_address(const struct address *address, const char *text)
{
    char got[ADDRESS_TEXT_MAX];

    assert_string_equal(address_text(address, got), text);
}

static void assert_text(struct slice got, const char *text)
{
    if (!slice_equal(got, slice_from(text)))
        fail_msg("got %.*s instead of %s", (int)got.n, got.p, text);
}

/* Every beginning of it asks for more, and what stands behind it is left alone. */
static void assert_complete(struct slice in)
{
    static char more[BIG + 8];

    for (size_t n = 0; n < in.n; n++)
        assert_int_equal(parse(slice_of(in.p, n)), PROXY_HEADER_MORE);
    assert_int_equal(used, 77); /* written on success only */
    memcpy(more, in.p, in.n);
    memcpy(more + in.n, "EHLO x\r\n", 8);
    assert_int_equal(parse(slice_of(more, in.n + 8)), PROXY_HEADER_COMPLETE);
    assert_int_equal(used, in.n);
    assert_int_equal(parse(in), PROXY_HEADER_COMPLETE);
    assert_int_equal(used, in.n);
}

/* ---- Version 1 ---- */

static void test_v1_families(void **state)
{
    (void)state;
    proves("C96");
    assert_complete(SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n"));
    assert_int_equal(header.version, 1);
    assert_int_equal(header.command, PROXY_HEADER_PROXY);
    assert_true(header.has_addresses);
    assert_address(&header.source, "192.0.2.1:1234");
    assert_address(&header.destination, "192.0.2.2:25");
    assert_false(header.has_tls);
    assert_complete(SLICE("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"));
    assert_address(&header.source, "[2001:db8::1]:65535");
    assert_address(&header.destination, "[::1]:0");
    assert_complete(SLICE("PROXY UNKNOWN\r\n"));
    assert_false(header.has_addresses);
    assert_complete(SLICE("PROXY UNKNOWN ffff:f...f:ffff 65535 anything\r\n"));
    assert_false(header.has_addresses);
}

/* The longest line that there can be, and one octet more. */
static void test_v1_longest(void **state)
{
    char line[PROXY_HEADER_V1_MAX + 1];

    (void)state;
    proves("C98");
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + PROXY_HEADER_V1_MAX - 2, "\r\n", 2);
    assert_complete(slice_of(line, PROXY_HEADER_V1_MAX));
    memcpy(line + PROXY_HEADER_V1_MAX - 2, "x\r\n", 3);
    assert_int_equal(parse(slice_of(line, sizeof(line))), PROXY_HEADER_MALFORMED);
    memcpy(line + PROXY_HEADER_V1_MAX - 2, "xx", 2);
    assert_int_equal(parse(slice_of(line, PROXY_HEADER_V1_MAX - 1)), PROXY_HEADER_MORE);
    assert_int_equal(parse(slice_of(line, PROXY_HEADER_V1_MAX)), PROXY_HEADER_MALFORMED);
}

static void test_v1_malformed(void **state)
{
    static const struct slice rows[] = {
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\n", 39},
        {"PROXY TCP4 192.0.2.1\n 192.0.2.2 1234 25\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\rX\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 01234 25\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 025\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 00\r\n", 40},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 99999\r\n", 43},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 -1 25\r\n", 38},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 +25\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n", 37},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 \r\n", 38},
        {"PROXY TCP4 192.0.2.1 192.0.2.2  1234 25\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25 \r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25 x\r\n", 42},
        {"PROXY TCP4  192.0.2.1 192.0.2.2 1234 25\r\n", 41},
        {"PROXY TCP4 192.0.2.1\t192.0.2.2 1234 25\r\n", 40},
        {"PROXY TCP4 192.000.002.001 192.0.2.2 1234 25\r\n", 46},
        {"PROXY TCP4 0300.0.2.1 192.0.2.2 1234 25\r\n", 41},
        {"PROXY TCP4 192.0.2 192.0.2.2 1234 25\r\n", 38},
        {"PROXY TCP4 192.0.2.1\0 192.0.2.2 1234 25\r\n", 41},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 12\0 25\r\n", 39},
        {"PROXY TCP4 2001:db8::1 2001:db8::2 1234 25\r\n", 44},
        {"PROXY TCP6 192.0.2.1 192.0.2.2 1234 25\r\n", 40},
        {"PROXY TCP6 [::1] ::1 1234 25\r\n", 30},
        {"PROXY TCP6 fe80::1%eth0 ::1 1234 25\r\n", 37},
        {"PROXY TCP4 mail.example 192.0.2.2 1234 25\r\n", 43},
        {"PROXY TCP4\r\n", 12},
        {"PROXY TCP4 \r\n", 13},
        {"PROXY \r\n", 8},
        {"PROXY UDP4 192.0.2.1 192.0.2.2 1234 25\r\n", 40},
        {"PROXY tcp4 192.0.2.1 192.0.2.2 1234 25\r\n", 40},
        {"PROXY UNKNOWNS\r\n", 16},
        {"PROXY UNKNOWN\n", 14},
    };

    (void)state;
    proves("C97 C98");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (parse(rows[i]) != PROXY_HEADER_MALFORMED)
            fail_msg("taken: %s", rows[i].p);
        assert_int_equal(used, 77);
    }
}

/* The first octet that fits neither tells. */
static void test_none(void **state)
{
    static const struct slice rows[] = {{"E", 1}, {"PROXX", 5}, {"p", 1}, {"PROXY\t", 6},
        {"\r\n\r\n\0\r\nQUIT\r", 12}, {"\r\n\r\nA", 5}, {"\n", 1}, {"\x16", 1}, {"\0", 1}};

    (void)state;
    proves("C97");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(parse(rows[i]), PROXY_HEADER_NONE);
        assert_int_equal(
            parse(slice_of(rows[i].p, rows[i].n - 1)), PROXY_HEADER_MORE); /* not yet */
    }
}

/* ---- Version 2 ---- */

static void test_v2_families(void **state)
{
    (void)state;
    proves("C96");
    assert_complete(v2(0x21, 0x11, SLICE(V4_BLOCK)));
    assert_int_equal(header.version, 2);
    assert_int_equal(header.command, PROXY_HEADER_PROXY);
    assert_true(header.has_addresses);
    assert_address(&header.source, "192.0.2.1:1234");
    assert_address(&header.destination, "192.0.2.2:25");
    assert_complete(v2(0x21, 0x21, SLICE(V6_BLOCK)));
    assert_true(header.has_addresses);
    assert_address(&header.source, "[2001:db8::1]:1234");
    assert_address(&header.destination, "[2001:db8::2]:993");
}

/* What is not TCP over IP leaves the connection its own addresses. */
static void test_v2_other_families(void **state)
{
    static char unix_block[216];

    (void)state;
    proves("C98");
    assert_complete(v2(0x20, 0x00, SLICE("")));
    assert_int_equal(header.command, PROXY_HEADER_LOCAL);
    assert_false(header.has_addresses);
    assert_complete(v2(0x20, 0x11, SLICE(V4_BLOCK))); /* LOCAL: the block is to be ignored */
    assert_false(header.has_addresses);
    assert_complete(v2(0x20, 0xff, SLICE("anything")));
    assert_int_equal(header.command, PROXY_HEADER_LOCAL);
    assert_complete(v2(0x21, 0x00, SLICE("")));
    assert_int_equal(header.command, PROXY_HEADER_PROXY);
    assert_false(header.has_addresses);
    assert_complete(v2(0x21, 0x00, SLICE("no known shape")));
    assert_complete(v2(0x21, 0x31, slice_of(unix_block, sizeof(unix_block))));
    assert_false(header.has_addresses);
    assert_complete(v2(0x21, 0x32, slice_of(unix_block, sizeof(unix_block))));
    assert_complete(v2(0x21, 0x12, SLICE(V4_BLOCK))); /* UDP */
    assert_false(header.has_addresses);
    assert_complete(v2(0x21, 0x22, SLICE(V6_BLOCK)));
    assert_false(header.has_addresses);
}

static void test_v2_malformed_heads(void **state)
{
    (void)state;
    proves("C98");
    assert_int_equal(parse(v2(0x22, 0x11, SLICE(V4_BLOCK))), PROXY_HEADER_MALFORMED);
    assert_int_equal(parse(v2(0x11, 0x11, SLICE(V4_BLOCK))), PROXY_HEADER_MALFORMED);
    assert_int_equal(parse(v2(0x31, 0x11, SLICE(V4_BLOCK))), PROXY_HEADER_MALFORMED);
    assert_int_equal(parse(v2(0x21, 0x41, SLICE(V4_BLOCK))), PROXY_HEADER_MALFORMED);
    assert_int_equal(parse(v2(0x21, 0x13, SLICE(V4_BLOCK))), PROXY_HEADER_MALFORMED);
    /* Known as soon as the octet is there. */
    assert_int_equal(parse(slice_of(memory, 14)), PROXY_HEADER_MALFORMED);
    memory[13] = 0x11;
    assert_int_equal(parse(slice_of(memory, 14)), PROXY_HEADER_MORE);
}

static void test_v2_short_address_block(void **state)
{
    static char short_unix[215];

    (void)state;
    proves("C98");
    for (size_t n = 0; n < 12; n++)
        assert_int_equal(parse(v2(0x21, 0x11, slice_of(V4_BLOCK, n))), PROXY_HEADER_MALFORMED);
    for (size_t n = 0; n < 36; n++)
        assert_int_equal(parse(v2(0x21, 0x21, slice_of(V6_BLOCK, n))), PROXY_HEADER_MALFORMED);
    assert_int_equal(
        parse(v2(0x21, 0x31, slice_of(short_unix, sizeof(short_unix)))), PROXY_HEADER_MALFORMED);
    assert_int_equal(
        parse(v2(0x21, 0x12, slice_of(V4_BLOCK, 11))), PROXY_HEADER_MALFORMED); /* UDP too */
}

/* What is too long is refused by its length, before any of it has come. */
static void test_v2_length(void **state)
{
    static char body[65535];

    (void)state;
    proves("C98");
    memset(body, 0, sizeof(body));
    (void)v2(0x21, 0x11, slice_of(body, 65535));
    assert_int_equal(parse(slice_of(memory, 15)), PROXY_HEADER_MORE);
    assert_int_equal(parse(slice_of(memory, 16)), PROXY_HEADER_MALFORMED);
    assert_int_equal(
        parse(v2(0x21, 0x11, slice_of(body, PROXY_HEADER_MAX - 15))), PROXY_HEADER_MALFORMED);
    assert_int_equal(
        parse(v2(0x20, 0x00, slice_of(body, PROXY_HEADER_MAX - 15))), PROXY_HEADER_MALFORMED);
    assert_complete(v2(0x20, 0x00, slice_of(body, PROXY_HEADER_MAX - 16)));
}

/* ---- TLVs ---- */

static void test_tlvs(void **state)
{
    (void)state;
    assert_complete(v2_tlvs(SLICE("\x01\0\x04"
                                  "imap"
                                  "\x02\0\x0c"
                                  "mail.example"
                                  "\x04\0\x05"
                                  "NOOP!"
                                  "\x04\0\0"
                                  "\x05\0\x03"
                                  "id1"
                                  "\x30\0\x02"
                                  "ns"
                                  "\xe5\0\x01"
                                  "?")));
    assert_text(header.alpn, "imap");
    assert_text(header.authority, "mail.example");
    assert_text(header.unique_id, "id1");
    assert_false(header.has_tls);
    assert_false(header.has_checksum);
    assert_true(header.has_addresses);
}

static void test_first_of_a_kind_counts(void **state)
{
    (void)state;
    assert_complete(v2_tlvs(SLICE("\x02\0\x01"
                                  "a"
                                  "\x02\0\x01"
                                  "b")));
    assert_text(header.authority, "a");
}

static void test_tls(void **state)
{
    (void)state;
    assert_complete(v2_tlvs(SLICE("\x20\0\x29\x05\0\0\0\x12"
                                  "\x21\0\x07"
                                  "TLSv1.3"
                                  "\x22\0\x05"
                                  "alice"
                                  "\x23\0\x05"
                                  "AES-X"
                                  "\x24\0\x00"
                                  "\x27\0\x04"
                                  "new!")));
    assert_true(header.has_tls);
    assert_int_equal(
        header.tls.client, PROXY_HEADER_CLIENT_TLS | PROXY_HEADER_CERTIFICATE_IN_SESSION);
    assert_int_equal(header.tls.verify, 0x12);
    assert_text(header.tls.version, "TLSv1.3");
    assert_text(header.tls.common_name, "alice");
    assert_text(header.tls.cipher, "AES-X");
    assert_complete(v2_tlvs(SLICE("\x20\0\x05\x01\xff\xff\xff\xff")));
    assert_true(header.has_tls);
    assert_int_equal(header.tls.verify, 0xffffffff);
    assert_text(header.tls.version, "");
}

static void test_tlv_overruns(void **state)
{
    static const struct slice rows[] = {
        {"\x01", 1},                                         /* no length */
        {"\x01\0", 2},                                       /* half a length */
        {"\x01\0\x01", 3},                                   /* its value is outside */
        {"\x01\0\x05imap", 7},                               /* one octet is outside */
        {"\xee\xff\xff", 3},                                 /* unknown, and far outside */
        {"\x01\0\x04imap\x02", 8},                           /* the second one */
        {"\x20\0\0", 3},                                     /* SSL without its head */
        {"\x20\0\x04\x01\0\0\0", 7},                         /* SSL with half a head */
        {"\x20\0\x06\x01\0\0\0\0\x21", 9},                   /* inside SSL: no length */
        {"\x20\0\x08\x01\0\0\0\0\x21\0\x01", 11},            /* inside SSL: nothing there */
        {"\x20\0\x08\x01\0\0\0\0\x21\0\x04\x04\0\x01x", 15}, /* it would reach into the next */
        {"\x20\0\x08\x01\0\0\0\0\xaa\xff\xff", 11},          /* inside SSL: unknown */
    };

    (void)state;
    proves("C98");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (parse(v2_tlvs(rows[i])) != PROXY_HEADER_MALFORMED)
            fail_msg("row %zu was taken", i);
    }
}

static void test_unique_id_is_bounded(void **state)
{
    char tlv[3 + PROXY_HEADER_UNIQUE_ID_MAX + 1] = {0x05, 0, (char)PROXY_HEADER_UNIQUE_ID_MAX};

    (void)state;
    proves("C98");
    memset(tlv + 3, 'u', PROXY_HEADER_UNIQUE_ID_MAX + 1);
    assert_complete(v2_tlvs(slice_of(tlv, 3 + PROXY_HEADER_UNIQUE_ID_MAX)));
    assert_int_equal(header.unique_id.n, PROXY_HEADER_UNIQUE_ID_MAX);
    tlv[2]++;
    assert_int_equal(parse(v2_tlvs(slice_of(tlv, sizeof(tlv)))), PROXY_HEADER_MALFORMED);
}

/* Bit by bit, apart from the code under test; "123456789" gives e3069283 [RFC 3720 B.4]. */
static uint32_t crc32c(struct slice bytes)
{
    uint32_t sum = 0xffffffff;

    for (size_t i = 0; i < bytes.n; i++) {
        sum ^= (unsigned char)bytes.p[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0x82f63b78 : sum >> 1;
    }
    return ~sum;
}

static void put_sum(size_t at, uint32_t sum)
{
    for (int i = 0; i < 4; i++)
        memory[at + (size_t)i] = (char)(sum >> (24 - 8 * i) & 0xff);
}

static void test_checksum(void **state)
{
    struct slice in = v2_tlvs(SLICE("\x03\0\x04\0\0\0\0\x02\0\x01"
                                    "a"));

    (void)state;
    proves("C98");
    assert_int_equal(crc32c(SLICE("123456789")), 0xe3069283);
    put_sum(31, crc32c(in));
    assert_complete(in);
    assert_true(header.has_checksum);
    assert_text(header.authority, "a");
    for (size_t i = 13; i < in.n; i++) { /* the one before would make it LOCAL */
        if (i == 28)
            continue; /* the type of the checksum itself */
        memory[i] ^= 1;
        assert_int_not_equal(parse(in), PROXY_HEADER_COMPLETE);
        memory[i] ^= 1;
    }
    in = v2_tlvs(SLICE("\x03\0\x03\0\0\0"));
    assert_int_equal(parse(in), PROXY_HEADER_MALFORMED);
    in = v2_tlvs(SLICE("\x03\0\x05\0\0\0\0\0"));
    assert_int_equal(parse(in), PROXY_HEADER_MALFORMED);
}

/* ---- Writing ---- */

static struct buffer out;

static struct slice write_header(const struct proxy_header *wanted, size_t room)
{
    static char bytes[PROXY_HEADER_MAX + 100];

    buffer_init(&out, bytes, room);
    return proxy_header_write(wanted, &out) ? buffer_held(&out) : slice_of("", 0);
}

static struct proxy_header header_of(unsigned version, const char *source, const char *destination)
{
    struct proxy_header made = {
        .version = version, .command = PROXY_HEADER_PROXY, .has_addresses = true};

    assert_true(address_parse_ip(slice_from(source), 1234, &made.source));
    assert_true(address_parse_ip(slice_from(destination), 25, &made.destination));
    return made;
}

static void test_write_v1(void **state)
{
    struct proxy_header made = header_of(1, "192.0.2.1", "192.0.2.2");

    (void)state;
    assert_text(write_header(&made, 200), "PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n");
    made = header_of(1, "2001:db8::1", "::1");
    assert_text(write_header(&made, 200), "PROXY TCP6 2001:db8::1 ::1 1234 25\r\n");
    made = header_of(1, "192.0.2.1", "::1");
    assert_text(write_header(&made, 200), "PROXY TCP6 ::ffff:192.0.2.1 ::1 1234 25\r\n");
    made.has_addresses = false;
    assert_text(write_header(&made, 200), "PROXY UNKNOWN\r\n");
}

static void test_write_v2(void **state)
{
    struct proxy_header made = header_of(2, "192.0.2.1", "192.0.2.2");

    (void)state;
    assert_true(slice_equal(write_header(&made, 200), v2(0x21, 0x11, SLICE(V4_BLOCK))));
    made.command = PROXY_HEADER_LOCAL;
    assert_true(slice_equal(write_header(&made, 200), v2(0x20, 0, SLICE(""))));
    made.command = PROXY_HEADER_PROXY;
    made.has_addresses = false;
    assert_true(slice_equal(write_header(&made, 200), v2(0x21, 0, SLICE(""))));
}

static void assert_round_trip(const struct proxy_header *made)
{
    assert_complete(write_header(made, sizeof(memory) < 4096 ? sizeof(memory) : 4096));
    assert_int_equal(header.version, made->version);
    assert_int_equal(header.command, made->command);
    assert_int_equal(header.has_addresses, made->has_addresses);
    assert_true(address_equal(&header.source, &made->source));
    assert_true(address_equal(&header.destination, &made->destination));
    assert_true(slice_equal(header.alpn, made->alpn));
    assert_true(slice_equal(header.authority, made->authority));
    assert_true(slice_equal(header.unique_id, made->unique_id));
    assert_int_equal(header.has_tls, made->has_tls);
    assert_int_equal(header.tls.client, made->tls.client);
    assert_int_equal(header.tls.verify, made->tls.verify);
    assert_true(slice_equal(header.tls.version, made->tls.version));
    assert_true(slice_equal(header.tls.common_name, made->tls.common_name));
    assert_true(slice_equal(header.tls.cipher, made->tls.cipher));
    assert_int_equal(header.has_checksum, made->has_checksum);
}

static void test_what_is_written_is_read(void **state)
{
    struct proxy_header made = header_of(1, "192.0.2.1", "192.0.2.2");

    (void)state;
    assert_round_trip(&made);
    made = header_of(
        1, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    assert_round_trip(&made);
    made = header_of(2, "2001:db8::1", "2001:db8::2");
    assert_round_trip(&made);
    made.alpn = SLICE("imap");
    made.authority = SLICE("mail.example");
    made.unique_id = SLICE("7f-1");
    assert_round_trip(&made);
    made.has_checksum = true;
    assert_round_trip(&made);
    made.has_tls = true;
    made.tls = (struct proxy_header_tls){7, 0x01020304, SLICE("TLSv1.3"), SLICE("alice"), {"", 0}};
    made.tls.cipher = SLICE("TLS_AES_256_GCM_SHA384");
    assert_round_trip(&made);
}

static void test_write_does_not_fit(void **state)
{
    static char much[5000];
    struct proxy_header made = header_of(2, "192.0.2.1", "192.0.2.2");
    size_t whole;

    (void)state;
    made.authority = SLICE("mail.example");
    made.has_checksum = true;
    whole = write_header(&made, 200).n;
    for (size_t room = 0; room < whole; room++) {
        assert_int_equal(write_header(&made, room).n, 0);
        assert_int_equal(buffer_held(&out).n, 0);
    }
    assert_int_equal(write_header(&made, whole).n, whole);
    memset(much, 'm', sizeof(much));
    made.authority = slice_of(much, sizeof(much));
    assert_int_equal(write_header(&made, PROXY_HEADER_MAX + 100).n, 0);
    made.authority = SLICE("");
    made.unique_id = slice_of(much, PROXY_HEADER_UNIQUE_ID_MAX + 1);
    assert_int_equal(write_header(&made, 1000).n, 0);
}

/* Appended behind what the buffer holds. */
static void test_write_appends(void **state)
{
    struct proxy_header made = header_of(1, "192.0.2.1", "192.0.2.2");
    char bytes[100];
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, bytes, sizeof(bytes));
    assert_true(buffer_append(&buffer, SLICE("before ")));
    assert_true(proxy_header_write(&made, &buffer));
    assert_text(buffer_held(&buffer), "before PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1_families),
        cmocka_unit_test(test_v1_longest),
        cmocka_unit_test(test_v1_malformed),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_v2_families),
        cmocka_unit_test(test_v2_other_families),
        cmocka_unit_test(test_v2_malformed_heads),
        cmocka_unit_test(test_v2_short_address_block),
        cmocka_unit_test(test_v2_length),
        cmocka_unit_test(test_tlvs),
        cmocka_unit_test(test_first_of_a_kind_counts),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tlv_overruns),
        cmocka_unit_test(test_unique_id_is_bounded),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_write_v1),
        cmocka_unit_test(test_write_v2),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_write_does_not_fit),
        cmocka_unit_test(test_write_appends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
