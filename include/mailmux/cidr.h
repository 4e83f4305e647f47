/*
 * Networks in CIDR notation [RFC 4632 3.1, RFC 4291 2.3]: lists of addresses that are trusted with
 * something. By value, pure; any thread.
 *
 * An IPv4-mapped IPv6 address is the IPv4 address that it means, in a network as in what is
 * compared with it.
 */
#ifndef MAILMUX_CIDR_H
#define MAILMUX_CIDR_H

#include "mailmux/address.h"
#include "mailmux/error.h"

struct cidr {
    struct address network; /* its port is 0, its bits below the mask, too */
    unsigned bits;          /* length of the prefix */
};

/* Room for "ipv6/128" and its NUL. */
enum { CIDR_TEXT_MAX = ADDRESS_TEXT_MAX + 4 };

/*
 * "10.0.0.0/8", "2001:db8::/32", or an address alone. Bits below the mask are an error: whoever
 * wrote them meant another network, or one address. The error says what would be right.
 */
bool cidr_parse(struct slice text, struct cidr *out, struct error *error);

bool cidr_matches(const struct cidr *cidr, const struct address *address);

/* Whether any of them does; false where there is none. */
bool cidr_list_matches(const struct cidr *list, size_t count, const struct address *address);

/* As cidr_parse reads it; a single address without its length. Returns out. */
const char *cidr_text(const struct cidr *cidr, char out[CIDR_TEXT_MAX]);

#endif
