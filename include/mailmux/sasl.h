/*
 * What a SASL exchange shows of its user [RFC 4422], never of the password: for the log, and for
 * choosing a server. Pure; constant memory; any thread.
 */
#ifndef MAILMUX_SASL_H
#define MAILMUX_SASL_H

#include "mailmux/slice.h"

/*
 * A mechanism that cannot work through us or must not: *-PLUS is bound to the backend's TLS
 * channel, EXTERNAL would speak of our own connection to the backend. Neither shown nor forwarded.
 */
bool sasl_is_withheld(struct slice mechanism);

/* A list of mechanisms, with blanks between them, has one that is withheld; one that is not. */
bool sasl_has_withheld(struct slice mechanisms);
bool sasl_has_others(struct slice mechanisms);

/* A mechanism's name: letters, digits, hyphens and underscores [RFC 4422 3.1]. */
bool sasl_is_mechanism(struct slice word);

/* Base64 letters, perhaps none, with padding at the end only. */
bool sasl_is_base64(struct slice line);

/*
 * The name of the user out of the first response of an exchange, which is base64. What follows it
 * is not decoded. At most cap octets are written. Returns false when the response does not tell.
 */
bool sasl_user(
    struct slice mechanism, struct slice response, char *user, size_t cap, size_t *user_len);

#endif
