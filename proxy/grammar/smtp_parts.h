/*
 * What the files of the SMTP grammar share: smtp.c (commands), smtp_queue.c (outstanding commands
 * and replies of our own), smtp_reply.c (the backend's replies), smtp_reply_text.c (their
 * form), smtp_ehlo.c (capabilities), smtp_data.c (message data), smtp_hello.c (EHLO and HELO),
 * smtp_path.c (recipients; its parser is in smtp_path.h).
 */
#ifndef MAILMUX_SMTP_PARTS_H
#define MAILMUX_SMTP_PARTS_H

#include "dialog_parts.h"

/* ---- smtp_queue.c ---- */

/* One command at a time: plaintext that may still be upgraded. */
bool smtp_is_lock_step(const struct dialog *dialog);

/* Forwards the line; barrier: the client waits until every reply owed has come. */
void smtp_send(struct dialog *dialog, struct slice line, enum smtp_command command, bool barrier,
    struct actions *actions);

/* Notes a command whose bytes are already on their way: the end of message data. */
void smtp_expect(
    struct dialog *dialog, enum smtp_command command, bool barrier, struct actions *actions);

/* Our own reply, in its place among those of the backend. */
void smtp_answer(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/* The same for a bad command, which is counted. */
void smtp_answer_bad(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/* The reply in its place, and when it has gone out both legs close. */
void smtp_answer_and_close(
    struct dialog *dialog, enum smtp_reply reply, enum reason reason, struct actions *actions);

/* The command that the backend replies to now, or NULL when it owes none. */
const struct smtp_pending *smtp_owed(const struct dialog *dialog);

/* The reply to the first command is complete. */
void smtp_settle(struct dialog *dialog);

/* Says what of our own is first in the queue, a bounded part at a time; false: nothing was. */
bool smtp_say_own(struct dialog *dialog, struct actions *actions);

/* See struct dialog_rules. */
extern const char *const smtp_farewells[];

/* ---- smtp_hello.c ---- */

/* Forwards the client's EHLO (extended) or HELO. */
void smtp_hello(struct dialog *dialog, struct slice line, bool extended, struct actions *actions);

/* The reply to it. True: a fresh connection is asked for, and the client hears nothing of it. */
bool smtp_hello_refused(struct dialog *dialog, unsigned code, struct actions *actions);

/* The reply to it that the client hears. */
void smtp_hello_answered(struct dialog *dialog, bool success);

/* See dialog_server_renewed. */
void smtp_server_renewed(struct dialog *dialog, struct actions *actions);

/* ---- smtp_path.c ---- */

/*
 * What a client that has not logged in is told about the recipient in the arguments of its RCPT, by
 * the policy's relay domains; SMTP_FROM_SERVER: it is the backend's to judge.
 */
enum smtp_reply smtp_judge_recipient(const struct dialog_policy *policy, struct slice arguments);

/* ---- smtp_reply_text.c ---- */

/* Codes that tell what is in the way of a login. */
enum { SMTP_CODE_LOGIN_NEEDED = 530, SMTP_CODE_TLS_FOR_LOGIN = 538 };

struct smtp_reply_text {
    unsigned code;
    size_t lines;
    size_t used;
    struct slice text; /* all lines with their ends */
};

enum {
    SMTP_ODD_LINES = 256,     /* lines of one reply that have no code and get it here */
    SMTP_GREETING_LINES = 512 /* what is added to each of so many lines fits DIALOG_EXTRA */
};

/*
 * The first reply in `in`: 1 to max_lines lines [RFC 5321 4.2]; max_line: octets. Its code is that
 * of its last line, as Postfix reads it. Between its first and its last line any text belongs to
 * it.
 */
enum reply_cut smtp_reply_cut(struct slice in, size_t max_octets, size_t max_lines, size_t max_line,
    struct smtp_reply_text *reply);

/* The bytes begin as a reply does: "554 " say. */
bool smtp_reply_begins(struct slice in);

/* The text of a line of a reply, without its code; all of it where there is none. */
struct slice smtp_reply_line_text(struct slice line);

/* Relays it line by line, each with the reply's code, and one CRLF. */
void smtp_reply_relay(const struct smtp_reply_text *reply, struct actions *actions);

/* ---- smtp_reply.c ---- */

enum reply_cut smtp_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool smtp_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- smtp_ehlo.c ---- */

/* Relays a 250 reply to EHLO with what TLS termination makes true or false, and learns from it. */
void smtp_ehlo_relay(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions);

/* A verb that would move the session where it cannot be followed; its keyword is hidden, too. */
bool smtp_is_stripped_verb(struct slice verb);

/* ---- smtp_data.c ---- */

void smtp_message_begin(struct dialog *dialog);
void smtp_message(struct dialog *dialog, struct slice in, struct actions *actions);
bool smtp_waits_after_look_alike(const struct dialog *dialog);
bool smtp_may_be_over(const struct dialog *dialog);
void smtp_end_wait(struct dialog *dialog, struct actions *actions);

/* The end of a message or chunk that the backend had answered before it was over. */
void smtp_end_of_answered(struct dialog *dialog, struct actions *actions);

#endif
