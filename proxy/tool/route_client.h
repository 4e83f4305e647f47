/* Private to --route: the first octets of a client, made of the words of the command line. */
#ifndef MAILMUX_ROUTE_CLIENT_H
#define MAILMUX_ROUTE_CLIENT_H

#include "mailmux/buffer.h"
#include "mailmux/error.h"
#include "route_command.h"

enum { ROUTE_CLIENT_MAX = 16384 };

/* Returns whether the word stands for something; "-" and an empty one do not. */
bool route_client_has(const char *word);

/*
 * Writes what the client says to `out`, which has room for ROUTE_CLIENT_MAX octets: a ClientHello
 * that asks for the name and offers the protocols, or the first bytes. Nothing if it is silent.
 * Returns false with an error that says what would be right.
 */
bool route_client_write(
    const struct route_question *question, struct buffer *out, struct error *error);

#endif
