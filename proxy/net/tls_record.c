#include "tls_record.h"

#include "mailmux/check.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

enum {
    RECORD_VERSION = 3,        /* the header always says 3.3 */
    AES_RECORDS_MAX = 1 << 24, /* of 2^24.5 that are safe with one key [RFC 8446 5.5] */
    LABEL_MAX = 64
};

static const struct suite {
    unsigned id; /* [RFC 8446 B.4] */
    const char *cipher;
    const char *digest;
    size_t secret_n;
    size_t key_n;
} suites[TRAFFIC_SUITES] = {[TRAFFIC_AES_128_GCM] = {0x1301, "AES-128-GCM", "SHA256", 32, 16},
    [TRAFFIC_AES_256_GCM] = {0x1302, "AES-256-GCM", "SHA384", 48, 32},
    [TRAFFIC_CHACHA20] = {0x1303, "ChaCha20-Poly1305", "SHA256", 32, 32}};

bool traffic_suite_of(unsigned id, enum traffic_suite *out)
{
    for (size_t i = 0; i < TRAFFIC_SUITES; i++) {
        if (suites[i].id != id)
            continue;
        *out = (enum traffic_suite)i;
        return true;
    }
    return false;
}

size_t traffic_secret_size(enum traffic_suite suite)
{
    return suites[suite].secret_n;
}

/* Returns a context that knows its cipher and not its key, or NULL. */
static EVP_CIPHER_CTX *cipher_new(const char *name, int is_seal)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *made = cipher ? EVP_CIPHER_CTX_new() : NULL;

    if (made && EVP_CipherInit_ex2(made, cipher, NULL, NULL, is_seal, NULL) != 1) {
        EVP_CIPHER_CTX_free(made);
        made = NULL;
    }
    EVP_CIPHER_free(cipher); /* the context has a reference of its own */
    return made;
}

bool record_tools_init(struct record_tools *tools)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    bool is_complete;

    *tools = (struct record_tools){.kdf = kdf ? EVP_KDF_CTX_new(kdf) : NULL};
    EVP_KDF_free(kdf);
    is_complete = tools->kdf != NULL;
    for (size_t i = 0; i < TRAFFIC_SUITES; i++) {
        tools->seal[i] = cipher_new(suites[i].cipher, 1);
        tools->open[i] = cipher_new(suites[i].cipher, 0);
        is_complete = is_complete && tools->seal[i] && tools->open[i];
    }
    if (!is_complete)
        record_tools_deinit(tools);
    return is_complete;
}

void record_tools_deinit(struct record_tools *tools)
{
    for (size_t i = 0; i < TRAFFIC_SUITES; i++) {
        EVP_CIPHER_CTX_free(tools->seal[i]);
        EVP_CIPHER_CTX_free(tools->open[i]);
    }
    EVP_KDF_CTX_free(tools->kdf);
    *tools = (struct record_tools){0};
}

/*
 * HKDF-Expand-Label with an empty context [RFC 8446 7.1]. Returns false if the library fails.
 */
static bool expand(struct record_tools *tools, const struct traffic *traffic, const char *label,
    unsigned char *out, size_t n)
{
    const struct suite *suite = &suites[traffic->suite];
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    size_t label_n = strlen(label);
    char info[LABEL_MAX];
    OSSL_PARAM parameters[5];

    info[0] = (char)(n >> 8);
    info[1] = (char)(n & 0xff);
    info[2] = (char)(6 + label_n);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, label_n);
    info[9 + label_n] = 0;
    parameters[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    parameters[1] =
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)suite->digest, 0);
    parameters[2] = OSSL_PARAM_construct_octet_string(
        OSSL_KDF_PARAM_KEY, (void *)traffic->secret, suite->secret_n);
    parameters[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 10 + label_n);
    parameters[4] = OSSL_PARAM_construct_end();
    EVP_KDF_CTX_reset(tools->kdf);
    return EVP_KDF_derive(tools->kdf, out, n, parameters) == 1;
}

