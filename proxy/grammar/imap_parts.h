/*
 * What the files of the IMAP grammar share: imap.c (the protocol), imap_command.c (the client's
 * lines), imap_literal.c (literals, and commands that are not forwarded), imap_name.c (whose LOGIN
 * it is), imap_words.c (tags, strings and the ID command's list), imap_reply.c (the backend's
 * responses), imap_status.c (status responses and their codes), imap_capability.c (capability
 * words).
 */
#ifndef MAILMUX_IMAP_PARTS_H
#define MAILMUX_IMAP_PARTS_H

#include "dialog_parts.h"

/* ---- imap_words.c ---- */

/* Cuts the tag off a command line. Returns false when it is none, or longer than the maximum. */
bool imap_tag_cut(struct slice line, struct slice *tag, struct slice *rest);

/* Letters that a command's name may consist of [RFC 9051 9: atom]. */
bool imap_is_atom(struct slice word);

/* Cuts an atom or a quoted string, quotes included, off *rest; blanks before it are skipped. */
bool imap_string_cut(struct slice *rest, struct slice *string);

/* What an atom or a quoted string says, cut to cap. Returns its length. */
size_t imap_string_text(struct slice string, char *text, size_t cap);

/* Every quoted string in the line ends in it. */
bool imap_is_balanced(struct slice line);

enum imap_list { IMAP_LIST_BAD, IMAP_LIST_CLEAN, IMAP_LIST_PRIVATE };

/*
 * The parameters of an ID command [RFC 2971 3.1]. PRIVATE: some begin with x-, by which a proxy
 * tells a backend who the client is; a client must not (C100).
 */
enum imap_list imap_id_check(struct slice parameters);

/*
 * Appends the parameters without the private ones: a list, or NIL. It is no longer than what the
 * client sent; false when it does not fit all the same.
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

/* Sends a line of a command on; its literal, if any, passes behind it. */
void imap_forward(struct dialog *dialog, struct slice line, struct actions *actions);

/* A command that is not forwarded: answers it, as soon as its literals have been skipped. */
void imap_drop(
    struct dialog *dialog, struct slice line, enum imap_answer answer, struct actions *actions);

/* The line behind a literal of such a command. */
void imap_drop_on(struct dialog *dialog, struct slice line, struct actions *actions);

/* Such a command is an ID, which is not refused. */
bool imap_drops_id(const struct dialog *dialog);

/* The backend refused the command in hand; the literal that the client sends unasked is skipped. */
void imap_drop_literal(struct dialog *dialog);

/* Answers the command in hand at once. */
void imap_say(struct dialog *dialog, enum imap_answer answer, struct actions *actions);

void imap_close_literal(struct dialog *dialog, struct actions *actions);

/* ---- imap_name.c: the name that a LOGIN gives, for the log ---- */

/* The arguments, up to the first literal. */
void imap_name_begin(struct dialog *dialog, struct slice arguments);

/* Octets of a literal, and the line behind it. */
void imap_name_passes(struct dialog *dialog, struct slice octets);
void imap_name_end(struct dialog *dialog, struct slice line);

/* ---- imap_command.c ---- */

void imap_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);
void imap_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

void imap_respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions);

/* The line, or what there is of it, begins a command of this name. */
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

/* Relays it as the end of the session, whatever word it has. */
void imap_status_refuse(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions);

/* Relays it with its code edited; login: it belongs to a login, or greets one who needs none. */
void imap_status_relay(
    struct dialog *dialog, const struct imap_status *status, bool login, struct actions *actions);

/* ---- imap_reply.c ---- */

enum reply_cut imap_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool imap_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- imap_capability.c ---- */

/*
 * Appends each true capability with a blank before it. login: TLS was started or will never be, so
 * nothing of ours is added, and nothing that a login needs is withheld.
 */
void imap_capability_write(
    struct dialog *dialog, struct slice words, bool login, struct actions *actions);

#endif
