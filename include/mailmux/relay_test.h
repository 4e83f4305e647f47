/*
 * Whether an SMTP server would take mail from a stranger to a stranger: EHLO, MAIL, RCPT, and RSET,
 * never DATA. It goes on a connection that mailmux has opened as a client (mailmux/opening.h), and
 * leaves it fit for the goodbye. The null sender needs no mailbox; a server that
 * refuses it for its own sake is asked once more with a sender whose domain it should know. Pure:
 * no I/O, no clock, no heap; one thread.
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
    RELAY_REFUSED,    /* and it may well mean relaying */
    RELAY_UNDECIDED   /* refused for another reason, which real mail might not meet */
};

/* Why it is undecided: what the server seems to have had in view. */
enum relay_reason {
    RELAY_FOR_NOTHING, /* it is not known */
    RELAY_FOR_NOW,     /* temporarily */
    RELAY_FOR_TLS,     /* it wants TLS first */
    RELAY_FOR_LOGIN,   /* it wants a login first */
    RELAY_FOR_HELLO,   /* our name, or EHLO itself */
    RELAY_FOR_CLIENT,  /* our address */
    RELAY_FOR_SENDER,
    RELAY_FOR_RECIPIENT /* its domain or mailbox does not exist, or is not to be reached */
};

enum relay_sender { RELAY_NULL_SENDER, RELAY_OWN_SENDER };

struct relay_answer {
    enum relay_judgement judgement;
    enum relay_reason reason;
    enum relay_sender sender; /* with which it was given */
    unsigned code;
    size_t n;
    char text[RELAY_TEXT_MAX]; /* the last line of the reply, its code included; foreign bytes */
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
 * What it is given must outlive it. Mailboxes are without angle brackets. sender: of a domain that
 * the server knows; empty: it is not asked again.
 */
void relay_test_init(
    struct relay_test *test, struct slice hostname, struct slice sender, struct slice recipient);

/* Appends what is to be said next; out has room for a line of 1000 octets. */
enum relay_test_next relay_test_feed(struct relay_test *test, struct slice in, struct buffer *out,
    size_t *used) __attribute__((warn_unused_result));

#endif