/* Makes the key and the IV of the secret [RFC 8446 7.3]. */
static bool make_keys(struct traffic *traffic, struct record_tools *tools)
{
    bool is_made = expand(tools, traffic, "key", traffic->key, suites[traffic->suite].key_n) &&
                   expand(tools, traffic, "iv", traffic->iv, TRAFFIC_IV);

    EVP_KDF_CTX_reset(tools->kdf); /* it must not keep the secret */
    traffic->key_id = ++tools->last_key;
    return is_made;
}

bool traffic_begin(struct traffic *traffic, struct record_tools *tools, enum traffic_suite suite,
    const unsigned char *secret, uint64_t sequence)
{
    *traffic = (struct traffic){.suite = suite, .sequence = sequence};
    memcpy(traffic->secret, secret, suites[suite].secret_n);
    return make_keys(traffic, tools);
}

bool traffic_is_worn(const struct traffic *traffic)
{
    return traffic->suite != TRAFFIC_CHACHA20 && traffic->sequence >= AES_RECORDS_MAX;
}

/* Overwrites the key in a cipher if it is this one. */
static void forget(EVP_CIPHER_CTX *cipher, uint64_t *key_id, uint64_t gone)
{
    static const unsigned char nothing[TRAFFIC_KEY_MAX];

    if (!cipher || *key_id != gone)
        return;
    *key_id = 0;
    (void)EVP_CipherInit_ex2(cipher, NULL, nothing, nothing, -1, NULL);
}

/* Overwrites the key of the direction in both ciphers of its suite. */
static void forget_key(const struct traffic *traffic, struct record_tools *tools)
{
    if (traffic->key_id == 0)
        return;
    forget(tools->seal[traffic->suite], &tools->seal_key[traffic->suite], traffic->key_id);
    forget(tools->open[traffic->suite], &tools->open_key[traffic->suite], traffic->key_id);
}

bool traffic_update(struct traffic *traffic, struct record_tools *tools)
{
    unsigned char next[TRAFFIC_SECRET_MAX] = {0};
    size_t n = suites[traffic->suite].secret_n;
    bool is_made = expand(tools, traffic, "traffic upd", next, n);

    forget_key(traffic, tools);
    memcpy(traffic->secret, next, n);
    OPENSSL_cleanse(next, sizeof(next));
    traffic->sequence = 0;
    if (is_made && make_keys(traffic, tools))
        return true;
    /* No record more: the old key with the number 0 would be a nonce that is used twice. */
    traffic->sequence = UINT64_MAX;
    return false;
}

void traffic_end(struct traffic *traffic, struct record_tools *tools)
{
    forget_key(traffic, tools);
    OPENSSL_cleanse(traffic, sizeof(*traffic));
}

/* Prepares a cipher for the next record: its key, unless it has it, and its nonce. */
static bool prepare(EVP_CIPHER_CTX *cipher, uint64_t *key_id, const struct traffic *traffic)
{
    const unsigned char *key = *key_id == traffic->key_id ? NULL : traffic->key;
    unsigned char nonce[TRAFFIC_IV];

    memcpy(nonce, traffic->iv, TRAFFIC_IV);
    for (size_t i = 0; i < sizeof(traffic->sequence); i++)
        nonce[TRAFFIC_IV - 1 - i] ^= (unsigned char)(traffic->sequence >> (8 * i));
    *key_id = traffic->key_id;
    if (EVP_CipherInit_ex2(cipher, NULL, key, nonce, -1, NULL) == 1)
        return true;
    *key_id = 0;
    return false;
}

size_t record_seal(struct traffic *traffic, struct record_tools *tools, enum record_type type,
    struct slice content, char *out)
{
    EVP_CIPHER_CTX *cipher = tools->seal[traffic->suite];
    unsigned char *bytes = (unsigned char *)out;
    unsigned char *body = bytes + RECORD_HEADER;
    unsigned char kind = (unsigned char)type;
    size_t inner = content.n + 1;
    size_t sealed = inner + RECORD_TAG;
    int n = 0;

