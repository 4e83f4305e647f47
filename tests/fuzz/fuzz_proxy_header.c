/*
 * Target: proxy_header_parse, proxy_header_write (grammar/proxy_header.c, proxy_header_write.c).
 * Input: a PROXY header of version 1 or 2, and what stands behind it.
 * Holds: each beginning of a header is PROXY_HEADER_MORE, and more input never changes a verdict.
 * What stands behind a header does not change it. The slices lie inside the header. A header that
 * is written is read as the same header.
 */
#include "fuzz.h"
#include "mailmux/proxy_header.h"

enum { STEPS_MAX = 600 }; /* beginnings that are tried */

static void check_inside(struct slice in, size_t used, struct slice text)
{
    FUZZ_REQUIRE(text.n == 0 || (text.p >= in.p && text.p + text.n <= in.p + used));
}

static void check_texts(struct slice in, size_t used, const struct proxy_header *header)
{
    check_inside(in, used, header->alpn);
    check_inside(in, used, header->authority);
    check_inside(in, used, header->unique_id);
    check_inside(in, used, header->tls.version);
    check_inside(in, used, header->tls.common_name);
    check_inside(in, used, header->tls.cipher);
    FUZZ_REQUIRE(header->unique_id.n <= PROXY_HEADER_UNIQUE_ID_MAX);
    FUZZ_REQUIRE(header->version == 1 || header->version == 2);
    FUZZ_REQUIRE(used <= PROXY_HEADER_MAX);
    FUZZ_REQUIRE(header->version == 2 || used <= PROXY_HEADER_V1_MAX);
}

static void check_same(const struct proxy_header *a, const struct proxy_header *b)
{
    FUZZ_REQUIRE(a->version == b->version && a->command == b->command);
    FUZZ_REQUIRE(a->has_addresses == b->has_addresses);
    if (!a->has_addresses)
        return; /* then nothing more is written */
    FUZZ_REQUIRE(address_equal(&a->source, &b->source));
    FUZZ_REQUIRE(address_equal(&a->destination, &b->destination));
    FUZZ_REQUIRE(slice_equal(a->alpn, b->alpn) && slice_equal(a->authority, b->authority));
    FUZZ_REQUIRE(slice_equal(a->unique_id, b->unique_id));
    FUZZ_REQUIRE(a->has_tls == b->has_tls && a->has_checksum == b->has_checksum);
    FUZZ_REQUIRE(a->tls.client == b->tls.client && a->tls.verify == b->tls.verify);
    FUZZ_REQUIRE(slice_equal(a->tls.version, b->tls.version));
    FUZZ_REQUIRE(slice_equal(a->tls.common_name, b->tls.common_name));
    FUZZ_REQUIRE(slice_equal(a->tls.cipher, b->tls.cipher));
}

static void check_round_trip(const struct proxy_header *header)
{
    static char bytes[PROXY_HEADER_MAX + 1];
    struct proxy_header again;
    struct buffer out;
    size_t used;

    buffer_init(&out, bytes, sizeof(bytes));
    FUZZ_REQUIRE(proxy_header_write(header, &out));
    FUZZ_REQUIRE(proxy_header_parse(buffer_held(&out), &again, &used) == PROXY_HEADER_COMPLETE);
    FUZZ_REQUIRE(used == buffer_held(&out).n);
    check_same(header, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = fuzz_slice(data, n);
    struct proxy_header header;
    struct proxy_header early;
    size_t used = 0;
    size_t early_used = 0;
    enum proxy_header_result result = proxy_header_parse(in, &header, &used);

    for (size_t i = 0; i < in.n; i += 1 + in.n / STEPS_MAX) {
        enum proxy_header_result before =
            proxy_header_parse(slice_of(in.p, i), &early, &early_used);

        FUZZ_REQUIRE(before == PROXY_HEADER_MORE || before == result);
        FUZZ_REQUIRE(before != PROXY_HEADER_COMPLETE || (early_used == used && i >= used));
        FUZZ_REQUIRE(result != PROXY_HEADER_COMPLETE || i < used || before == result);
    }
    if (result != PROXY_HEADER_COMPLETE)
        return 0;
    FUZZ_REQUIRE(used <= in.n);
    check_texts(in, used, &header);
    check_round_trip(&header);
    return 0;
}
