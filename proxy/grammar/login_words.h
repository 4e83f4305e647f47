/*
 * The words by which a server says that it takes no login on a connection without TLS. For the
 * dialog and the opening alike; what they tell is advice for the log, and changes no session.
 */
#ifndef MAILMUX_LOGIN_WORDS_H
#define MAILMUX_LOGIN_WORDS_H

#include "mailmux/opening.h"

/* Of IMAP capabilities: LOGINDISABLED is among them [RFC 9051 7.2.2]. */
bool login_is_disabled(struct slice words);

/* Of SASL mechanisms: one takes a password as it is, which all clients know. */
bool login_has_plain(struct slice mechanisms);

/* The same as bits of enum opening_offer. */
unsigned login_offers(struct slice mechanisms);

/* A refusal speaks of TLS, as the one that says what is lacking does. */
bool login_wants_tls(struct slice text);

#endif
