/*
 * What the files of the grammar of SMTP and LMTP share: smtp.c (commands), smtp_queue.c
 * (outstanding commands and replies of our own), smtp_reply.c (the backend's replies),
 * smtp_reply_text.c (their form), smtp_ehlo.c (capabilities), smtp_data.c (message data),
 * smtp_hello.c (EHLO and HELO), smtp_path.c (recipients; its parser is in smtp_path.h),
 * lmtp_recipients.c (what LMTP has of its own).
 */
#ifndef MAILMUX_SMTP_PARTS_H
#define MAILMUX_SMTP_PARTS_H

#include "dialog_parts.h"

/* ---- smtp.c ---- */

/* See struct protocol. */
enum greeting smtp_greeting(struct slice in, size_t limit, size_t *used);

extern const struct dialog_rules smtp_rules;

/* ---- smtp_queue.c ---- */

/*
 * Forwards a command line and puts the command into the queue, where it waits for its reply.
 * barrier: the client is held until the queue is empty.
 */
void smtp_send(struct dialog *dialog, struct slice line, enum smtp_command command, bool barrier,
    struct actions *actions);

/* Does the same for a command whose bytes have been passed on already: the end of message data. */
void smtp_expect(
    struct dialog *dialog, enum smtp_command command, bool barrier, struct actions *actions);

