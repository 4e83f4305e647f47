#include "hello_oracle.h"

#include "fuzz.h"
#include "mailmux/client_hello.h"
#include <openssl/ssl.h>

enum { LIMIT = 64 * 1024, STEPS_MAX = 200 };
enum { KEPT_MAX = 70000, EXTENSION_SNI = 0, EXTENSION_ALPN = 16, HANDSHAKE = 22, RECORD_HEAD = 5 };

/* An extension as OpenSSL has found it. */
struct kept {
    bool is_there;
    size_t n;
    unsigned char bytes[KEPT_MAX];
};

static struct {
    bool is_called; /* OpenSSL has read a whole ClientHello */
    struct kept sni;
    struct kept alpn;
} seen;

static void keep(SSL *ssl, unsigned type, struct kept *out)
{
    const unsigned char *p;

    out->is_there = SSL_client_hello_get0_ext(ssl, type, &p, &out->n) == 1;
    if (out->is_there && out->n > 0)
        memcpy(out->bytes, p, out->n);
}

static int on_hello(SSL *ssl, int *alert, void *unused)
{
    (void)alert;
    (void)unused;
    seen.is_called = !SSL_client_hello_isv2(ssl);
    keep(ssl, EXTENSION_SNI, &seen.sni);
    keep(ssl, EXTENSION_ALPN, &seen.alpn);
    return SSL_CLIENT_HELLO_ERROR; /* nothing more is of interest */
}

static void ask_openssl(struct slice bytes)
{
    static SSL_CTX *context;
    SSL *ssl;
    BIO *in = BIO_new_mem_buf(bytes.n > 0 ? bytes.p : "", (int)bytes.n);
    BIO *out = BIO_new(BIO_s_null());

    if (!context) {
        context = SSL_CTX_new(TLS_server_method());
        FUZZ_REQUIRE(context != NULL);
        SSL_CTX_set_client_hello_cb(context, on_hello, NULL);
        SSL_CTX_set_security_level(context, 0);
        (void)SSL_CTX_set_min_proto_version(context, 0);
    }
    seen.is_called = false;
    ssl = SSL_new(context);
    FUZZ_REQUIRE(ssl && in && out);
    (void)BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    (void)SSL_accept(ssl);
    SSL_free(ssl);
}

static size_t number_at(const unsigned char *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* One name of the type host_name, and nothing else. */
static bool is_odd_sni(const struct kept *sni)
{
    const unsigned char *p = sni->bytes;
    size_t n = sni->n;

    return sni->is_there &&
           (n < 5 || number_at(p) != n - 2 || p[2] != 0 || number_at(p + 3) != n - 5 ||
               n - 5 > CLIENT_HELLO_NAME_MAX || memchr(p + 5, 0, n - 5) != NULL);
}

static bool is_odd_alpn(const struct kept *alpn)
{
    size_t at = 2;

    if (!alpn->is_there)
        return false;
    if (alpn->n < 4 || number_at(alpn->bytes) != alpn->n - 2)
        return true;
    while (at < alpn->n && alpn->bytes[at] > 0)
        at += 1u + alpn->bytes[at];
    return at != alpn->n;
}

/* An empty record, or one of another kind: OpenSSL passes over some of them. */
static bool has_odd_records(struct slice in)
{
    while (in.n >= RECORD_HEAD) {
        size_t n = number_at((const unsigned char *)in.p + 3);

        if ((unsigned char)in.p[0] != HANDSHAKE || n == 0)
            return true;
        in = slice_after(in, RECORD_HEAD + n);
    }
    return in.n > 0 && (unsigned char)in.p[0] != HANDSHAKE;
}

static void check_against_openssl(enum client_hello_result result, const struct client_hello *hello)
{
    struct client_hello_part list = hello->alpn;
    const struct kept *sni = &seen.sni;
    char name[CLIENT_HELLO_NAME_MAX];
    size_t n;
    size_t at = 2;

    FUZZ_REQUIRE(result == CLIENT_HELLO_COMPLETE);
    FUZZ_REQUIRE(hello->sni_n == (sni->is_there ? sni->n - 5 : 0));
    FUZZ_REQUIRE(hello->sni_n == 0 || memcmp(hello->sni, sni->bytes + 5, hello->sni_n) == 0);
    while (client_hello_next_protocol(&list, name, &n)) {
        FUZZ_REQUIRE(at + 1 + n <= seen.alpn.n && seen.alpn.bytes[at] == n);
        FUZZ_REQUIRE(memcmp(name, seen.alpn.bytes + at + 1, n) == 0);
        at += 1 + n;
    }
    FUZZ_REQUIRE(seen.alpn.is_there ? at == seen.alpn.n : at == 2);
}

static void check_splits(struct slice bytes, enum client_hello_result result)
{
    struct client_hello early;
    bool is_settled = false;

    for (size_t n = 0; n < bytes.n; n += 1 + bytes.n / STEPS_MAX) {
        enum client_hello_result now = client_hello_parse(slice_of(bytes.p, n), LIMIT, &early);

        is_settled = is_settled || now != CLIENT_HELLO_MORE;
        FUZZ_REQUIRE(now == (is_settled ? result : CLIENT_HELLO_MORE));
    }
}

void hello_oracle_check(struct slice bytes)
{
    struct client_hello hello = {0};
    enum client_hello_result result = client_hello_parse(bytes, LIMIT, &hello);

    check_splits(bytes, result);
    FUZZ_REQUIRE((result == CLIENT_HELLO_NOT_TLS) ==
                 (bytes.n > 0 && (unsigned char)bytes.p[0] != CLIENT_HELLO_FIRST));
    ask_openssl(bytes);
    if (!seen.is_called)
        return;
    if (is_odd_sni(&seen.sni) || is_odd_alpn(&seen.alpn))
        FUZZ_REQUIRE(result != CLIENT_HELLO_COMPLETE);
    else if (!has_odd_records(bytes))
        check_against_openssl(result, &hello);
}
