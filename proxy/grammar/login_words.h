/*
 * The words by which a server says that it accepts no login without TLS. The dialog and the opening
 * use them. What they tell is for the log only, and changes no session.
 */
#ifndef MAILMUX_LOGIN_WORDS_H
#define MAILMUX_LOGIN_WORDS_H

#include "mailmux/opening.h"

/* Returns whether LOGINDISABLED is among these capabilities of IMAP [RFC 9051 7.2.2]. */
bool login_is_disabled(struct slice words);

/*
 * Returns whether one of these SASL mechanisms is PLAIN or LOGIN. They take the password itself,
 * and all clients know them.
 */
bool login_has_plain(struct slice mechanisms);

/* Returns what these SASL mechanisms offer, as bits of enum opening_offer. */
unsigned login_offers(struct slice mechanisms);

/*
 * Returns whether the text of a refusal speaks of TLS, which suggests that TLS is what is missing.
 */
bool login_wants_tls(struct slice text);

/*
 * Returns the response code at the start of the text of a refusal, with its brackets or, in
 * ManageSieve, parentheses [RFC 5530, RFC 3206, RFC 5804 1.3]; empty: there is none, or it is not a
 * plain word.
 */
struct slice login_code(struct slice text);

/* Returns whether such a code says that the server cannot tell now whether the password is right.
 */
bool login_code_is_passing(struct slice code);

#endif
