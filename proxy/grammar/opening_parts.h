/*
 * What the files of the opening share: opening.c (the order of things), opening_smtp.c,
 * opening_imap.c, opening_pop3.c (the words of each protocol), opening_text.c (pieces of commands),
 * opening_failure.c (what each failure means).
 */
#ifndef MAILMUX_OPENING_PARTS_H
#define MAILMUX_OPENING_PARTS_H

#include "mailmux/line.h"
#include "mailmux/opening.h"

/* What the server's words mean for the command in hand. */
enum opening_answer {
    ANSWER_MORE, /* not all of it is there, and nothing is used */
    ANSWER_PART, /* some of it is dealt with; the end is to come */
    ANSWER_YES,
    ANSWER_NO,
    ANSWER_FAREWELL, /* 421 or BYE */
    ANSWER_STRANGE,  /* it is well formed, and neither yes nor no */
    ANSWER_WRONG,    /* it is not of this protocol */
    ANSWER_LARGE     /* it has more octets or lines than the plan allows */
};

/*
 * One protocol's half. Constant. Of the commands the text stands here, without CRLF and tag; %h is
 * our host name.
 */
struct opening_words {
    const char *greeting; /* ours, for a client */
    const char *hello;    /* asks for capabilities */
    const char *starttls;
    const char *quit;
    bool has_tags;         /* before each command stands a tag, and before its answer as well */
    bool asks_for_xclient; /* the answer to hello says what XCLIENT may tell */

    /* Learns from an accepted greeting. NULL: there is nothing to learn. */
    void (*greeted)(struct opening *opening, struct slice text);

    /* Appends the command that tells the server about the client, with CRLF. */
    void (*say_identity)(const struct opening *opening, struct buffer *out);

    /*
     * Takes what it can of the answer to the command of opening->step. *used: octets that are dealt
     * with; it is not written on ANSWER_MORE.
     */
    enum opening_answer (*answer)(struct opening *opening, struct slice in, size_t *used);
};

extern const struct opening_words opening_smtp;
extern const struct opening_words opening_imap;
extern const struct opening_words opening_pop3;

/* ---- opening.c ---- */

/* What the outcome of a cut means for the command in hand. REPLY_WHOLE is ANSWER_PART. */
enum opening_answer opening_answer_of(enum reply_cut cut);

/*
 * Cuts a line off the reply in hand, without its end: ANSWER_PART. ANSWER_LARGE: the reply has more
 * octets or lines than the plan allows.
 */
enum opening_answer opening_cut_line(
    struct opening *opening, struct slice in, struct slice *line, size_t *used);

/* Keeps a capability, or a line of them, for the owner of the opening: see opening_init. */
void opening_keep(struct opening *opening, struct slice words);

/* Learns what a list of SASL mechanisms offers: passwords, others, one bound to the channel. */
void opening_learn_mechanisms(struct opening *opening, struct slice names);

/* ---- opening_text.c ---- */

/* The tag of the command in hand: "m1", "m2" and so on. The slice borrows `memory`. */
enum { OPENING_TAG_MAX = 1 + SLICE_DECIMAL_MAX };
struct slice opening_tag(const struct opening *opening, char memory[OPENING_TAG_MAX]);

/* A number in decimal. */
void opening_put_number(struct buffer *out, unsigned number);

/*
 * " NAME=value" with the address or its port; [UNAVAILABLE] where it is not known. v6: what stands
 * before an IPv6 address.
 */
void opening_put_address(
    struct buffer *out, struct slice name, const struct address *address, struct slice v6);
void opening_put_port(struct buffer *out, struct slice name, const struct address *address);

#endif
