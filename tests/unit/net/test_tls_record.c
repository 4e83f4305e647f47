/* Records of TLS 1.3 by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tls_record.h"
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

static struct record_tools tools;
static int derivations_left = -1; /* until one fails; negative: none does */

int __real_EVP_KDF_derive(
    EVP_KDF_CTX *context, unsigned char *key, size_t n, const OSSL_PARAM parameters[]);
int __wrap_EVP_KDF_derive(
    EVP_KDF_CTX *context, unsigned char *key, size_t n, const OSSL_PARAM parameters[]);

/* A library that fails (--wrap, tests/unit/CMakeLists.txt). */
int __wrap_EVP_KDF_derive(
    EVP_KDF_CTX *context, unsigned char *key, size_t n, const OSSL_PARAM parameters[])
{
    if (derivations_left == 0)
        return 0;
    derivations_left -= derivations_left > 0;
    return __real_EVP_KDF_derive(context, key, n, parameters);
}

static int setup_group(void **state)
{
    (void)state;
    return record_tools_init(&tools) ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    record_tools_deinit(&tools);
    return 0;
}

static size_t unhex(const char *text, unsigned char *out)
{
    size_t n = 0;

    for (; *text; text += *text == ' ' ? 1 : 2) {
        char digits[3] = {text[0], *text == ' ' ? '\0' : text[1], '\0'};

        if (*text != ' ')
            out[n++] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return n;
}

static const char *const client_secret =
    "9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52 87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 "
    "a5";
static const char *const client_record =
    "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab "
    "3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d "
    "ea e6 3a ee bb 21 69 49 15 e4";

/* The client's application data of the simple handshake [RFC 8448 3]. */
static void test_known_answer(void **state)
{
    unsigned char secret[TRAFFIC_SECRET_MAX];
    unsigned char record[128];
    char content[50];
    char sealed[sizeof(content) + RECORD_OVERHEAD];
    struct traffic traffic;
    enum record_type type;
    struct slice opened;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)i;
    assert_int_equal(unhex(client_secret, secret), 32);
    n = unhex(client_record, record);
    assert_true(traffic_begin(&traffic, &tools, TRAFFIC_AES_128_GCM, secret, 0));
    assert_int_equal(
        record_seal(&traffic, &tools, RECORD_TYPE_DATA, slice_of(content, sizeof(content)), sealed),
        n);
    assert_memory_equal(sealed, record, n);
    traffic.sequence = 0;
    assert_int_equal(
        record_open(&traffic, &tools, sealed, n, sealed + RECORD_HEADER, &type, &opened),
        RECORD_FINE);
    assert_int_equal(type, RECORD_TYPE_DATA);
    assert_int_equal(opened.n, sizeof(content));
    assert_memory_equal(opened.p, content, sizeof(content));
    traffic_end(&traffic, &tools);
}

static void begin_pair(struct traffic *out, struct traffic *in, enum traffic_suite suite)
{
    unsigned char secret[TRAFFIC_SECRET_MAX];

    memset(secret, 7, sizeof(secret));
    assert_true(traffic_begin(out, &tools, suite, secret, 0));
    assert_true(traffic_begin(in, &tools, suite, secret, 0));
}

static void end_pair(struct traffic *out, struct traffic *in)
{
    traffic_end(out, &tools);
    traffic_end(in, &tools);
}

