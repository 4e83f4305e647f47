/* What is said of an address or a host name that is understood, but not possible. */
#include "config_value.h"

#include "mailmux/address.h"
#include "punycode.h"
#include <stdio.h>
#include <string.h>

static bool has_other_letters(struct slice host)
{
    for (size_t i = 0; i < host.n; i++) {
        if ((unsigned char)host.p[i] >= 0x80)
            return true;
    }
    return false;
}

/* Returns whether it is an IPv6 address with '%' and the name of an interface behind it. */
static bool has_zone(struct slice host)
{
    size_t percent = slice_find(host, '%');
    struct address ignored;

    if (host.n > 0 && host.p[0] == '[')
        return has_zone(slice_after(host, 1));
    return percent < host.n && address_parse_ip(slice_of(host.p, percent), 0, &ignored);
}

static bool is_link_local(struct slice host)
{
    struct address address;

    return address_parse_ip(host, 0, &address) && address_family(&address) == AF_INET6 &&
           IN6_IS_ADDR_LINKLOCAL(&address.socket.v6.sin6_addr);
}

static struct slice find_scheme(struct slice text)
{
    size_t colon = slice_find(text, ':');

    return slice_starts(slice_after(text, colon), SLICE("://")) ? slice_of(text.p, colon + 3)
                                                                : slice_of(text.p, 0);
}

const char *config_host_remedy(struct slice host, char out[CONFIG_REMEDY_MAX])
{
    struct slice scheme = find_scheme(host);
    char ascii[PUNYCODE_HOST_MAX];

    if (has_zone(host) || is_link_local(host))
        (void)snprintf(out, CONFIG_REMEDY_MAX,
            "an address of one link alone, which needs an interface beside it, is not possible; "
            "give the machine an address that is valid beyond the link, and name that");
    else if (scheme.n > 0)
        (void)snprintf(out, CONFIG_REMEDY_MAX, "leave \"%.*s\" out; protocol and tls are settings",
            (int)scheme.n, scheme.p);
    else if (has_other_letters(host) && punycode_host(host, ascii) &&
             config_host_is_valid(slice_from(ascii)))
        (void)snprintf(out, CONFIG_REMEDY_MAX, "DNS has this name in ASCII; write %s", ascii);
    else if (has_other_letters(host))
        (void)snprintf(out, CONFIG_REMEDY_MAX,
            "DNS has names in ASCII; write its form with xn--, which `idn2 NAME` tells");
    else if (host.n > 1 && host.p[host.n - 1] == '.' &&
             config_host_is_valid(slice_of(host.p, host.n - 1)))
        (void)snprintf(out, CONFIG_REMEDY_MAX, "leave the dot at the end out; write %.*s",
            (int)host.n - 1, host.p);
    else
        return NULL;
    return out;
}
