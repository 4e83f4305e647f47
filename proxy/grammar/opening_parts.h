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
    ANSWER_MORE, /* not all of it is there; nothing is used */
    ANSWER_PART, /* some of it is dealt with, the end is to come */
    ANSWER_YES,
    ANSWER_NO,
    ANSWER_FAREWELL,
    ANSWER_STRANGE,
    ANSWER_WRONG,
    ANSWER_LARGE
};

/* One protocol's half. Constant. */
struct opening_words {
    /* A greeting was accepted; what it tells besides. */
    void (*greeted)(struct opening *opening, struct slice text);

    /* Sends the command of opening->step. */
    void (*say)(const struct opening *opening, struct buffer *out);

    /* Takes what it can of the answer to it; *used is written unless it is MORE. */
    enum opening_answer (*answer)(struct opening *opening, struct slice in, size_t *used);

    /* The octets of a tag at the start of an answer that refuses; 0: there are no tags. */
    size_t (*refusal_tag)(struct slice said);

    bool asks_for_xclient;      /* what XCLIENT may say is told by the answer to hello */
    const char *greeting_begin; /* ours, around the host name */
    const char *greeting_end;
};

extern const struct opening_words opening_smtp;
extern const struct opening_words opening_imap;
extern const struct opening_words opening_pop3;

/* ---- opening.c ---- */

/* What it means for the command in hand that its reply could be cut so. */
enum opening_answer opening_answer_of(enum reply_cut cut);

/* One line of a reply that may have so many octets and lines; a longer one is ANSWER_LARGE. */
enum opening_answer opening_cut_line(
    struct opening *opening, struct slice in, struct slice *line, size_t *used);

/* A capability, or a line of them, is kept. */
void opening_keep(struct opening *opening, struct slice words);

/* Of a line of SASL mechanisms: whether one is bound to the channel. */
void opening_learn_mechanisms(struct opening *opening, struct slice names);

/* ---- opening_text.c ---- */

/* A port in decimal. */
void opening_put_number(struct buffer *out, unsigned number);

/* " NAME=value" with the address, or its port, or [UNAVAILABLE]; v6: what IPv6 is prefixed by. */
void opening_put_address(
    struct buffer *out, struct slice name, const struct address *address, struct slice v6);
void opening_put_port(struct buffer *out, struct slice name, const struct address *address);

#endif