    if (!check_holds(content.n <= RECORD_CONTENT_MAX) || traffic->sequence == UINT64_MAX)
        return 0;
    bytes[0] = RECORD_TYPE_DATA;
    bytes[1] = RECORD_VERSION;
    bytes[2] = RECORD_VERSION;
    bytes[3] = (unsigned char)(sealed >> 8);
    bytes[4] = (unsigned char)(sealed & 0xff);
    if (!prepare(cipher, &tools->seal_key[traffic->suite], traffic) ||
        EVP_CipherUpdate(cipher, NULL, &n, bytes, RECORD_HEADER) != 1 ||
        EVP_CipherUpdate(cipher, body, &n, (const unsigned char *)content.p, (int)content.n) != 1 ||
        EVP_CipherUpdate(cipher, body + content.n, &n, &kind, 1) != 1 ||
        EVP_CipherFinal_ex(cipher, body + inner, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG, body + inner) != 1)
        return 0;
    traffic->sequence++;
    return RECORD_HEADER + sealed;
}

enum record_result record_measure(struct slice in, size_t *n)
{
    const unsigned char *header = (const unsigned char *)in.p;
    size_t sealed;

    if (in.n < RECORD_HEADER)
        return RECORD_INCOMPLETE;
    if (header[1] != RECORD_VERSION)
        return RECORD_BAD_FAMILY;
    if (header[0] != RECORD_TYPE_DATA)
        return RECORD_BAD_TYPE;
    if (header[2] != RECORD_VERSION)
        return RECORD_BAD_VERSION;
    sealed = (size_t)header[3] << 8 | header[4];
    if (sealed > RECORD_SEALED_MAX)
        return RECORD_TOO_LARGE;
    if (sealed < RECORD_TAG + 1)
        return RECORD_FORGED; /* there is no room for a type: nothing that was sealed */
    *n = RECORD_HEADER + sealed;
    return in.n < *n ? RECORD_INCOMPLETE : RECORD_FINE;
}

/* Finds the content and its type behind the padding [RFC 8446 5.4]. */
static enum record_result strip(
    const char *inner, size_t n, enum record_type *type, size_t *content_n)
{
    while (n > 0 && inner[n - 1] == 0)
        n--;
    if (n == 0)
        return RECORD_BAD_TYPE;
    *type = (enum record_type)(unsigned char)inner[n - 1];
    *content_n = n - 1;
    return RECORD_FINE;
}

enum record_result record_open(struct traffic *traffic, struct record_tools *tools,
    const char *record, size_t n, char *out, enum record_type *type, struct slice *content)
{
    EVP_CIPHER_CTX *cipher = tools->open[traffic->suite];
    const unsigned char *header = (const unsigned char *)record;
    const unsigned char *body = header + RECORD_HEADER;
    size_t inner = n - RECORD_HEADER - RECORD_TAG;
    enum record_result result;
    int moved = 0;

    if (traffic->sequence == UINT64_MAX ||
        !prepare(cipher, &tools->open_key[traffic->suite], traffic) ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, RECORD_TAG, (void *)(body + inner)) !=
            1 ||
        EVP_CipherUpdate(cipher, NULL, &moved, header, RECORD_HEADER) != 1)
        return RECORD_BROKEN;
    if (EVP_CipherUpdate(cipher, (unsigned char *)out, &moved, body, (int)inner) != 1 ||
        EVP_CipherFinal_ex(cipher, (unsigned char *)out + inner, &moved) != 1) {
        OPENSSL_cleanse(out, inner);
        return RECORD_FORGED;
    }
    traffic->sequence++;
    *content = slice_of(out, 0);
    result =
        inner > RECORD_CONTENT_MAX + 1 ? RECORD_TOO_LARGE : strip(out, inner, type, &content->n);
    if (result != RECORD_FINE)
        OPENSSL_cleanse(out, inner);
    return result;
}
