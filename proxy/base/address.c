#include "mailmux/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool address_from_socket(const struct sockaddr *from, struct address *out)
{
    if (from->sa_family != AF_INET && from->sa_family != AF_INET6)
        return false;
    *out = (struct address){0};
    out->socket.any.sa_family = from->sa_family;
    memcpy(&out->socket, from, address_len(out));
    if (from->sa_family == AF_INET6)
        out->socket.v6.sin6_flowinfo = 0; /* of one packet; it is no part of the address */
    return true;
}

bool address_parse_ip(struct slice text, uint16_t port, struct address *out)
{
    char copy[INET6_ADDRSTRLEN];
    struct address parsed = {0};

    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = slice_of(text.p + 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof(copy) || slice_find(text, '\0') < text.n)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, &parsed.socket.v4.sin_addr) == 1) {
        parsed.socket.v4.sin_family = AF_INET;
        parsed.socket.v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, copy, &parsed.socket.v6.sin6_addr) == 1) {
        parsed.socket.v6.sin6_family = AF_INET6;
        parsed.socket.v6.sin6_port = htons(port);
    } else {
        return false;
    }
    *out = parsed;
    return true;
}

bool address_parse_unix(struct slice path, struct address *out)
{
    struct address parsed = {.socket.local.sun_family = AF_UNIX};
    bool is_abstract = path.n > 1 && path.p[0] == '@';

    if (path.n == 0 || path.n > ADDRESS_PATH_MAX || slice_find(path, '\0') < path.n ||
        (path.p[0] != '/' && !is_abstract))
        return false;
    memcpy(parsed.socket.local.sun_path, path.p, path.n);
    if (is_abstract)
        parsed.socket.local.sun_path[0] = '\0';
    *out = parsed;
    return true;
}

bool address_split_port(struct slice text, struct slice *host, uint16_t *port)
{
    struct slice before;
    uint64_t number;
    size_t colon = text.n;

    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !slice_number(slice_after(text, colon), UINT16_MAX, &number) || number == 0)
        return false;
    before = slice_of(text.p, colon - 1);
    if (before.n >= 2 && before.p[0] == '[' && before.p[before.n - 1] == ']')
        before = slice_of(before.p + 1, before.n - 2);
    else if (slice_find(before, ':') < before.n)
        return false;
    if (before.n == 0)
        return false;
    *host = before;
    *port = (uint16_t)number;
    return true;
}

int address_family(const struct address *address)
{
    return address->socket.any.sa_family;
}

/* Without the NUL behind it: an abstract name is as long as its address says. */
static socklen_t local_len(const struct sockaddr_un *local)
{
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                       strnlen(local->sun_path + 1, ADDRESS_PATH_MAX - 1));
}

socklen_t address_len(const struct address *address)
{
    switch (address_family(address)) {
    case AF_INET6:
        return (socklen_t)sizeof(address->socket.v6);
    case AF_UNIX:
        return local_len(&address->socket.local);
    default:
        return (socklen_t)sizeof(address->socket.v4);
    }
}

uint16_t address_port(const struct address *address)
{
    switch (address_family(address)) {
    case AF_INET6:
        return ntohs(address->socket.v6.sin6_port);
    case AF_UNIX:
        return 0;
    default:
        return ntohs(address->socket.v4.sin_port);
    }
}

bool address_is_wildcard(const struct address *address)
{
    if (address_family(address) == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&address->socket.v6.sin6_addr);
    return address_family(address) != AF_UNIX &&
           address->socket.v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool address_is_loopback(const struct address *address)
{
    if (address_family(address) == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->socket.v6.sin6_addr);
    return address_family(address) != AF_UNIX &&
           ntohl(address->socket.v4.sin_addr.s_addr) >> 24 == 127;
}

void address_unmap(struct address *address)
{
    struct address mapped = {0};

    if (address_family(address) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->socket.v6.sin6_addr))
        return;
    mapped.socket.v4.sin_family = AF_INET;
    mapped.socket.v4.sin_port = address->socket.v6.sin6_port;
    memcpy(&mapped.socket.v4.sin_addr, &address->socket.v6.sin6_addr.s6_addr[12], 4);
    *address = mapped;
}

