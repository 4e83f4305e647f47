/* What a load balancer tells of its TLS: what of it is kept, and what of that a server hears. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "front_tls.h"
#include "mailmux/config.h"
#include <stdlib.h>
#include <string.h>

#define ALL ((unsigned)(PROXY_TLV_SSL | PROXY_TLV_CN | PROXY_TLV_ALPN | PROXY_TLV_AUTHORITY))

static struct proxy_header full(void)
{
    return (struct proxy_header){.version = 2,
        .has_tls = true,
        .tls = {.client = PROXY_HEADER_CLIENT_TLS | PROXY_HEADER_CERTIFICATE_ON_CONNECTION,
            .version = SLICE("TLSv1.3"),
            .common_name = SLICE("alice"),
            .cipher = SLICE("TLS_AES_128_GCM_SHA256")},
        .alpn = SLICE("imap"),
        .authority = SLICE("mail.example")};
}

static void assert_slice(struct slice found, const char *expected)
{
    assert_int_equal(found.n, strlen(expected));
    assert_memory_equal(found.p ? found.p : "", expected, found.n);
}

/* What the server is told where that is wanted. */
static struct proxy_header told(const struct front_tls *tls, unsigned wanted)
{
    struct proxy_header header = {.version = 2};

    front_tls_put(tls, wanted, &header);
    return header;
}

/* The header's own memory is gone when the server hears of it. */
static void test_keeps_a_copy(void **state)
{
    char name[] = "alice";
    struct proxy_header header = full();
    struct front_tls *tls;

    header.tls.common_name = slice_from(name);
    tls = front_tls_copy(&header);
    assert_non_null(tls);
    memset(name, 'x', sizeof(name) - 1);
    header = told(tls, ALL);
    assert_true(header.has_tls);
    assert_int_equal(
        header.tls.client, PROXY_HEADER_CLIENT_TLS | PROXY_HEADER_CERTIFICATE_ON_CONNECTION);
    assert_slice(header.tls.version, "TLSv1.3");
    assert_slice(header.tls.cipher, "TLS_AES_128_GCM_SHA256");
    assert_slice(header.tls.common_name, "alice");
    assert_slice(header.alpn, "imap");
    assert_slice(header.authority, "mail.example");
    free(tls);
}

static void test_without_tls_there_is_nothing_to_keep(void **state)
{
    struct proxy_header header = full();

    header.has_tls = false;
    assert_null(front_tls_copy(&header));
    header = full();
    header.tls.client = PROXY_HEADER_CERTIFICATE_IN_SESSION; /* but no TLS */
    assert_null(front_tls_copy(&header));
}

static void test_only_what_is_wanted_is_told(void **state)
{
    struct proxy_header header = full();
    struct front_tls *tls = front_tls_copy(&header);

    assert_non_null(tls);
    header = told(tls, 0);
    assert_false(header.has_tls);
    assert_slice(header.alpn, "");
    assert_slice(header.authority, "");
    header = told(tls, PROXY_TLV_SSL);
    assert_slice(header.tls.cipher, "TLS_AES_128_GCM_SHA256");
    assert_slice(header.tls.common_name, "");
    header = told(tls, PROXY_TLV_CN); /* it is a part of the other */
    assert_true(header.has_tls);
    assert_slice(header.tls.cipher, "");
    assert_slice(header.tls.common_name, "alice");
    header = told(tls, PROXY_TLV_ALPN);
    assert_false(header.has_tls);
    assert_slice(header.alpn, "imap");
    header = told(tls, PROXY_TLV_AUTHORITY);
    assert_slice(header.authority, "mail.example");
    free(tls);
}

/* A certificate that nobody vouches for names no client. */
static void test_a_name_that_is_not_verified(void **state)
{
    struct proxy_header header = full();
    struct front_tls *tls;

    header.tls.verify = 19;
    tls = front_tls_copy(&header);
    assert_non_null(tls);
    header = told(tls, ALL);
    assert_int_equal(header.tls.verify, 19);
    assert_slice(header.tls.common_name, "");
    assert_slice(header.tls.version, "TLSv1.3");
    free(tls);
}

/* Each text has its longest, so that all of them fit into a header. */
static void test_texts_that_are_too_long(void **state)
{
    static const struct {
        size_t offset;
        size_t max;
    } fields[] = {
        {offsetof(struct proxy_header, tls.version), 32},
        {offsetof(struct proxy_header, tls.cipher), 64},
        {offsetof(struct proxy_header, tls.common_name), 128},
        {offsetof(struct proxy_header, alpn), 32},
        {offsetof(struct proxy_header, authority), 253},
    };
    char text[300];

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (size_t over = 0; over < 2; over++) {
            struct proxy_header header = full();
            struct slice *field = (struct slice *)(void *)((char *)&header + fields[i].offset);
            struct front_tls *tls;

            *field = slice_of(text, fields[i].max + over);
            tls = front_tls_copy(&header);
            assert_non_null(tls);
            header = told(tls, ALL);
            assert_int_equal(field->n, over ? 0 : fields[i].max);
            free(tls);
        }
    }
}

static void test_the_longest_of_all_fit_together(void **state)
{
    char text[300];
    char out[PROXY_HEADER_MAX];
    struct proxy_header header = full();
    struct front_tls *tls;
    struct buffer buffer;

    memset(text, 'a', sizeof(text));
    header.tls.version = header.alpn = slice_of(text, 32);
    header.tls.cipher = slice_of(text, 64);
    header.tls.common_name = slice_of(text, 128);
    header.authority = slice_of(text, 253);
    tls = front_tls_copy(&header);
    assert_non_null(tls);
    header = told(tls, ALL);
    assert_int_equal(header.authority.n, 253);
    buffer_init(&buffer, out, sizeof(out));
    assert_true(proxy_header_write(&header, &buffer));
    free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_a_copy),
        cmocka_unit_test(test_without_tls_there_is_nothing_to_keep),
        cmocka_unit_test(test_only_what_is_wanted_is_told),
        cmocka_unit_test(test_a_name_that_is_not_verified),
        cmocka_unit_test(test_texts_that_are_too_long),
        cmocka_unit_test(test_the_longest_of_all_fit_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
