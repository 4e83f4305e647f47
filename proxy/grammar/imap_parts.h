/*
 * What the files of the IMAP grammar share: imap.c (the protocol), imap_command.c (the client's
 * lines), imap_literal.c (literals, and commands that are not forwarded), imap_name.c (the name
 * that a LOGIN gives), imap_words.c (tags, strings and the ID command's list), imap_reply.c (the
 * backend's responses), imap_status.c (status responses and their codes), imap_capability.c
 * (capability words).
 */
#ifndef MAILMUX_IMAP_PARTS_H
#define MAILMUX_IMAP_PARTS_H

#include "dialog_parts.h"

/* ---- imap_words.c ---- */

/*
 * Cuts the tag off a command line. False, and nothing is written: there is none, or it is longer
 * than IMAP_TAG_MAX.
 */
bool imap_tag_cut(struct slice line, struct slice *tag, struct slice *rest);

/* The word is an atom, as the name of a command is [RFC 9051 9]. */
bool imap_is_atom(struct slice word);

/*
 * Cuts an atom or a quoted string, quotes included, off *rest; blanks before it are skipped. False:
 * there is none, and nothing is written.
 */
bool imap_string_cut(struct slice *rest, struct slice *string);

/* Writes what an atom or a quoted string says, cut to cap octets. Returns how many they are. */
size_t imap_string_text(struct slice string, char *text, size_t cap);

/* Each quoted string that begins in the line ends in it. */
bool imap_is_balanced(struct slice line);

enum imap_list { IMAP_LIST_BAD, IMAP_LIST_CLEAN, IMAP_LIST_PRIVATE };

/*
 * The parameters of an ID command [RFC 2971 3.1]. PRIVATE: some begin with x-, by which a proxy
 * speaks for a client. A client must not (C100).
 */
enum imap_list imap_id_check(struct slice parameters);

/*
 * Appends the parameters without the private ones: a list, or NIL. That is no longer than what the
 * client sent. False: it does not fit, and a part of it is appended.
 */
bool imap_id_write(struct slice parameters, struct buffer *out);

/* ---- imap_literal.c ---- */

enum imap_literal {
    IMAP_LITERAL_NONE,
    IMAP_LITERAL_WRONG, /* braces, but no number in them */
    IMAP_LITERAL_WAITS, /* {n}: the server asks for it */
    IMAP_LITERAL_COMES  /* {n+}: it follows at once [RFC 7888] */
};

/* The literal that the line ends with. A number beyond 64 bits counts as UINT64_MAX octets. */
enum imap_literal imap_literal_find(struct slice line, uint64_t *octets);

/*
 * Forwards a line of a command; its literal, if it has one, passes when the backend asks for it. A
 * line whose literal is not permitted is answered here instead.
 */
void imap_forward(struct dialog *dialog, struct slice line, struct actions *actions);

/* Answers a command that is not forwarded, as soon as its literals have been skipped. */
void imap_drop(
    struct dialog *dialog, struct slice line, enum imap_answer answer, struct actions *actions);

/* Goes on with such a command: the line behind a literal of it. */
void imap_drop_on(struct dialog *dialog, struct slice line, struct actions *actions);

/* The command in hand is an ID that is not forwarded, and not refused either. */
bool imap_drops_id(const struct dialog *dialog);

/*
 * The backend has refused the command in hand before it had the literal that the client sends
 * unasked. That literal, and the rest of the command, are skipped.
 */
void imap_drop_literal(struct dialog *dialog);

/* Answers the command in hand at once. */
void imap_say(struct dialog *dialog, enum imap_answer answer, struct actions *actions);

/* Ends the session: the octets of a literal would come that can neither pass nor be skipped. */
void imap_close_literal(struct dialog *dialog, struct actions *actions);

/* ---- imap_name.c: the name that a LOGIN gives, for the log ---- */

/* A LOGIN begins, with these arguments, up to its first literal. */
void imap_name_begin(struct dialog *dialog, struct slice arguments);

/* Takes octets of a literal; and the line behind it, which tells whether that was the name. */
void imap_name_passes(struct dialog *dialog, struct slice octets);
void imap_name_end(struct dialog *dialog, struct slice line);

/* ---- imap_command.c ---- */

void imap_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);
void imap_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

void imap_respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions);

/* The line, of which there may be more, begins with a tag and this command. */
bool imap_is_command(struct slice line, struct slice name);

/* ---- imap_status.c ---- */

/* The words of status responses [RFC 9051 7.1]. */
enum imap_word { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

/* A status response behind a tag or an asterisk. Slices borrow the line. */
struct imap_status {
    struct slice line;
    struct slice head; /* up to the word: "* OK", "a1 NO" */
    enum imap_word word;
    struct slice text; /* behind the word, without blanks at both ends */
};

/* False, and *status is left alone: the line is no status response. */
bool imap_status_parse(struct slice line, struct imap_status *status);

/* Relays a greeting as a BYE, whatever its word is. */
void imap_status_refuse(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions);

/* Relays it with its code edited. login: it answers a login, or says PREAUTH. */
void imap_status_relay(
    struct dialog *dialog, const struct imap_status *status, bool login, struct actions *actions);

/* ---- imap_reply.c ---- */

enum reply_cut imap_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool imap_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- imap_capability.c ---- */

/*
 * Says each capability that is true for our client, with a blank before it. login: the words come
 * with a login. Then nothing of ours is added, and nothing that a login needs is withheld.
 */
void imap_capability_write(
    struct dialog *dialog, struct slice words, bool login, struct actions *actions);

#endif
