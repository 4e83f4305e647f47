#include "mailmux/cidr.h"

#include <stdio.h>

enum {
    IPV4_BITS = 32,
    IPV6_BITS = 128,
    MAPPED_BITS = 96 /* of ::ffff:0:0/96, in front of the IPv4 address [RFC 4291 2.5.5.2] */
};

static unsigned bits_of_family(const struct address *address)
{
    return address_family(address) == AF_INET6 ? IPV6_BITS : IPV4_BITS;
}

static unsigned char *bytes_of(struct address *address)
{
    return address_family(address) == AF_INET6 ? address->socket.v6.sin6_addr.s6_addr
                                               : (unsigned char *)&address->socket.v4.sin_addr;
}

/* The bits of the n-th byte that belong to a prefix of this length. */
static unsigned char mask_of(unsigned bits, unsigned n)
{
    if (bits >= (n + 1) * 8)
        return 0xff;
    if (bits <= n * 8)
        return 0;
    return (unsigned char)(0xffU << (8 - bits % 8));
}

static struct address masked(const struct address *address, unsigned bits)
{
    struct address network = *address;
    unsigned char *bytes = bytes_of(&network);

    for (unsigned i = 0; i < bits_of_family(address) / 8; i++)
        bytes[i] = (unsigned char)(bytes[i] & mask_of(bits, i));
    return network;
}

/* A network inside ::ffff:0:0/96 becomes the IPv4 network that it means. */
static void unmap(struct cidr *cidr)
{
    if (address_family(&cidr->network) != AF_INET6 || cidr->bits < MAPPED_BITS)
        return;
    address_unmap(&cidr->network);
    if (address_family(&cidr->network) == AF_INET)
        cidr->bits -= MAPPED_BITS;
}

static bool parse_bits(
    struct slice text, const struct address *address, unsigned *out, struct error *error)
{
    uint64_t bits;

    if (!slice_number(text, bits_of_family(address), &bits)) {
        error_set(error, "\"/%.*s\" is no length of a prefix here; allowed: /0 to /%u", (int)text.n,
            text.p, bits_of_family(address));
        return false;
    }
    *out = (unsigned)bits;
    return true;
}

bool cidr_parse(struct slice text, struct cidr *out, struct error *error)
{
    size_t slash = slice_find(text, '/');
    char network_text[CIDR_TEXT_MAX];
    char address_text[ADDRESS_TEXT_MAX];
    struct cidr parsed;
    struct address given;

    if (!address_parse_ip(slice_of(text.p, slash), 0, &given)) {
        error_set(error,
            "not a network; write e.g. 10.0.0.0/8, 2001:db8::/32 or, for one address, 192.0.2.1");
        return false;
    }
    parsed.bits = bits_of_family(&given);
    if (slash < text.n && !parse_bits(slice_after(text, slash + 1), &given, &parsed.bits, error))
        return false;
    parsed.network = masked(&given, parsed.bits);
    if (!address_same_host(&parsed.network, &given)) {
        error_set(error,
            "the address has bits set behind its first %u; write %s for the network, "
            "or %s for the one address",
            parsed.bits, cidr_text(&parsed, network_text), address_ip_text(&given, address_text));
        return false;
    }
    unmap(&parsed);
    *out = parsed;
    return true;
}

static bool starts_with(const struct address *address, const struct cidr *cidr)
{
    struct address network = masked(address, cidr->bits);

    return address_same_host(&network, &cidr->network);
}

static bool matches(const struct cidr *cidr, const struct address *address)
{
    struct address plain = *address;

    if (address_family(&cidr->network) == AF_INET)
        address_unmap(&plain);
    return address_family(&plain) == address_family(&cidr->network) && starts_with(&plain, cidr);
}

bool cidr_list_matches(const struct cidr *list, size_t count, const struct address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (matches(&list[i], address))
            return true;
    }
    return false;
}

const char *cidr_text(const struct cidr *cidr, char out[CIDR_TEXT_MAX])
{
    char ip[ADDRESS_TEXT_MAX];

    (void)address_ip_text(&cidr->network, ip);
    if (cidr->bits == bits_of_family(&cidr->network))
        (void)snprintf(out, CIDR_TEXT_MAX, "%.79s", ip);
    else
        (void)snprintf(out, CIDR_TEXT_MAX, "%.79s/%u", ip, cidr->bits);
    return out;
}
