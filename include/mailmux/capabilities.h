/*
 * Sets of what mail servers offer, as opening_init keeps them: one capability a line. Pure; any
 * thread.
 */
#ifndef MAILMUX_CAPABILITIES_H
#define MAILMUX_CAPABILITIES_H

#include "mailmux/buffer.h"

/*
 * Appends what `words` has and `other` has not, with ", " between, as far as there is room. Letters
 * compare without case, the order of mechanisms counts for nothing, and what names the server's
 * own software is not looked at. False: there is nothing.
 */
bool capabilities_missing(struct slice words, struct slice other, struct buffer *out);

#endif
