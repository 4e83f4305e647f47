/*
 * Whether an SMTP server would take mail from a stranger to a stranger: EHLO, MAIL, RCPT, and RSET,
 * never DATA. It goes on a connection that mailmux has opened as a client (mailmux/opening.h), and
 * leaves it fit for the goodbye. Pure: no I/O, no clock, no heap; one thread.
 *
 *     relay_test_init()
 *     while (relay_test_feed(bytes not yet used, out, &used) != RELAY_TEST_DONE)
 *         drop used octets, send what was appended to out, read where it was RELAY_TEST_MORE
 */
#ifndef MAILMUX_RELAY_TEST_H
#define MAILMUX_RELAY_TEST_H

#include "mailmux/buffer.h"

enum { RELAY_TEXT_MAX = 160, RELAY_REPLY_MAX = 64 * 1024, RELAY_REPLY_LINES = 128 };

enum relay_judgement {
    RELAY_NOT_TESTED, /* or it did not come to the question */
    RELAY_TAKEN,      /* the recipient was accepted: an open relay */
    RELAY_REFUSED,    /* permanently, and it may well mean relaying */
    RELAY_UNDECIDED   /* refused for another reason, which a real recipient might not meet */
};

struct relay_answer {
    enum relay_judgement judgement;
    unsigned code;
    size_t n;
    char text[RELAY_TEXT_MAX]; /* the last line of the reply, its code included; foreign bytes */
};

enum relay_step { RELAY_AT_HELLO, RELAY_AT_SENDER, RELAY_AT_RECIPIENT, RELAY_AT_RESET };

/* All but answer is private to the grammar. */
struct relay_test {
    struct slice hostname;
    struct slice recipient;
    enum relay_step step;
    bool has_begun;
    struct relay_answer answer;
};

enum relay_test_next {
    RELAY_TEST_MORE,
    RELAY_TEST_GO_ON,
    RELAY_TEST_DONE,
    RELAY_TEST_BROKEN /* what came is no reply */
};

/* What it is given must outlive it. recipient: without angle brackets. */
void relay_test_init(struct relay_test *test, struct slice hostname, struct slice recipient);

/* Appends what is to be said next; out has room for a line of 1000 octets. */
enum relay_test_next relay_test_feed(struct relay_test *test, struct slice in, struct buffer *out,
    size_t *used) __attribute__((warn_unused_result));

#endif