/* Gives a reply of our own to the client, after the replies to earlier commands. */
void smtp_answer(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/* Like smtp_answer, for a bad command, which is counted. */
void smtp_answer_bad(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/* Like smtp_answer. Both legs are closed when the reply has gone out. */
void smtp_answer_and_close(
    struct dialog *dialog, enum smtp_reply reply, enum reason reason, struct actions *actions);

/*
 * Returns the first command of the queue, or NULL if it is empty. It is valid until the queue is
 * changed.
 */
const struct smtp_pending *smtp_owed(const struct dialog *dialog);

/* Takes the first command off the queue, because its reply is complete. */
void smtp_settle(struct dialog *dialog);

/*
 * Says the replies of our own that are first in the queue, a limited part at a time. Returns false
 * if the queue is empty, or if the next reply is the backend's.
 */
bool smtp_say_own(struct dialog *dialog, struct actions *actions);

extern const char *const smtp_farewells[];

/* ---- lmtp_recipients.c ---- */

/* A function of struct dialog_rules: DATA and BDAT wait. */
bool lmtp_line_waits(struct dialog *dialog, struct slice line);

/* Learns from the code of a reply how many recipients there are. */
void lmtp_learn(struct dialog *dialog, enum smtp_command command, unsigned code);

/*
 * Call it for each reply to the end of a message. Returns whether another one is due, for a further
 * recipient. In SMTP there is none.
 */
bool lmtp_awaits_more(struct dialog *dialog);

/*
 * Gives a reply of our own to the end of a message: in LMTP once for each recipient. The queue must
 * be empty. Returns false if there are so many recipients that some got none: the session is to
 * end.
 */
bool lmtp_answer_each(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/*
 * Return whether a DATA or a BDAT is refused here, because no recipient was accepted, or because an
 * earlier chunk was refused. It is answered then, and the octets of the chunk will be skipped.
 */
bool lmtp_refuses_data(struct dialog *dialog, struct actions *actions);
bool lmtp_refuses_chunk(
    struct dialog *dialog, uint64_t octets, bool is_last, struct actions *actions);

/* ---- smtp_hello.c ---- */

/* Forwards the client's EHLO or LHLO (extended) or HELO. */
void smtp_hello(struct dialog *dialog, struct slice line, bool extended, struct actions *actions);

/*
 * Takes the code of the reply to that hello. Returns true if the hello must be said again on a
 * fresh connection, for which it asks; then the client does not get this reply.
 */
bool smtp_hello_refused(struct dialog *dialog, unsigned code, struct actions *actions);

/* Notes that the client gets the reply to its hello. */
void smtp_hello_answered(struct dialog *dialog, bool success);

/* Says the hello on the fresh connection, if one was kept for it. */
void smtp_server_renewed(struct dialog *dialog, struct actions *actions);

/* ---- smtp_path.c ---- */

/*
 * Judges the recipient in the arguments of a RCPT by the policy's relay domains, for a client that
 * has not logged in. Returns SMTP_FROM_SERVER if the backend is to judge it, else the reply that
 * refuses it.
 */
enum smtp_reply smtp_judge_recipient(const struct dialog_policy *policy, struct slice arguments);

/*
 * Returns the path in the arguments of MAIL or RCPT with its angle brackets, for the log: no
 * parameter of theirs. keyword: "FROM:" or "TO:".
 */
struct slice smtp_path_text(struct slice arguments, struct slice keyword);

/* ---- smtp_reply_text.c ---- */

/* Codes that tell why a login or a command is refused [RFC 4954 6, RFC 2554 6]. */
enum { SMTP_CODE_LOGIN_NEEDED = 530, SMTP_CODE_TLS_FOR_LOGIN = 538 };

/* One whole reply. The slice borrows the input. */
struct smtp_reply_text {
    unsigned code;
    size_t used;       /* octets of the input that it takes */
    struct slice text; /* all its lines with their line ends */
};

enum {
    SMTP_ODD_LINES = 256, /* lines without a code that a reply may have; here they get its code */
    SMTP_GREETING_LINES = 512 /* lines of a greeting: what we add to each fits DIALOG_EXTRA */
};

/*
 * Cuts the first reply off `in` [RFC 5321 4.2]. It has at most max_lines lines of max_line octets
 * each, and max_octets in all. Its code is that of its last line, as Postfix reads it. Lines
 * between the first and the last one may have any text. *reply is written on REPLY_WHOLE only.
 */
enum reply_cut smtp_reply_cut(struct slice in, size_t max_octets, size_t max_lines, size_t max_line,
    struct smtp_reply_text *reply);

/* Returns whether the bytes begin as a reply does: "554 ". */
bool smtp_reply_begins(struct slice in);

/* Returns the enhanced status code at the start of the text [RFC 3463 2], or an empty slice. */
struct slice smtp_enhanced_code(struct slice text);

/* Returns the text of a line after its code, or the whole line if it has no code. */
struct slice smtp_reply_line_text(struct slice line);

/* Relays the reply line by line. Each line gets the code of the reply and one CRLF. */
void smtp_reply_relay(const struct smtp_reply_text *reply, struct actions *actions);

/* ---- smtp_reply.c ---- */

/* Functions of struct dialog_rules: see dialog_parts.h. */
enum reply_cut smtp_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool smtp_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- smtp_ehlo.c ---- */

/*
 * Relays a 250 reply to EHLO, without what is not true for our client, and with what mailmux itself
 * offers. Notes what it says about CHUNKING and logins.
 */
void smtp_ehlo_relay(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions);

/*
 * Returns the name, as a constant, of a command that would lead where the dialog cannot follow, or
 * NULL for any other. The command is refused, and the keyword of the same name is taken out of the
 * reply to EHLO.
 */
const char *smtp_stripped_verb(struct slice verb);

/* ---- smtp_data.c ---- */

/* The backend has said 354, so the client's message follows. */
void smtp_message_begin(struct dialog *dialog);

/* Functions of struct dialog_rules, too. */
void smtp_message(struct dialog *dialog, struct slice in, struct actions *actions);
bool smtp_waits_after_look_alike(const struct dialog *dialog);
bool smtp_may_be_over(const struct dialog *dialog);
void smtp_end_wait(struct dialog *dialog, struct actions *actions);

/* Called at the end of a message or chunk that the backend has answered before that end. */
void smtp_end_of_answered(struct dialog *dialog, struct actions *actions);

#endif
