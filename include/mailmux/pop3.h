/* What a dialog remembers of an POP3 session before its login [RFC 1939, 2449]. See pop3.c. */
#ifndef MAILMUX_POP3_H
#define MAILMUX_POP3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pop3 {
    int placeholder;
};

#endif
