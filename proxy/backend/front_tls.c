#include "front_tls.h"

#include "mailmux/config.h"
#include <stdlib.h>
#include <string.h>

enum {
    VERSION_MAX = 32,
    CIPHER_MAX = 64,
    COMMON_NAME_MAX = 128,
    ALPN_MAX = 32,
    HOST_MAX = 253,
    ALL_MAX = VERSION_MAX + CIPHER_MAX + COMMON_NAME_MAX + ALPN_MAX + HOST_MAX
};

struct front_tls {
    struct proxy_header_tls tls;
    struct slice alpn;
    struct slice authority;
    size_t n;
    char memory[ALL_MAX];
};

static struct slice keep(struct front_tls *kept, struct slice text, size_t max)
{
    char *place = kept->memory + kept->n;

    if (text.n == 0 || text.n > max)
        return SLICE("");
    memcpy(place, text.p, text.n);
    kept->n += text.n;
    return slice_of(place, text.n);
}

struct front_tls *front_tls_copy(const struct proxy_header *header)
{
    struct front_tls *kept;

    if (!header->has_tls || !(header->tls.client & PROXY_HEADER_CLIENT_TLS))
        return NULL;
    kept = calloc(1, sizeof(*kept));
    if (!kept)
        return NULL;
    kept->tls = (struct proxy_header_tls){.client = header->tls.client & PROXY_HEADER_CLIENT_ALL,
        .verify = header->tls.verify,
        .version = keep(kept, header->tls.version, VERSION_MAX),
        .common_name = keep(kept, header->tls.common_name, COMMON_NAME_MAX),
        .cipher = keep(kept, header->tls.cipher, CIPHER_MAX)};
    kept->alpn = keep(kept, header->alpn, ALPN_MAX);
    kept->authority = keep(kept, header->authority, HOST_MAX);
    return kept;
}

/* As with our own TLS, the common name of a certificate that was not verified is left out. */
void front_tls_put(const struct front_tls *tls, unsigned wanted, struct proxy_header *header)
{
    if (wanted & (unsigned)(PROXY_TLV_SSL | PROXY_TLV_CN)) {
        header->has_tls = true;
        header->tls = tls->tls;
        if (!(wanted & (unsigned)PROXY_TLV_SSL))
            header->tls.cipher = SLICE("");
        if (!(wanted & (unsigned)PROXY_TLV_CN) || tls->tls.verify != 0)
            header->tls.common_name = SLICE("");
    }
    if (wanted & (unsigned)PROXY_TLV_ALPN)
        header->alpn = tls->alpn;
    if (wanted & (unsigned)PROXY_TLV_AUTHORITY)
        header->authority = tls->authority;
}
