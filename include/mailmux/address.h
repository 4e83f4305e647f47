/*
 * Where a socket is, by value: IPv4 or IPv6 with a port, or a unix socket. Unspecified (family 0)
 * after {0}. libc only: no name is looked up here. Any thread.
 */
#ifndef MAILMUX_ADDRESS_H
#define MAILMUX_ADDRESS_H

#include "mailmux/slice.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } socket;
};

enum {
    ADDRESS_PATH_MAX = 107, /* of a unix socket, in octets: what the kernel takes, without NUL */
    ADDRESS_TEXT_MAX = 128  /* room for "unix:" and a path, or "[ipv6%scope]:port", and its NUL */
};

/*
 * Writes the address to *out. Returns false if the family is neither IPv4 nor IPv6; *out is not
 * changed then.
 */
bool address_from_socket(const struct sockaddr *from, struct address *out);

/*
 * Reads an IP literal, IPv6 with or without brackets. Returns false for anything else, host names
 * included.
 */
bool address_parse_ip(struct slice text, uint16_t port, struct address *out);

/*
 * Reads the path of a unix socket: "/path", or "@name" for one that has no file (the abstract names
 * of Linux, unpadded as systemd writes them). Returns false for anything else, and for a path over
 * ADDRESS_PATH_MAX.
 */
bool address_parse_unix(struct slice path, struct address *out);

/*
 * Splits "host:port", "[v6]:port" or "*:port"; the brackets are dropped. *host points into text.
 * Returns false if there is no port, or one outside 1-65535, or an IPv6 address without brackets.
 */
bool address_split_port(struct slice text, struct slice *host, uint16_t *port);

/*
 * Return the family (AF_INET, AF_INET6, AF_UNIX, or 0 if there is none), the length of its
 * sockaddr, and the port, which is 0 for a unix socket.
 */
int address_family(const struct address *address);
socklen_t address_len(const struct address *address);
uint16_t address_port(const struct address *address);

/* Returns whether it is 0.0.0.0 or ::, whatever the port. */
bool address_is_wildcard(const struct address *address);

/* Returns whether it is in 127.0.0.0/8, or ::1. A unix socket is not. */
bool address_is_loopback(const struct address *address);

/* An IPv4-mapped IPv6 address becomes the IPv4 address that it means. */
void address_unmap(struct address *address);

/*
 * Returns whether family, address and port are equal; address_same_host does not compare the port.
 * A unix socket equals one of the same path, as it is written.
 */
bool address_equal(const struct address *a, const struct address *b);
bool address_same_host(const struct address *a, const struct address *b);

/*
 * Returns octets that are the same for equal addresses (address_equal), and differ for others. They
 * are the address's own.
 */
struct slice address_key(const struct address *address);

/*
 * Returns whether the kernel would refuse to listen on both. IPv4 and IPv6 never meet: [::] is
 * bound for IPv6 alone.
 */
bool address_binds_collide(const struct address *a, const struct address *b);

/*
 * Writes "1.2.3.4:25", "[::1]:25", "unix:/path" or "unix:@name"; address_ip_text without port,
 * brackets and "unix:". Returns out.
 */
const char *address_text(const struct address *address, char out[ADDRESS_TEXT_MAX]);
const char *address_ip_text(const struct address *address, char out[ADDRESS_TEXT_MAX]);

#endif
