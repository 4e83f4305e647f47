/*
 * What the files of the ManageSieve grammar share: managesieve.c (the protocol),
 * managesieve_words.c (strings, responses), managesieve_command.c (the client's commands),
 * managesieve_reply.c (the backend's responses), managesieve_capability.c (capabilities).
 */
#ifndef MAILMUX_MANAGESIEVE_PARTS_H
#define MAILMUX_MANAGESIEVE_PARTS_H

#include "dialog_parts.h"

/* ---- managesieve_words.c ---- */

enum {
    MANAGESIEVE_QUOTED_MAX = 1024 /* octets between the quotes of a string [RFC 5804 4] */
};

/* A string, borrowed from the text in which it stands. */
struct managesieve_string {
    struct slice text; /* of a quoted one what is between the quotes, with its backslashes */
    bool is_literal;
};

/*
 * Cuts the next string, quoted or a literal, off *rest; blanks before it are skipped. Returns
 * false if there is none; *rest and *string are of no use then.
 */
bool managesieve_string_cut(struct slice *rest, struct managesieve_string *string);

/*
 * Returns whether the line begins with AUTHENTICATE. Then it may be as long as a line of a SASL
 * exchange.
 */
bool managesieve_is_authenticate(struct slice line);

/*
 * Returns how many octets at the start of `in` are lines of the client that end with a literal,
 * together with these literals, as the rule `literals` wants it.
 */
size_t managesieve_literals(const struct dialog *dialog, struct slice in, size_t limit);

/*
 * Reads a line that is one string and nothing else, as a response or a challenge of a SASL exchange
 * is. Returns false if it is none. The rule `response`.
 */
bool managesieve_string_alone(struct slice line, struct slice *text);

/*
 * Appends the string for the backend: in quotes if RFC 5804 4 permits that, else as a literal. A
 * quoted string that is too long for quotes has no backslash, which the caller sees to.
 */
void managesieve_forward_string(const struct managesieve_string *string, struct actions *actions);

/* The words that end a response. */
enum managesieve_word { MANAGESIEVE_OK, MANAGESIEVE_NO, MANAGESIEVE_BYE, MANAGESIEVE_NO_WORD };

/* One part of a response: a line with the literals in it. All slices borrow the input. */
struct managesieve_part {
    enum managesieve_word word; /* NO_WORD: it is data, or nothing that is known */
    struct slice line;          /* the first line */
    struct slice text;          /* after the word, without blanks at both ends */
    struct slice all;           /* with the literals, and each line end */
    bool has_literal;
    bool is_clean; /* neither a NUL nor a CR is in it; literals are not looked at */
};

/*
 * Cuts the next part off `in`. line_limit: octets that a line may have; limit: octets of the whole
 * part. *part is written only if REPLY_WHOLE or REPLY_MALFORMED is returned; a part with a literal
 * is MALFORMED if it is not clean.
 */
enum reply_cut managesieve_part_cut(
    struct slice in, size_t line_limit, size_t limit, struct managesieve_part *part);

/*
 * Relays the part with CRLF at the end of each line. Literals pass as they are; in a part without
 * one, a NUL or a CR becomes a blank.
 */
void managesieve_part_relay(const struct managesieve_part *part, struct actions *actions);

/* A capability: a name, and a value that may be missing [RFC 5804 1.7]. Borrows the part. */
struct managesieve_capability {
    struct slice name;
    struct slice value; /* empty if it is missing */
};

/* Takes a capability apart. Returns false if the part is none. */
bool managesieve_capability_parse(
    const struct managesieve_part *part, struct managesieve_capability *capability);

/* ---- managesieve_capability.c ---- */

/*
 * Relays what a client may see of a capability; returns false if the part is none.
 * managesieve_capability_end relays the last part of the list, and in front of it what mailmux
 * offers itself.
 */
bool managesieve_capability_relay(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions);
void managesieve_capability_end(
    const struct dialog *dialog, const struct managesieve_part *part, struct actions *actions);

/* ---- managesieve_command.c ---- */

/* Functions of struct dialog_rules: see dialog_parts.h. */
void managesieve_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);
void managesieve_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);
void managesieve_respond(
    struct dialog *dialog, struct slice text, bool is_bad, struct actions *actions);

/* Asks the backend for its capabilities, which the client gets. */
void managesieve_ask(struct dialog *dialog, struct actions *actions);

/* ---- managesieve_reply.c ---- */

/* Functions of struct dialog_rules, too. */
enum reply_cut managesieve_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool managesieve_server_ended(struct dialog *dialog, struct actions *actions);

#endif
