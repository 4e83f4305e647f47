/*
 * Networks in CIDR notation [RFC 4632 3.1, RFC 4291 2.3], for lists of trusted addresses. Plain
 * values, pure; any thread.
 *
 * IPv4-mapped IPv6 addresses count as IPv4: a network inside ::ffff:0:0/96 is read as the IPv4
 * network, and an IPv4 network matches the mapped form of its addresses.
 */
#ifndef MAILMUX_CIDR_H
#define MAILMUX_CIDR_H

#include "mailmux/address.h"
#include "mailmux/error.h"

struct cidr {
    struct address network; /* port 0; the bits after the prefix are 0 */
    unsigned bits;          /* length of the prefix */
};

/* Room for an IPv6 address, "/128" and a NUL. */
enum { CIDR_TEXT_MAX = ADDRESS_TEXT_MAX + 4 };

/*
 * Reads "10.0.0.0/8", "2001:db8::/32" or a single address. A bit that is set after the prefix is
 * an error, because the text may mean another network or one address. Returns false on an error;
 * the error text then says what would be right, and *out is not changed.
 */
bool cidr_parse(struct slice text, struct cidr *out, struct error *error);

/*
 * Returns whether the address is in a network of the list. Its port does not matter. It is false
 * for an empty list.
 */
bool cidr_list_matches(const struct cidr *list, size_t count, const struct address *address);

/* Writes the network as cidr_parse reads it. A single address has no "/length". Returns out. */
const char *cidr_text(const struct cidr *cidr, char out[CIDR_TEXT_MAX]);

#endif