static void test_every_suite_and_size(void **state)
{
    static const size_t sizes[] = {
        0, 1, 15, 16, 17, 1000, RECORD_CONTENT_MAX - 1, RECORD_CONTENT_MAX};
    static char content[RECORD_CONTENT_MAX];
    static char wire[RECORD_WIRE_MAX];
    static char out[RECORD_WIRE_MAX];
    struct traffic a;
    struct traffic b;

    (void)state;
    memset(content, 'x', sizeof(content));
    for (int suite = 0; suite < TRAFFIC_SUITES; suite++) {
        begin_pair(&a, &b, (enum traffic_suite)suite);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            enum record_type type;
            struct slice opened;
            size_t n =
                record_seal(&a, &tools, RECORD_TYPE_ALERT, slice_of(content, sizes[i]), wire);
            size_t measured = 0;

            assert_int_equal(n, sizes[i] + RECORD_OVERHEAD);
            assert_int_equal(record_measure(slice_of(wire, n - 1), &measured), RECORD_INCOMPLETE);
            assert_int_equal(record_measure(slice_of(wire, n), &measured), RECORD_FINE);
            assert_int_equal(measured, n);
            assert_int_equal(record_open(&b, &tools, wire, n, out, &type, &opened), RECORD_FINE);
            assert_int_equal(type, RECORD_TYPE_ALERT);
            assert_int_equal(opened.n, sizes[i]);
            assert_memory_equal(opened.p, content, sizes[i]);
            if (i % 3 == 1)
                assert_true(traffic_update(&a, &tools) && traffic_update(&b, &tools));
        }
        end_pair(&a, &b);
    }
}

/* Two directions of one cipher take turns: each finds its own key. */
static void test_keys_take_turns(void **state)
{
    struct traffic out[2];
    struct traffic in[2];
    char wire[64];
    char opened_at[64];

    (void)state;
    begin_pair(&out[0], &in[0], TRAFFIC_CHACHA20);
    begin_pair(&out[1], &in[1], TRAFFIC_CHACHA20);
    assert_true(traffic_update(&out[1], &tools) && traffic_update(&in[1], &tools));
    for (int turn = 0; turn < 6; turn++) {
        enum record_type type;
        struct slice opened;
        size_t n = record_seal(&out[turn % 2], &tools, RECORD_TYPE_DATA, SLICE("abc"), wire);

        assert_int_equal(
            record_open(&in[turn % 2], &tools, wire, n, opened_at, &type, &opened), RECORD_FINE);
        assert_memory_equal(opened.p, "abc", 3);
    }
    end_pair(&out[0], &in[0]);
    end_pair(&out[1], &in[1]);
}

