/*
 * Reading what a ClientHello [RFC 8446 4.1.2] asks for, before TLS itself gets it: the host name
 * (SNI) and the application protocols (ALPN). It may be cut over records and segments in any way.
 * Pure: no I/O, no heap. What is read is copied, or borrows the input.
 *
 * The first result other than CLIENT_HELLO_MORE is final: more input does not change it. It comes
 * with the first octet that settles it.
 */
#ifndef MAILMUX_CLIENT_HELLO_H
#define MAILMUX_CLIENT_HELLO_H

#include "mailmux/slice.h"

enum client_hello_result {
    CLIENT_HELLO_MORE,      /* not all of it is there */
    CLIENT_HELLO_COMPLETE,  /* *out is filled */
    CLIENT_HELLO_NOT_TLS,   /* the first octet is none of TLS; a hello of SSL 2 counts as that */
    CLIENT_HELLO_MALFORMED, /* it begins like TLS, and no TLS library would take it */
    CLIENT_HELLO_LARGE      /* it has more octets than the limit, the heads of records included */
};

enum {
    CLIENT_HELLO_FIRST = 0x16,  /* the first octet of TLS */
    CLIENT_HELLO_NAME_MAX = 255 /* octets of a host name [RFC 6066 3], or of a protocol's name */
};

/* A part of the hello that goes on over the records in which it is. It borrows the input. */
struct client_hello_part {
    struct slice rest; /* of the input, from the part's next octet, or a record's head, on */
    size_t record;     /* octets that are left in the record there */
    size_t n;          /* octets that are left in the part */
};

struct client_hello {
    size_t sni_n; /* 0: it asks for no name */
    char sni[CLIENT_HELLO_NAME_MAX];
    struct client_hello_part alpn; /* names, each behind its length; empty: it offers none */
};

/*
 * Reads the hello at the start of `in`. limit: the most octets of the input that it may take. *out
 * is written on CLIENT_HELLO_COMPLETE alone. It borrows `in`, except for the name.
 */
enum client_hello_result client_hello_parse(
    struct slice in, size_t limit, struct client_hello *out);

/*
 * Takes the next name off a list of protocols, which begins as hello->alpn. Returns false at its
 * end.
 */
bool client_hello_next_protocol(
    struct client_hello_part *list, char name[CLIENT_HELLO_NAME_MAX], size_t *n);

#endif
