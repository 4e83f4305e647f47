/*
 * Which SASL mechanisms pass [RFC 4422], and what an exchange shows of its user; of the password
 * nothing is ever kept. Pure; constant memory; any thread.
 */
#ifndef MAILMUX_SASL_H
#define MAILMUX_SASL_H

#include "mailmux/slice.h"

/*
 * Returns whether the mechanism is neither shown to clients nor forwarded. "*-PLUS" is bound to the
 * backend's TLS channel [RFC 5802 4], and so cannot work through us. EXTERNAL would speak of our
 * own connection to the backend, and so must not pass [RFC 4422 A].
 */
bool sasl_is_withheld(struct slice mechanism);

/*
 * Return whether a list of mechanisms, with blanks between them, has one that is withheld, and
 * whether it has one that is not.
 */
bool sasl_has_withheld(struct slice mechanisms);
bool sasl_has_others(struct slice mechanisms);

/*
 * Returns whether the word is a mechanism's name: letters, digits, hyphens and underscores [RFC
 * 4422 3.1]. The RFC allows 20 characters; we allow 32.
 */
bool sasl_is_mechanism(struct slice word);

/*
 * Returns the mechanism's name as a constant, in capitals, or "other" for one that is not known. A
 * word that a client has sent in the place of a mechanism may be anything, a password, too.
 */
const char *sasl_name(struct slice mechanism);

/*
 * Returns whether the line is letters of base64 [RFC 4648 4], perhaps none, with at most two '=' at
 * its end.
 */
bool sasl_is_base64(struct slice line);

/*
 * Writes the user's name from the first response of an exchange, which is base64. What stands
 * behind the name is not decoded. At most cap octets are written to `user`, and their number to
 * *user_len. Returns false if the response has no name that can be read; `user` is of no use then.
 */
bool sasl_user(
    struct slice mechanism, struct slice response, char *user, size_t cap, size_t *user_len);

#endif
