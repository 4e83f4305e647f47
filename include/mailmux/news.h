/*
 * What a dialog finds out for the log: how attempts to log in end, and what of the client is
 * refused here. It never holds a password: of the client's words it has names of users and
 * recipients alone; all else is constants and numbers.
 */
#ifndef MAILMUX_NEWS_H
#define MAILMUX_NEWS_H

#include "mailmux/reason.h"
#include "mailmux/slice.h"

/* How an attempt to log in has ended. */
enum login_end {
    LOGIN_NONE, /* none has ended */
    LOGIN_ACCEPTED,
    LOGIN_REFUSED,     /* the backend said no */
    LOGIN_UNAVAILABLE, /* it said that it cannot tell now: the password may be right */
    LOGIN_WANTS_TLS,   /* it takes no login without TLS on its own connection */
    LOGIN_CANCELLED,   /* the client took the exchange back, or broke it off with a bad line */
    LOGIN_UNANSWERED   /* the session ended first */
};

/* X(NAME, "text in the log", the reason for the end of a session that says the same, or NONE) */
#define REFUSALS(X)                                                                                \
    X(NONE, "none", NONE)                                                                          \
    X(NOT_RELAYED, "not-relayed", NONE)                                                            \
    X(SOURCE_ROUTE, "source-route", NONE)                                                          \
    X(BAD_RECIPIENT, "bad-recipient", NONE)                                                        \
    X(TLS_REQUIRED, "tls-required", NONE)                                                          \
    X(TOO_MANY_HANDSHAKES, "too-many-handshakes", TOO_MANY_HANDSHAKES)                             \
    X(INJECTION, "starttls-injection", INJECTION)                                                  \
    X(SMUGGLING, "smuggling", SMUGGLING)                                                           \
    X(MECHANISM, "mechanism-withheld", NONE)                                                       \
    X(NOT_PERMITTED, "not-permitted", NONE)                                                        \
    X(NOT_OFFERED, "not-offered", NONE)                                                            \
    X(OUT_OF_PLACE, "out-of-place", NONE)                                                          \
    X(BAD_COMMAND, "bad-command", NONE)                                                            \
    X(BAD_ARGUMENTS, "bad-arguments", NONE)                                                        \
    X(BAD_CHARACTER, "bad-character", NONE)                                                        \
    X(LINE_TOO_LONG, "line-too-long", LINE_TOO_LONG)                                               \
    X(LITERAL_TOO_LARGE, "literal-too-large", LITERAL_TOO_LARGE)                                   \
    X(BDAT, "bdat-refused", BDAT_REFUSED)

/* What mailmux itself refuses to a client. What a server refuses is none of these. */
enum dialog_refusal {
#define X(name, text, reason) REFUSAL_##name,
    REFUSALS(X)
#undef X
};

/* What one call of a dialog has found. The slices borrow its input, or the dialog. */
struct dialog_news {
    enum login_end login;
    enum dialog_refusal refusal;
    struct slice recipient; /* with NOT_RELAYED, SOURCE_ROUTE and BAD_RECIPIENT: of the RCPT */
    struct slice sender;    /* SMTP: of the MAIL before it; empty: none was given */
    struct slice octets;    /* with SMUGGLING: the line ends that look like the end of a message */
};

/* They return constants. login_end_text: why it failed, in the log. */
const char *login_end_text(enum login_end end);
const char *refusal_text(enum dialog_refusal refusal);
enum reason refusal_reason(enum dialog_refusal refusal);

#endif
