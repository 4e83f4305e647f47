/*
 * Which rule of a listener is for a client, by the first octets that the client says. Pure: no I/O,
 * no heap, no clock.
 *
 * The rules are tried in their order, and the first one that is for the client is chosen. The
 * choice is made with the first octet from which on no further one could change it. So it does not
 * depend on how the octets are cut, and a rule that looks at no octet, such as `default` at the
 * beginning, is chosen without any.
 *
 * How the session waits: for the first octet as long as `sniff` says. A client that has said
 * something has not waited for a greeting, so for the rest of its hello it has the time of a
 * handshake, and for the rest of its first line the time of a line. Then nothing more comes in
 * time (is_over).
 */
#ifndef MAILMUX_ROUTING_H
#define MAILMUX_ROUTING_H

#include "mailmux/client_hello.h"
#include "mailmux/routing_rule.h"

struct routing_input {
    struct slice bytes;           /* all that the client has said since the connection */
    bool is_over;                 /* no more will come, or not in time */
    const struct address *client; /* as a PROXY header says, where one is trusted */
    size_t limit;                 /* of a ClientHello, in octets (limits.client_hello) */
};

enum routing_result { ROUTING_MORE, ROUTING_DECIDED };

/* The index of the rule if there is none: the client is refused. */
#define ROUTING_NONE SIZE_MAX

struct routing_choice {
    size_t rule;
    bool is_tls; /* the client has begun with TLS */
    /* How far its hello was read: a rule before ALPN and SNI may be chosen without the whole. */
    enum client_hello_result hello;
    struct client_hello client_hello; /* with CLIENT_HELLO_COMPLETE; borrows input->bytes */
};

/*
 * Chooses. *out is written on ROUTING_DECIDED alone. A hello that is too large or malformed asks
 * for no name and offers no protocol. An IP address is no name.
 */
enum routing_result routing_decide(const struct routing_rule *rules, size_t count,
    const struct routing_input *input, struct routing_choice *out);

#endif