bool address_same_host(const struct address *a, const struct address *b)
{
    if (address_family(a) != address_family(b))
        return false;
    if (address_family(a) == AF_INET)
        return a->socket.v4.sin_addr.s_addr == b->socket.v4.sin_addr.s_addr;
    if (address_family(a) == AF_UNIX)
        return memcmp(a->socket.local.sun_path, b->socket.local.sun_path, ADDRESS_PATH_MAX) == 0;
    return IN6_ARE_ADDR_EQUAL(&a->socket.v6.sin6_addr, &b->socket.v6.sin6_addr);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_same_host(a, b) && address_port(a) == address_port(b);
}

struct slice address_key(const struct address *address)
{
    const struct sockaddr_in6 *v6 = &address->socket.v6;
    const struct sockaddr_in *v4 = &address->socket.v4;

    /* The port, the flow (0, see address_from_socket) and the address follow each other. */
    if (address_family(address) == AF_INET6)
        return slice_of((const char *)&v6->sin6_port, offsetof(struct sockaddr_in6, sin6_scope_id) -
                                                          offsetof(struct sockaddr_in6, sin6_port));
    if (address_family(address) == AF_INET)
        return slice_of((const char *)&v4->sin_port,
            offsetof(struct sockaddr_in, sin_zero) - offsetof(struct sockaddr_in, sin_port));
    return slice_of(address->socket.local.sun_path, ADDRESS_PATH_MAX);
}

bool address_binds_collide(const struct address *a, const struct address *b)
{
    return address_family(a) == address_family(b) && address_port(a) == address_port(b) &&
           (address_same_host(a, b) || address_is_wildcard(a) || address_is_wildcard(b));
}

/* Writes the path, or "@" and the abstract name. Returns out. */
static const char *local_text(const struct sockaddr_un *local, char out[ADDRESS_TEXT_MAX])
{
    bool is_abstract = local->sun_path[0] == '\0';

    (void)snprintf(out, ADDRESS_TEXT_MAX, "%s%.*s", is_abstract ? "@" : "",
        ADDRESS_PATH_MAX - is_abstract, local->sun_path + is_abstract);
    return out;
}

static char *put_decimal(char *out, unsigned number)
{
    char digits[SLICE_DECIMAL_MAX];
    struct slice text = slice_decimal(number, digits);

    memcpy(out, text.p, text.n);
    return out + text.n;
}

static const char *v4_text(const struct in_addr *ip, char out[ADDRESS_TEXT_MAX])
{
    const unsigned char *octets = (const unsigned char *)&ip->s_addr;
    char *end = put_decimal(out, octets[0]);

    for (int i = 1; i < 4; i++) {
        *end++ = '.';
        end = put_decimal(end, octets[i]);
    }
    *end = '\0';
    return out;
}

const char *address_ip_text(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    if (address_family(address) == AF_UNIX)
        return local_text(&address->socket.local, out);
    if (address_family(address) == AF_INET)
        return v4_text(&address->socket.v4.sin_addr, out);
    if (address_family(address) != AF_INET6 ||
        !inet_ntop(AF_INET6, &address->socket.v6.sin6_addr, out, ADDRESS_TEXT_MAX))
        (void)snprintf(out, ADDRESS_TEXT_MAX, "unknown");
    return out;
}

const char *address_text(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    char ip[ADDRESS_TEXT_MAX];
    char *end;

    if (address_family(address) == AF_INET) {
        end = out + strlen(address_ip_text(address, out));
        *end++ = ':';
        *put_decimal(end, address_port(address)) = '\0';
        return out;
    }
    (void)address_ip_text(address, ip);
    if (address_family(address) == AF_INET6)
        (void)snprintf(out, ADDRESS_TEXT_MAX, "[%.70s]:%hu", ip, address_port(address));
    else if (address_family(address) == AF_UNIX)
        (void)snprintf(out, ADDRESS_TEXT_MAX, "unix:%.*s", ADDRESS_PATH_MAX, ip);
    else
        (void)snprintf(out, ADDRESS_TEXT_MAX, "%.70s", ip);
    return out;
}
