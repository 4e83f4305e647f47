/* What a dialog remembers of an IMAP session before its login [RFC 9051, 3501]. See imap.c. */
#ifndef MAILMUX_IMAP_H
#define MAILMUX_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct imap {
    int placeholder;
};

#endif
