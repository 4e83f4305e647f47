/*
 * Target: protocol_managesieve (grammar/managesieve*.c) below dialog_feed (grammar/dialog.c).
 * Input and what must hold: dialog_fuzz.c, dialog_run.h.
 */
#include "dialog_fuzz.h"
#include "fuzz.h"
#include "mailmux/protocols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return dialog_fuzz(&protocol_managesieve, data, n);
}
