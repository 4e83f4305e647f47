/*
 * What a peer may do with records, messages and alerts behind a handshake, and what it may not:
 * each script is played to a stream of the library and to one of our own, in both roles, and in
 * pieces of several sizes. Both must do the same, and what RFC 8446 wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lean_test.h"
#include "record_twins_parts.h"
#include <stdlib.h>
#include <string.h>

enum role { ANY, SERVER, CLIENT };

/*
 * The steps of a script, and what comes of them:
 *   dN     data of N octets            eN    N records without data
 *   pN,Z   data with Z octets of padding
 *   uR,C   a KeyUpdate that asks for one (1) or not (0), cut after C octets (0: not cut)
 *   k      the peer has the next key    hX    handshake messages, in hexadecimal
 *   aX     an alert                     tN,X  a record whose inner type is N
 *   oN     a record that is N octets with its type and padding, all of it zeros but the type
 *   rX     octets that are not sealed   gN    a record of N octets that are not sealed
 *   wN     we write N octets            s     we end our direction      f   the peer's wire ends
 */
struct script {
    const char *steps;
    enum role role;
    uint64_t heard; /* octets of data */
    enum stream_failure failure;
    int alert; /* that we send; 0: none */
    enum io status;
    unsigned updates; /* that we send */
};

static const struct script key_updates[] = {
    {"d1 u0,0 d2 w3 d4 w5", ANY, 7, STREAM_FINE, 0, IO_AGAIN, 0},
    {"d1 u1,0 d2 w3 d4 w5", ANY, 7, STREAM_FINE, 0, IO_AGAIN, 1},
    {"u1,0 w1 u1,0 w1 u0,0 w1 d1", ANY, 1, STREAM_FINE, 0, IO_AGAIN, 2},
    {"u1,0 d1 u1,0 d1 u1,0 d1 w1", ANY, 3, STREAM_FINE, 0, IO_AGAIN, 1}, /* one for all */
    {"u1,0", ANY, 0, STREAM_FINE, 0, IO_AGAIN, 0}, /* it may wait for data [RFC 8446 4.6.3] */
    {"u1,1 d2 w3", ANY, 2, STREAM_FINE, 0, IO_AGAIN, 1},
    {"u0,2 d2 w3", ANY, 2, STREAM_FINE, 0, IO_AGAIN, 0},
    {"u1,3 d2 w3", ANY, 2, STREAM_FINE, 0, IO_AGAIN, 1},
    {"u0,4 d2 w3", ANY, 2, STREAM_FINE, 0, IO_AGAIN, 0},
    {"h180000 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h18000001 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h180000 a0100", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h180000 h", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h1800000100 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_BAD_RECORD_MAC, IO_ERR, 0}, /* old key */
    {"k d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_BAD_RECORD_MAC, IO_ERR, 0}, /* not announced */
    {"d1 h1800000102", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_ILLEGAL_PARAMETER, IO_ERR, 0},
    {"h18000001001800000100", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h180000010018", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
};

static const struct script records[] = {
    {"e32 d1 e32 d1", ANY, 2, STREAM_FINE, 0, IO_AGAIN, 0},
    {"p0,0 p1,1 p0,16383 p1,16382 p16383,0 d16384", ANY, 1 + 1 + 16383 + 16384, STREAM_FINE, 0,
        IO_AGAIN, 0},
    {"o16385 d1", ANY, 1, STREAM_FINE, 0, IO_AGAIN, 0}, /* all that may be, and no content */
    {"d1 t0, d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d1 t0,0000000000 d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"t20,01 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"t24,010203 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"t255,01 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d3 r1403030001 r01", ANY, 3, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d3 r15030300020100", ANY, 3, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"r15030300020228", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"r16030300051800000100", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"r18030300050000000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"r00030300050000000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"r17020300050000000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_PROTOCOL_VERSION, IO_ERR, 0},
    {"r17030100050000000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_DECODE_ERROR, IO_ERR, 0},
    {"r17030400050000000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_DECODE_ERROR, IO_ERR, 0},
    {"d1 g16641 d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_RECORD_OVERFLOW, IO_ERR, 0},
    {"d1 g16640 d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_BAD_RECORD_MAC, IO_ERR, 0},
    {"d1 g17 d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_BAD_RECORD_MAC, IO_ERR, 0},
    {"d1 g16 d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_BAD_RECORD_MAC, IO_ERR, 0},
    {"d1 g0 d1", ANY, 1, STREAM_TLS_PROTOCOL, SSL_AD_BAD_RECORD_MAC, IO_ERR, 0},
};

/*
 * "The full encoded TLSInnerPlaintext MUST NOT exceed 2^14 + 1 octets" [RFC 8446 5.4]. OpenSSL 3.0
 * lets more padding pass.
 */
static const struct script stricter[] = {
    {"o16386 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_RECORD_OVERFLOW, IO_ERR, 0},
    {"o16640 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_RECORD_OVERFLOW, IO_ERR, 0},
};

static const struct script alerts[] = {
    {"d2 a0100", ANY, 2, STREAM_FINE, 0, IO_EOF, 0},
    {"d2 a0200", ANY, 2, STREAM_FINE, 0, IO_EOF, 0},
    {"d2 a0100 d9 r00", ANY, 2, STREAM_FINE, 0, IO_EOF, 0}, /* what comes behind is nothing */
    {"d2 a0100 w3 s f", ANY, 2, STREAM_FINE, 0, IO_EOF, 0},
    {"d2 s d3 a0100", ANY, 5, STREAM_FINE, 0, IO_EOF, 0},
    {"d2 s u1,0 d3 a0100", ANY, 5, STREAM_FINE, 0, IO_EOF, 0},
    {"d2 a015a d3 a0100", ANY, 5, STREAM_FINE, 0, IO_EOF, 0}, /* user_canceled */
    {"d2 a0228 d3", ANY, 2, STREAM_TLS_PROTOCOL, 0, IO_ERR, 0},
    {"d2 a0128 d3", ANY, 2, STREAM_TLS_PROTOCOL, 0, IO_ERR, 0}, /* the level says nothing */
    {"d2 a0164 d3", ANY, 2, STREAM_TLS_PROTOCOL, 0, IO_ERR, 0}, /* no_renegotiation */
    {"d2 a02ff d3", ANY, 2, STREAM_TLS_PROTOCOL, 0, IO_ERR, 0},
    {"d2 a d3", ANY, 2, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d2 a02 d3", ANY, 2, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d2 a020028 d3", ANY, 2, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d2 a01000100 d3", ANY, 2, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"d2 f", ANY, 2, STREAM_TRUNCATED, SSL_AD_DECODE_ERROR, IO_ERR, 0},
    {"d2 r170303 f", ANY, 2, STREAM_TRUNCATED, SSL_AD_DECODE_ERROR, IO_ERR, 0},
    {"d2 r170303002000 f", ANY, 2, STREAM_TRUNCATED, SSL_AD_DECODE_ERROR, IO_ERR, 0},
    {"h1800 f", ANY, 0, STREAM_TRUNCATED, SSL_AD_DECODE_ERROR, IO_ERR, 0},
    {"d2 s f", ANY, 2, STREAM_TRUNCATED, 0, IO_ERR, 0},
};

/* Messages of the handshake protocol [RFC 8446 4], none of which may come. */
static const struct script messages[] = {
    {"h00000000 d1", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h0100000203 h03", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h020000020303", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h040000120000000901020304010700047469636b0000", SERVER, 0, STREAM_TLS_PROTOCOL,
        SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h040000120000000901020304010700047469636b0000 d3", CLIENT, 3, STREAM_FINE, 0, IO_AGAIN, 0},
    {"h0400001200000009010203 h04010700047469636b0000 d3 u1,0 w1", CLIENT, 3, STREAM_FINE, 0,
        IO_AGAIN, 1},
    {"h0400001200000009010203 d3", CLIENT, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE,
        IO_ERR, 0},
    {"h040000120000000901020304010700047469636b00001800000100 k d3", CLIENT, 3, STREAM_FINE, 0,
        IO_AGAIN, 0},
    {"h0500000001", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h080000020000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h0b00000400000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h0d00000b000008000d000400020403", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE,
        IO_ERR, 0},
    {"h0f00000408040000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h14000020000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", ANY, 0,
        STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h1900000400000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"hfe00000400000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
    {"h6300000400000000", ANY, 0, STREAM_TLS_PROTOCOL, SSL_AD_UNEXPECTED_MESSAGE, IO_ERR, 0},
};

/* How the octets come: in pieces of so many, and how many are read at a time. */
static const struct pace {
    size_t piece;
    size_t cap;
} paces[] = {{TWINS_BATCH, TWINS_READ}, {1, 3}, {7, 1}, {1000, 16384}};

/* Reads hexadecimal up to a space. */
static size_t unhex(const char *text, char *out)
{
    size_t n = 0;

    while (*text && *text != ' ') {
        char digits[3] = {text[0], text[1], '\0'};

        out[n++] = (char)strtoul(digits, NULL, 16);
        text += 2;
    }
    return n;
}

static void add_raw(struct twins *twins, const char *bytes, size_t n)
{
    assert_true(n <= TWINS_BATCH - twins->batch.n);
    memcpy(twins->batch.data + twins->batch.n, bytes, n);
    twins->batch.n += n;
}

static void add_garbage(struct twins *twins, size_t n)
{
    const char header[] = {RECORD_TYPE_DATA, 3, 3, (char)(n >> 8), (char)n};
    static const char garbage[RECORD_WIRE_MAX];

    add_raw(twins, header, sizeof(header));
    add_raw(twins, garbage, n);
}

/* Seals n octets that end in zeros, as no sender may if they are more than 2^14 and a type. */
static void add_sealed(struct twins *twins, size_t n)
{
    static unsigned char inner[RECORD_WIRE_MAX];
    unsigned char sealed[RECORD_WIRE_MAX + RECORD_TAG];
    unsigned char nonce[TRAFFIC_IV];
    size_t whole = n + RECORD_TAG;
    const unsigned char header[] = {
        RECORD_TYPE_DATA, 3, 3, (unsigned char)(whole >> 8), (unsigned char)whole};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int moved;

    inner[0] = RECORD_TYPE_DATA;
    memcpy(nonce, twins->peer.iv, sizeof(nonce));
    for (size_t i = 0; i < sizeof(twins->peer.sequence); i++)
        nonce[TRAFFIC_IV - 1 - i] ^= (unsigned char)(twins->peer.sequence >> (8 * i));
    assert_int_equal(
        EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, twins->peer.key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, NULL, &moved, header, sizeof(header)), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, sealed, &moved, inner, (int)n), 1);
    assert_int_equal(EVP_EncryptFinal_ex(cipher, sealed + n, &moved), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG, sealed + n), 1);
    EVP_CIPHER_CTX_free(cipher);
    twins->peer.sequence++;
    add_raw(twins, (const char *)header, sizeof(header));
    add_raw(twins, (const char *)sealed, whole);
}

static void deliver(struct twins *twins, const struct pace *pace)
{
    for (size_t at = 0; at < twins->batch.n;) {
        size_t n = twins->batch.n - at < pace->piece ? twins->batch.n - at : pace->piece;

        twins_feed(twins, at, n, pace->cap);
        at += n;
    }
    twins->batch.n = 0;
}

/* What the peer does to both ends of the connection, or both of them do. */
static void act(struct twins *twins, const struct pace *pace, char what, size_t n)
{
    deliver(twins, pace);
    for (int i = 0; i < TWINS; i++) {
        if (what == 's')
            stream_shutdown(&twins->twin[i].bench.stream, false);
        else if (what == 'f')
            memory_wire_feed_end(&twins->twin[i].bench.wire);
    }
    if (what == 'w')
        twins_write(twins, n);
    else if (what == 'f' && !twins_are_over(twins))
        twins_feed(twins, 0, 0, pace->cap);
}

static void step(struct twins *twins, const struct pace *pace, const char *text)
{
    char bytes[256];
    char *end;
    size_t first = strtoul(text + 1, &end, 10);
    size_t second = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;

    twins->is_loose = true; /* where our answer to a KeyUpdate comes is free */
    switch (*text) {
    case 'd':
        twins_seal_data(twins, first);
        break;
    case 'e':
        while (first-- > 0)
            twins_seal_data(twins, 0);
        break;
    case 'p':
        twins_seal_padded(twins, first, second > 0 ? second - 1 : 0);
        break;
    case 'u':
        twins_seal_key_update(twins, (char)first, second);
        break;
    case 'k':
        assert_true(traffic_update(&twins->peer, &twins->tools));
        break;
    case 'h':
        twins_seal(twins, RECORD_TYPE_HANDSHAKE, slice_of(bytes, unhex(text + 1, bytes)));
        break;
    case 'a':
        twins_seal(twins, RECORD_TYPE_ALERT, slice_of(bytes, unhex(text + 1, bytes)));
        break;
    case 't':
        twins_seal(twins, (enum record_type)first, slice_of(bytes, unhex(end + 1, bytes)));
        break;
    case 'o':
        add_sealed(twins, first);
        break;
    case 'r':
        add_raw(twins, bytes, unhex(text + 1, bytes));
        break;
    case 'g':
        add_garbage(twins, first);
        break;
    default:
        act(twins, pace, *text, first);
        break;
    }
}

/* Returns what is wrong, or NULL. */
static const char *judge(struct twins *twins, const struct script *script)
{
    const struct twin *own = &twins->twin[OWN];
    struct twins_sent sent = twins_open_sent(twins, OWN);

    if (own->octets != script->heard)
        return "what was heard";
    if (own->bench.stream.failure != script->failure)
        return "the failure";
    if (own->status != script->status)
        return "the result";
    if (sent.alert != script->alert)
        return "the alert";
    return sent.updates != script->updates ? "the KeyUpdates" : NULL;
}

static void play(
    const struct script *script, bool is_client, const struct pace *pace, bool is_stricter)
{
    struct record_count count = {0};
    struct twins twins = {.count = &count};
    const char *difference;
    const char *fault;

    twins_begin(&twins, &tls, is_client, TRAFFIC_AES_128_GCM);
    for (const char *at = script->steps; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        step(&twins, pace, at);
    }
    deliver(&twins, pace);
    difference = is_stricter ? NULL : twins_compare_all(&twins);
    fault = judge(&twins, script);
    if (difference || fault)
        print_message("%s: %s (client %d, pieces of %zu)\n", script->steps,
            fault ? fault : difference, is_client, pace->piece);
    assert_true(twins_end(&twins));
    assert_null(fault);
    assert_null(difference);
}

static void play_all(const struct script *scripts, size_t n, bool is_stricter)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t pace = 0; pace < sizeof(paces) / sizeof(*paces); pace++) {
            if (scripts[i].role != CLIENT)
                play(&scripts[i], false, &paces[pace], is_stricter);
            if (scripts[i].role != SERVER)
                play(&scripts[i], true, &paces[pace], is_stricter);
        }
    }
}

static void test_key_updates(void **state)
{
    (void)state;
    play_all(key_updates, sizeof(key_updates) / sizeof(*key_updates), false);
}

static void test_records(void **state)
{
    (void)state;
    play_all(records, sizeof(records) / sizeof(*records), false);
    play_all(stricter, sizeof(stricter) / sizeof(*stricter), true);
}

static void test_alerts(void **state)
{
    (void)state;
    play_all(alerts, sizeof(alerts) / sizeof(*alerts), false);
}

static void test_messages(void **state)
{
    (void)state;
    play_all(messages, sizeof(messages) / sizeof(*messages), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
