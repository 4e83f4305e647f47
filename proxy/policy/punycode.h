/*
 * The ASCII form of a host name with other letters [RFC 3492, RFC 5891]: "xn--..." for each label
 * that needs it. It is for advice alone: letters are folded to lower case for Latin-1, Greek and
 * Cyrillic, and normalised in no other way. Any thread.
 */
#ifndef MAILMUX_PUNYCODE_H
#define MAILMUX_PUNYCODE_H

#include "mailmux/slice.h"

enum { PUNYCODE_HOST_MAX = 254 };

/*
 * Writes the ASCII form of a name in UTF-8. Returns false if it is no UTF-8, would have to be
 * normalised first, or is too long.
 */
bool punycode_host(struct slice host, char out[PUNYCODE_HOST_MAX]);

#endif
