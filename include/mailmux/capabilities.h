/*
 * Comparing what two mail servers offer. A set is text as opening_init keeps it: one capability a
 * line. Pure; any thread.
 */
#ifndef MAILMUX_CAPABILITIES_H
#define MAILMUX_CAPABILITIES_H

#include "mailmux/buffer.h"

/*
 * Appends what `words` has and `other` has not, with ", " between, as far as there is room. Letters
 * compare without case. The order of mechanisms does not count, nor does POP3's IMPLEMENTATION,
 * which names the server's software. Returns false if nothing is missing.
 */
bool capabilities_missing(struct slice words, struct slice other, struct buffer *out);

#endif
