/* There is a fuzz target for each grammar. dialog_fuzz.c has what they have in common. */
#ifndef MAILMUX_DIALOG_FUZZ_H
#define MAILMUX_DIALOG_FUZZ_H

#include "mailmux/dialog.h"

/* Plays one input (see dialog_fuzz.c) with that grammar. Returns 0, as libFuzzer wants it. */
int dialog_fuzz(const struct protocol *protocol, const uint8_t *data, size_t n);

#endif
