/*
 * Asks an SMTP server [RFC 5321] whether it would take mail from a stranger to a stranger, by EHLO,
 * MAIL, RCPT and RSET, never DATA. mailmux has opened the connection as a client
 * (mailmux/opening.h), and can still say goodbye on it. The sender is the null sender, which needs
 * no mailbox. If the answer leaves the question open, the server is asked once more with a sender
 * whose domain it should know. Pure: no I/O, no clock, no heap. One thread.
 *
 *     relay_test_init()
 *     for (;;) switch (relay_test_feed(bytes not yet used, out, &used))
 *         drop used octets, send what was appended to out, then
 *         RELAY_TEST_GO_ON    feed again
 *         RELAY_TEST_MORE     nothing was done: read, and feed again
 *         RELAY_TEST_DONE     test.answer is final
 *         RELAY_TEST_BROKEN   what came is no reply; test.answer is what was known before
 */
#ifndef MAILMUX_RELAY_TEST_H
#define MAILMUX_RELAY_TEST_H

#include "mailmux/buffer.h"

enum {
    RELAY_TEXT_MAX = 160,        /* octets of a reply that are kept */
    RELAY_REPLY_MAX = 64 * 1024, /* octets that a reply may have */
    RELAY_REPLY_LINES = 128      /* lines that it may have */
};

enum relay_judgement {
    RELAY_NOT_TESTED, /* there is no answer */
    RELAY_TAKEN,      /* the recipient was accepted: an open relay */
    RELAY_REFUSED,    /* it was refused, most likely because this would be relaying */
    RELAY_UNDECIDED   /* it was refused for another reason, which real mail might not meet */
};

/* With RELAY_UNDECIDED: what the refusal seems to be about. */
enum relay_reason {
    RELAY_FOR_NOTHING, /* it is not known */
    RELAY_FOR_NOW,     /* the refusal is temporary */
    RELAY_FOR_TLS,     /* the server wants TLS first */
    RELAY_FOR_LOGIN,   /* the server wants a login first */
    RELAY_FOR_HELLO,   /* our name, or EHLO itself */
    RELAY_FOR_CLIENT,  /* our address */
    RELAY_FOR_SENDER,
    RELAY_FOR_RECIPIENT /* its domain or mailbox does not exist, or is not to be reached */
};

/* The sender of the test. */
enum relay_sender { RELAY_NULL_SENDER, RELAY_OWN_SENDER };

/* The answer of the server to RCPT, or its refusal of an earlier step. */
struct relay_answer {
    enum relay_judgement judgement;
    enum relay_reason reason;  /* with RELAY_UNDECIDED */
    enum relay_sender sender;  /* with which the test was made that this is the answer to */
    size_t n;                  /* octets of text */
    char text[RELAY_TEXT_MAX]; /* the last line of the reply, its code included: foreign bytes */
};

enum relay_step { RELAY_AT_HELLO, RELAY_AT_SENDER, RELAY_AT_RECIPIENT, RELAY_AT_RESET };

/* All but answer is private to the grammar. */
struct relay_test {
    struct slice hostname;
    struct slice sender;
    struct slice recipient;
    enum relay_sender now;
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

/*
 * Makes a new test in the caller's memory. The three texts must outlive it. hostname is for EHLO.
 * Mailboxes are without angle brackets. sender: the one of the second test; empty: there is none.
 */
void relay_test_init(
    struct relay_test *test, struct slice hostname, struct slice sender, struct slice recipient);

/*
 * Takes one reply from `in`, except at the first call, and appends the next command to `out`, which
 * must have room for a line of 1000 octets. *used: how many octets of `in` were taken, 0 on MORE
 * and BROKEN.
 */
enum relay_test_next relay_test_feed(struct relay_test *test, struct slice in, struct buffer *out,
    size_t *used) __attribute__((warn_unused_result));

#endif
