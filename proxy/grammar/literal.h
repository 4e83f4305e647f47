/*
 * Strings of IMAP and ManageSieve: in quotes, or as a literal behind the line that announces it
 * [RFC 9051 4.3, RFC 7888, RFC 5804 1.2]. Pure; any thread.
 */
#ifndef MAILMUX_LITERAL_H
#define MAILMUX_LITERAL_H

#include "mailmux/slice.h"

/*
 * Returns how many octets the quoted string at the start of s takes, or 0 if it does not end. Its
 * first octet is a quote.
 */
size_t string_quoted_length(struct slice s);

/* Returns whether each quoted string that begins in the line also ends in it. */
bool strings_are_balanced(struct slice line);

enum literal {
    LITERAL_NONE,
    LITERAL_WRONG, /* there are braces, but no number in them */
    LITERAL_WAITS, /* {n}: the client waits until the server asks for it */
    LITERAL_COMES  /* {n+}: it follows at once [RFC 7888] */
};

/*
 * Finds the literal that the line ends with. A number beyond 64 bits counts as UINT64_MAX octets.
 * *octets is written on WAITS and COMES only.
 */
enum literal literal_find(struct slice line, uint64_t *octets);

/* Returns whether a literal follows the line, of whichever of the two forms; *octets as above. */
bool literal_follows(struct slice line, uint64_t *octets);

#endif
