/*
 * What a dialog remembers of a ManageSieve session before its login [RFC 5804]; private to the
 * grammar.
 */
#ifndef MAILMUX_MANAGESIEVE_H
#define MAILMUX_MANAGESIEVE_H

#include <stdbool.h>
#include <stddef.h>

/* The one outstanding command: it decides what may come before OK, NO or BYE. */
enum managesieve_command {
    MANAGESIEVE_NONE,
    MANAGESIEVE_NOOP,
    MANAGESIEVE_CAPABILITY,
    MANAGESIEVE_AUTHENTICATE,
    MANAGESIEVE_LOGOUT
};

struct managesieve {
    enum managesieve_command command;
    bool must_tell;      /* TLS is new, and the client waits for the capabilities [RFC 5804 2.2] */
    bool dirty;          /* in plaintext the backend saw more than CAPABILITY and NOOP */
    size_t reply_octets; /* of the replies since the last command */
    size_t reply_lines;
};

#endif
