/* One fuzz target per grammar; what they have in common is in dialog_fuzz.c. */
#ifndef MAILMUX_DIALOG_FUZZ_H
#define MAILMUX_DIALOG_FUZZ_H

#include "mailmux/dialog.h"

int dialog_fuzz(const struct protocol *protocol, const uint8_t *data, size_t n);

#endif
