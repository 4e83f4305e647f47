/* One conversation of the light server: it answers line by line, sends and takes bulk, and counts.
 */
#ifndef MAILMUX_BENCH_TALK_H
#define MAILMUX_BENCH_TALK_H

#include "leg.h"

enum talk_protocol { TALK_IMAP, TALK_POP3, TALK_SMTP, TALK_HTTP };

struct talk_kind {
    const char *name;
    enum talk_protocol protocol;
    bool is_tls;
};

enum { TALK_LINE_MAX = 4096, TALK_INPUT_MAX = 65536, TALK_OUTPUT_MAX = 65536, TALK_TAG_MAX = 32 };

enum talk_reading { TALK_LINES, TALK_MESSAGE, TALK_TAKING };

struct talk {
    struct leg leg;
    const struct talk_kind *kind;
    struct talk *next; /* of those that are over */
    bool is_over;
    bool is_greeted;
    bool is_leaving; /* its last words are said */
    enum talk_reading reading;
    char tag[TALK_TAG_MAX];  /* of the command that is answered behind a bulk or a literal; "": none
                              */
    unsigned long long bulk; /* octets of it that are still to come, or to go */
    unsigned long long done; /* octets of it, or of a message, that have come or gone */
    unsigned at_end;         /* how much of CRLF . CRLF stands at the end of what came */
    bool sends_bulk;
    size_t line_length;
    char line[TALK_LINE_MAX];
    char *output; /* NULL: nothing waits */
    size_t output_length;
    size_t output_taken;
};

/* The conversation of an accepted socket, which it owns; freed by the caller behind talk_close. */
struct talk *talk_new(int fd, const struct talk_kind *kind, SSL_CTX *context);

/* Reads and answers until it has to wait. False: it is over. */
bool talk_step(struct talk *talk);
void talk_close(struct talk *talk);

/* Says a text and CRLF. */
void talk_say(struct talk *talk, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Answers one line; its end is cut off. One for each protocol. */
void talk_answer_imap(struct talk *talk, char *line);
void talk_answer_pop3(struct talk *talk, char *line);
void talk_answer_smtp(struct talk *talk, char *line);
void talk_answer_http(struct talk *talk, char *line);

/* Its greeting, or nothing. */
void talk_greet(struct talk *talk);

/* Where a protocol in clear is served, for what is answered by HTTP. */
void talk_set_port(const struct talk_kind *kind, unsigned port);

/* One line of JSON: sessions, resumed ones, octets, and how many of its addresses were used. */
void talk_print_counts(void);

#endif
