/*
 * The words by which a server says that it takes no login on a connection without TLS. For the
 * dialog and the opening alike; what they tell is advice for the log, and changes no session.
 */
#ifndef MAILMUX_LOGIN_WORDS_H
#define MAILMUX_LOGIN_WORDS_H

#include "mailmux/opening.h"

/* LOGINDISABLED is among these capabilities of IMAP [RFC 9051 7.2.2]. */
bool login_is_disabled(struct slice words);

/*
 * One of these SASL mechanisms takes a password as it is: PLAIN or LOGIN, which all clients know.
 */
bool login_has_plain(struct slice mechanisms);

/* What these SASL mechanisms offer, as bits of enum opening_offer. */
unsigned login_offers(struct slice mechanisms);

/* The text of a refusal speaks of TLS, as it does where TLS is what is lacking. */
bool login_wants_tls(struct slice text);

#endif
