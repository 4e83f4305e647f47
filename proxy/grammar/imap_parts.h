/*
 * What the files of the IMAP grammar share: imap.c (the protocol), imap_command.c (the client's
 * lines), imap_literal.c (literals, and commands that are not forwarded), imap_name.c (the name in
 * a LOGIN), imap_words.c (tags, strings and the ID command's list), imap_reply.c (the backend's
 * responses), imap_status.c (status responses and their codes), imap_capability.c (capability
 * words).
 */
#ifndef MAILMUX_IMAP_PARTS_H
#define MAILMUX_IMAP_PARTS_H

#include "dialog_parts.h"
#include "literal.h"

/* ---- imap_words.c ---- */

/*
 * Cuts the tag off a command line. Returns false, and writes nothing, if there is no tag or if it
 * is longer than IMAP_TAG_MAX.
 */
bool imap_tag_cut(struct slice line, struct slice *tag, struct slice *rest);

/* Returns whether the word is an atom, as the name of a command is [RFC 9051 9]. */
bool imap_is_atom(struct slice word);

/*
 * Cuts an atom or a quoted string, with its quotes, off *rest. Blanks before it are skipped.
 * Returns false, and writes nothing, if there is none.
 */
bool imap_string_cut(struct slice *rest, struct slice *string);

/*
 * Writes the text of an atom or a quoted string, without quotes, cut to cap octets. Returns how
 * many octets were written.
 */
size_t imap_string_text(struct slice string, char *text, size_t cap);

enum imap_list { IMAP_LIST_BAD, IMAP_LIST_CLEAN, IMAP_LIST_PRIVATE };

/*
 * Judges the parameters of an ID command [RFC 2971 3.1]. PRIVATE: the names of some begin with x-,
 * by which a proxy tells of its client. A client must not do that (C100).
 */
enum imap_list imap_id_check(struct slice parameters);

/*
 * Appends the parameters without the private ones, as a list or as NIL. That is no longer than what
 * the client sent. Returns false if it does not fit; then a part of it is appended.
 */
bool imap_id_write(struct slice parameters, struct buffer *out);

/* ---- imap_literal.c ---- */

/*
 * Forwards a line of a command. Its literal, if it has one, passes when the backend asks for it. A
 * line whose literal is not permitted is answered here instead.
 */
void imap_forward(struct dialog *dialog, struct slice line, struct actions *actions);

/* Answers a command that is not forwarded, as soon as its literals have been skipped. */
void imap_drop(
    struct dialog *dialog, struct slice line, enum imap_answer answer, struct actions *actions);

/* Goes on with such a command. line: the line after one of its literals. */
void imap_drop_on(struct dialog *dialog, struct slice line, struct actions *actions);

/*
 * Returns whether the current command is an ID whose parameters are not forwarded, and which is not
 * refused.
 */
bool imap_drops_id(const struct dialog *dialog);

/*
 * The backend has refused the current command before it got the literal, which the client sends
 * without being asked. That literal and the rest of the command are skipped.
 */
void imap_drop_literal(struct dialog *dialog);

/* Answers the current command at once. */
void imap_say(struct dialog *dialog, enum imap_answer answer, struct actions *actions);

/*
 * Ends the session, because octets of a literal would follow that can neither pass nor be skipped.
 */
void imap_close_literal(struct dialog *dialog, struct actions *actions);

/* ---- imap_name.c ---- */

/* A LOGIN begins. arguments: those of its first line, up to a literal. */
void imap_name_begin(struct dialog *dialog, struct slice arguments);

/*
 * imap_name_passes takes octets of a literal. imap_name_end takes the line after it, which tells
 * whether the literal was the name.
 */
void imap_name_passes(struct dialog *dialog, struct slice octets);
void imap_name_end(struct dialog *dialog, struct slice line);

/* ---- imap_command.c ---- */

/* Functions of struct dialog_rules: see dialog_parts.h. */
void imap_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);
void imap_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

void imap_respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions);

/* Returns whether the line begins with a tag and this command. The line may be incomplete. */
bool imap_is_command(struct slice line, struct slice name);

/* ---- imap_status.c ---- */

/* The words of status responses [RFC 9051 7.1]. */
enum imap_word { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

/* A status response with a tag or an asterisk. The slices borrow the line. */
struct imap_status {
    struct slice line;
    struct slice head; /* up to the end of the word: "* OK", "a1 NO" */
    enum imap_word word;
    struct slice text; /* after the word, without blanks at both ends */
};

/* Takes a status response apart. Returns false, and writes nothing, if the line is something else.
 */
bool imap_status_parse(struct slice line, struct imap_status *status);

/* Relays a greeting as a BYE, whatever its word is. */
void imap_status_refuse(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions);

/* Relays the response with its code edited. login: it is the answer to a login, or a PREAUTH. */
void imap_status_relay(
    struct dialog *dialog, const struct imap_status *status, bool login, struct actions *actions);

/* ---- imap_reply.c ---- */

/* Functions of struct dialog_rules, too. */
enum reply_cut imap_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool imap_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- imap_capability.c ---- */

/*
 * Appends each capability that the client may see, with a blank before it. login: the words come
 * with a login; then nothing of ours is added, and nothing that a login needs is withheld.
 */
void imap_capability_write(
    struct dialog *dialog, struct slice words, bool login, struct actions *actions);

#endif