static void test_every_changed_bit_is_seen(void **state)
{
    char wire[64];
    char out[64];
    struct traffic a;
    struct traffic b;
    size_t n;

    (void)state;
    for (int suite = 0; suite < TRAFFIC_SUITES; suite++) {
        begin_pair(&a, &b, (enum traffic_suite)suite);
        n = record_seal(&a, &tools, RECORD_TYPE_DATA, SLICE("secret"), wire);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            enum record_type type;
            struct slice opened;

            wire[bit / 8] = (char)(wire[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(record_open(&b, &tools, wire, n, out, &type, &opened), RECORD_FORGED);
            assert_int_equal(b.sequence, 0);
            wire[bit / 8] = (char)(wire[bit / 8] ^ 1 << bit % 8);
        }
        end_pair(&a, &b);
    }
}

static void test_headers(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(record_measure(SLICE(""), &n), RECORD_INCOMPLETE);
    assert_int_equal(record_measure(SLICE("\x17\x03\x03\x00"), &n), RECORD_INCOMPLETE);
    assert_int_equal(record_measure(SLICE("\x17\x02\x03\x00\x20"), &n), RECORD_BAD_FAMILY);
    assert_int_equal(record_measure(SLICE("\x17\x03\x01\x00\x20"), &n), RECORD_BAD_VERSION);
    assert_int_equal(record_measure(SLICE("\x16\x03\x03\x00\x20"), &n), RECORD_BAD_TYPE);
    assert_int_equal(record_measure(SLICE("\x14\x03\x03\x00\x01\x01"), &n), RECORD_BAD_TYPE);
    assert_int_equal(record_measure(SLICE("\x17\x03\x03\x41\x01"), &n), RECORD_TOO_LARGE);
    assert_int_equal(record_measure(SLICE("\x17\x03\x03\x41\x00"), &n), RECORD_INCOMPLETE);
    assert_int_equal(record_measure(SLICE("\x17\x03\x03\x00\x10"), &n), RECORD_FORGED);
}

static void test_a_key_is_used_for_so_long(void **state)
{
    struct traffic a;
    struct traffic b;
    enum record_type type;
    struct slice opened;
    char wire[64];
    char out[64];
    size_t n;

    (void)state;
    begin_pair(&a, &b, TRAFFIC_AES_128_GCM);
    assert_false(traffic_is_worn(&a));
    a.sequence = (1 << 24) - 1;
    assert_false(traffic_is_worn(&a));
    a.sequence = 1 << 24;
    assert_true(traffic_is_worn(&a));
    assert_true(traffic_update(&a, &tools));
    assert_false(traffic_is_worn(&a));
    a.sequence = b.sequence = UINT64_MAX - 1; /* the last one */
    n = record_seal(&a, &tools, RECORD_TYPE_DATA, SLICE("x"), wire);
    assert_int_equal(n, 1 + RECORD_OVERHEAD);
    assert_true(traffic_update(&b, &tools));
    b.sequence = UINT64_MAX - 1;
    assert_int_equal(record_open(&b, &tools, wire, n, out, &type, &opened), RECORD_FINE);
    assert_int_equal(record_seal(&a, &tools, RECORD_TYPE_DATA, SLICE("x"), wire), 0);
    assert_int_equal(record_open(&b, &tools, wire, n, out, &type, &opened), RECORD_BROKEN);
    end_pair(&a, &b);
}

/* The old key with the number 0 again would be a nonce that is used twice. */
static void test_nothing_is_sealed_after_a_failed_update(void **state)
{
    struct traffic a;
    struct traffic b;
    char wire[64];

    (void)state;
    for (int fails_at = 0; fails_at < 3; fails_at++) { /* the secret, the key, the IV */
        begin_pair(&a, &b, TRAFFIC_AES_128_GCM);
        assert_true(record_seal(&a, &tools, RECORD_TYPE_DATA, SLICE("first"), wire) > 0);
        derivations_left = fails_at;
        assert_false(traffic_update(&a, &tools));
        derivations_left = -1;
        assert_int_equal(record_seal(&a, &tools, RECORD_TYPE_ALERT, SLICE("\2\120"), wire), 0);
        end_pair(&a, &b);
    }
}

/* Forward secrecy: no cipher keeps a key that is over [RFC 8446 7.2]. */
static void test_an_update_leaves_no_key(void **state)
{
    struct traffic a;
    struct traffic b;
    enum record_type type;
    struct slice opened;
    char wire[64];
    char out[64];
    size_t n;

    (void)state;
    begin_pair(&a, &b, TRAFFIC_AES_256_GCM);
    n = record_seal(&a, &tools, RECORD_TYPE_DATA, SLICE("x"), wire);
    assert_int_equal(record_open(&b, &tools, wire, n, out, &type, &opened), RECORD_FINE);
    assert_int_not_equal(tools.seal_key[TRAFFIC_AES_256_GCM], 0);
    assert_int_not_equal(tools.open_key[TRAFFIC_AES_256_GCM], 0);
    assert_true(traffic_update(&a, &tools) && traffic_update(&b, &tools));
    assert_int_equal(tools.seal_key[TRAFFIC_AES_256_GCM], 0);
    assert_int_equal(tools.open_key[TRAFFIC_AES_256_GCM], 0);
    end_pair(&a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answer),
        cmocka_unit_test(test_every_suite_and_size),
        cmocka_unit_test(test_keys_take_turns),
        cmocka_unit_test(test_every_changed_bit_is_seen),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_a_key_is_used_for_so_long),
        cmocka_unit_test(test_nothing_is_sealed_after_a_failed_update),
        cmocka_unit_test(test_an_update_leaves_no_key),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
