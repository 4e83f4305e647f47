/*
 * The names by which clients offer a protocol of mail in ALPN [RFC 7301]. Each list begins with the
 * name that is registered (that of smtp is in use without it), ends with NULL, and has the names
 * that stand for it: those of ports and settings, which some clients offer. Constants; any thread.
 */
#ifndef MAILMUX_ALPN_H
#define MAILMUX_ALPN_H

#include "mailmux/slice.h"

extern const char *const alpn_smtp[];
extern const char *const alpn_pop3[];
extern const char *const alpn_imap[];

/*
 * Returns whether the offered name is the protocol's own, or stands for it: imaps stands for imap,
 * but imap not for imaps. Names are compared octet by octet.
 */
bool alpn_means(struct slice protocol, struct slice offered);

#endif
