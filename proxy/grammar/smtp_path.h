/*
 * Reading the path of RCPT TO, and comparing its domain [RFC 5321 4.1.2]. Slices borrow the line.
 * Pure; any thread.
 */
#ifndef MAILMUX_SMTP_PATH_H
#define MAILMUX_SMTP_PATH_H

#include "mailmux/slice.h"

enum smtp_path {
    SMTP_PATH_MAILBOX,    /* local part and domain, nothing else in it */
    SMTP_PATH_POSTMASTER, /* <postmaster>, which needs no domain [RFC 5321 4.1.1.3] */
    SMTP_PATH_ROUTE,      /* it names another machine on the way, or may be taken to do so */
    SMTP_PATH_MALFORMED
};

/*
 * Reads the path. arguments: what follows RCPT, without blanks at its ends. On MAILBOX *domain is
 * the domain without a dot at its end, or an address literal with its brackets. Otherwise *domain
 * is not written.
 */
enum smtp_path smtp_path_parse(struct slice arguments, struct slice *domain);

/*
 * Returns whether the domain matches. pattern: a domain, or "*." and a domain, which means every
 * domain below that one. ASCII letters are compared without case, other octets as they are.
 */
bool smtp_domain_matches(struct slice domain, struct slice pattern);

#endif
