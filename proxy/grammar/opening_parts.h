/*
 * What the files of the opening share: opening.c (the order of the commands), opening_smtp.c,
 * opening_imap.c, opening_pop3.c, opening_managesieve.c (the commands and answers of each
 * protocol), opening_text.c (pieces of commands), opening_failure.c (what each failure means). The
 * current command is the one of opening->step, whose answer is awaited.
 */
#ifndef MAILMUX_OPENING_PARTS_H
#define MAILMUX_OPENING_PARTS_H

#include "mailmux/line.h"
#include "mailmux/opening.h"

/* What the server's words mean as an answer to the current command. */
enum opening_answer {
    ANSWER_MORE, /* the input ends too early, and no octet of it was used */
    ANSWER_PART, /* a part of the answer was used, and more of it follows */
    ANSWER_YES,
    ANSWER_NO,
    ANSWER_FAREWELL, /* 421 or BYE */
    ANSWER_STRANGE,  /* it is a well-formed answer, but neither yes nor no */
    ANSWER_WRONG,    /* it is not an answer of this protocol */
    ANSWER_LARGE     /* it has more octets or lines than struct opening_plan allows */
};

/*
 * What one protocol has of its own in the opening; a constant. The texts of commands stand here
 * without tag and CRLF; %h in a text stands for our host name.
 */
struct opening_words {
    const char *greeting; /* our own greeting to a client */
    const char *hello;    /* the command that asks for capabilities */
    const char *starttls;
    const char *quit;
    bool has_tags;     /* a tag stands before each command and before its answer */
    bool greets_again; /* the server greets a second time, as soon as TLS is up [RFC 5804 2.2] */
    bool asks_for_xclient; /* the answer to hello lists the attributes that XCLIENT may have */

    /*
     * Learns from an accepted greeting. text: the greeting, as protocol->greeting has cut it. NULL:
     * there is nothing to learn.
     */
    void (*greeted)(struct opening *opening, struct slice text);

    /*
     * Appends the command that tells the server about the client, with CRLF. `out` has room for
     * OPENING_TEXT_MAX octets.
     */
    void (*say_identity)(const struct opening *opening, struct buffer *out);

    /*
     * Uses as much as it can of the answer to the current command, and returns what it means.
     * *used: how many octets were used. It may be left unwritten on ANSWER_MORE, ANSWER_WRONG and
     * ANSWER_LARGE.
     */
    enum opening_answer (*answer)(struct opening *opening, struct slice in, size_t *used);
};

extern const struct opening_words opening_smtp;
extern const struct opening_words opening_lmtp;
extern const struct opening_words opening_imap;
extern const struct opening_words opening_pop3;
extern const struct opening_words opening_managesieve;

/* ---- opening.c ---- */

/*
 * Returns the answer that a failed cut means: ANSWER_MORE, ANSWER_WRONG or ANSWER_LARGE. For
 * REPLY_WHOLE it returns ANSWER_PART.
 */
enum opening_answer opening_answer_of(enum reply_cut cut);

/*
 * Cuts the next line of the current reply off `in`. Returns ANSWER_PART with the line in *line,
 * without its line end, and with its octets in *used. The line borrows `in`. ANSWER_MORE: the line
 * is not complete. ANSWER_LARGE: the line is too long, or the reply has more octets or lines than
 * struct opening_plan allows.
 */
enum opening_answer opening_cut_line(
    struct opening *opening, struct slice in, struct slice *line, size_t *used);

/* Counts a line of the current reply. Returns false if the reply is too large now. */
bool opening_count_line(struct opening *opening, size_t octets);

/*
 * Appends a capability, or a line of them, to opening->capabilities, if there is such a buffer and
 * if it fits: see opening_init.
 */
void opening_keep(struct opening *opening, struct slice words);

/* The same for a capability that has a name and a value, which may be empty. */
void opening_keep_pair(struct opening *opening, struct slice name, struct slice value);

/*
 * Learns from a list of SASL mechanisms: whether it has one that takes passwords, any other one,
 * and one that is bound to the TLS channel.
 */
void opening_learn_mechanisms(struct opening *opening, struct slice names);

/* ---- opening_text.c ---- */

/* Returns the tag of the current command: "m1", "m2" and so on. The slice borrows `memory`. */
enum { OPENING_TAG_MAX = 1 + SLICE_DECIMAL_MAX };
struct slice opening_tag(const struct opening *opening, char memory[OPENING_TAG_MAX]);

/* Appends the number in decimal. */
void opening_put_number(struct buffer *out, unsigned number);

/*
 * Append " NAME=value", where the value is the address or its port, or [UNAVAILABLE] if the address
 * is not known. v6: the text that goes before an IPv6 address.
 */
void opening_put_address(
    struct buffer *out, struct slice name, const struct address *address, struct slice v6);
void opening_put_port(struct buffer *out, struct slice name, const struct address *address);

/*
 * Appends Dovecot's XCLIENT, as POP3 and ManageSieve have it. An address that is not known is left
 * out, because there no value means "unknown". A `say_identity` of struct opening_words.
 */
void opening_say_dovecot_xclient(const struct opening *opening, struct buffer *out);

#endif
