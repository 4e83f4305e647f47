/*
 * How the two sides of a relay have parted, by what each said last. A relay is not read while it
 * goes on, so only its last octets are there to judge.
 */
#ifndef MAILMUX_LAST_WORDS_H
#define MAILMUX_LAST_WORDS_H

#include "mailmux/dialog.h"

/* See last_words of struct protocol. */
enum last_words last_words_imap(struct slice client, struct slice server);
enum last_words last_words_pop3(struct slice client, struct slice server);
enum last_words last_words_managesieve(struct slice client, struct slice server);

#endif
