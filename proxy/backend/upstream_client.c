/* What a backend is told about the client: in a PROXY header, or inside the opening. */
#include "upstream_parts.h"

#include "front_tls.h"
#include "mailmux/config_protocols.h"
#include "mailmux/proxy_header.h"
#include "tls_info.h"

enum { HOST_MAX = 253 };

static const struct config_backend *backend(const struct upstream *upstream)
{
    return upstream->route->backend;
}

bool upstream_wants_header(const struct upstream *upstream)
{
    return proxy_header_version(backend(upstream)->send_client_address) != 0;
}

/*
 * Returns whether it is a host name. The client may send any bytes as SNI; only a host name is
 * passed on [attack A20].
 */
static bool is_host_name(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '-' || c == '.' || c == '_'))
            return false;
    }
    return text.n <= HOST_MAX;
}

/* The common name of a certificate that was not verified is left out: it proves nothing. */
static struct proxy_header_tls tls_of(const struct tls_info *info, unsigned wanted)
{
    bool is_verified = info->peer == TLS_PEER_VERIFIED;
    struct proxy_header_tls tls = {.client = PROXY_HEADER_CLIENT_TLS,
        .verify = is_verified ? 0 : 1,
        .version = slice_from(info->version)};

    if (info->peer != TLS_PEER_UNKNOWN)
        tls.client |= info->resumed ? PROXY_HEADER_CERTIFICATE_IN_SESSION
                                    : PROXY_HEADER_CERTIFICATE_IN_SESSION |
                                          PROXY_HEADER_CERTIFICATE_ON_CONNECTION;
    if (wanted & (unsigned)PROXY_TLV_SSL)
        tls.cipher = slice_from(info->cipher);
    if ((wanted & (unsigned)PROXY_TLV_CN) && is_verified)
        tls.common_name = slice_from(info->peer_name);
    return tls;
}

static void add_tlvs(
    const struct upstream *upstream, const struct tls_info *info, struct proxy_header *header)
{
    unsigned wanted = backend(upstream)->proxy_tlvs;

    if (wanted & (unsigned)PROXY_TLV_UNIQUE_ID)
        header->unique_id = upstream->search->client.id;
    /* If mailmux has not ended any TLS, a balancer in front may have. */
    if (!upstream->search->client.leg->handshaken) {
        if (upstream->search->client.front_tls)
            front_tls_put(upstream->search->client.front_tls, wanted, header);
        if ((wanted & (unsigned)PROXY_TLV_AUTHORITY) && upstream->search->client.sni.n > 0)
            header->authority = upstream->search->client.sni;
        if (!is_host_name(header->authority))
            header->authority = SLICE("");
        return;
    }
    if (wanted & (unsigned)(PROXY_TLV_SSL | PROXY_TLV_CN)) {
        header->has_tls = true;
        header->tls = tls_of(info, wanted);
    }
    if (wanted & (unsigned)PROXY_TLV_ALPN)
        header->alpn = slice_from(info->alpn);
    if ((wanted & (unsigned)PROXY_TLV_AUTHORITY) && is_host_name(slice_from(info->sni)))
        header->authority = slice_from(info->sni);
}

/* Returns whether the client speaks TLS, with mailmux or with a load balancer in front of it. */
static bool has_tls(const struct upstream_client *client)
{
    return client->leg->handshaken || client->front_tls != NULL;
}

bool upstream_write_header(struct upstream *upstream, struct buffer *out)
{
    const struct upstream_client *client = &upstream->search->client;
    const unsigned of_tls = (unsigned)~(unsigned)PROXY_TLV_UNIQUE_ID;
    struct proxy_header header = {
        .version = proxy_header_version(backend(upstream)->send_client_address),
        .command = PROXY_HEADER_PROXY,
        .has_addresses =
            address_family(client->source) != 0 && address_family(client->destination) != 0,
        .source = *client->source,
        .destination = *client->destination};
    struct tls_info info;

    if (header.version == 2) {
        (void)stream_tls_info(client->leg, &info);
        add_tlvs(upstream, &info, &header);
        /* The client may still begin its TLS; until then the backend takes it for one in clear. */
        if ((backend(upstream)->proxy_tlvs & of_tls) != 0 && !has_tls(client))
            upstream->search->told_clear = true;
    }
    return proxy_header_write(&header, out);
}

/* Returns whether the identity says if the client speaks TLS. */
static bool tells_tls(const struct upstream *upstream)
{
    const struct config_protocol_row *row = config_protocol_row(backend(upstream)->protocol);

    return row->identity_tells_tls && backend(upstream)->send_client_address == row->identity;
}

void upstream_set_identity(struct upstream *upstream)
{
    const struct upstream_client *client = &upstream->search->client;

    upstream->search->identity = (struct opening_client){.source = *client->source,
        .destination = *client->destination,
        .tls = has_tls(client) || upstream->route->needs_tls,
        .session_id = client->id};
    upstream->search->told_clear = tells_tls(upstream) && !upstream->search->identity.tls;
}

/* Other mail servers are excluded: they do not care, and they have many sessions on port 25. */
bool upstream_has_told_less(const struct upstream *upstream)
{
    return upstream->search->told_clear && upstream->route->has_logins;
}
