/* The protocols that there are. Constants, for any thread. */
#ifndef MAILMUX_PROTOCOLS_H
#define MAILMUX_PROTOCOLS_H

#include "mailmux/dialog.h"

extern const struct protocol protocol_smtp;
extern const struct protocol protocol_lmtp;
extern const struct protocol protocol_pop3;
extern const struct protocol protocol_imap;
extern const struct protocol protocol_managesieve;

#endif
