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

/*
 * Forwards a command line, and notes that its reply is to come. barrier: the client is held until
 * the queue is empty.
 */
void smtp_send(struct dialog *dialog, struct slice line, enum smtp_command command, bool barrier,
    struct actions *actions);

/* As smtp_send, for a command whose bytes are on their way already: the end of message data. */
void smtp_expect(
    struct dialog *dialog, enum smtp_command command, bool barrier, struct actions *actions);

/* Gives a reply of ours, in its place among those of the backend. */
void smtp_answer(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/* As smtp_answer, for a bad command, which is counted. */
void smtp_answer_bad(struct dialog *dialog, enum smtp_reply reply, struct actions *actions);

/* As smtp_answer. Both legs close when the reply has gone out. */
void smtp_answer_and_close(
    struct dialog *dialog, enum smtp_reply reply, enum reason reason, struct actions *actions);

/* The first command of the queue, or NULL when it is empty. Valid until the queue is changed. */
const struct smtp_pending *smtp_owed(const struct dialog *dialog);

/* Takes the first command off the queue: its reply is complete. */
void smtp_settle(struct dialog *dialog);

/*
 * Says the replies of ours that are first in the queue, a bounded part at a time. False: the queue
 * is empty, or a reply of the backend is due.
 */
bool smtp_say_own(struct dialog *dialog, struct actions *actions);

extern const char *const smtp_farewells[];

/* ---- smtp_hello.c ---- */

/* Forwards the client's EHLO (extended) or HELO. */
void smtp_hello(struct dialog *dialog, struct slice line, bool extended, struct actions *actions);

/*
 * The reply to that hello has this code. True: the hello goes to a fresh connection, which is asked
 * for, and the client does not get this reply.
 */
bool smtp_hello_refused(struct dialog *dialog, unsigned code, struct actions *actions);

/* The reply that the client gets to its hello. */
void smtp_hello_answered(struct dialog *dialog, bool success);

/* Says a hello again that waits for the fresh connection. */
void smtp_server_renewed(struct dialog *dialog, struct actions *actions);

/* ---- smtp_path.c ---- */

/*
 * Judges the recipient in the arguments of a RCPT by the policy's relay domains, for a client that
 * has not logged in. SMTP_FROM_SERVER: it is the backend's to judge; else the refusal.
 */
enum smtp_reply smtp_judge_recipient(const struct dialog_policy *policy, struct slice arguments);

/* ---- smtp_reply_text.c ---- */

/* Codes that tell why a login or a command is refused [RFC 4954 6, RFC 2554 6]. */
enum { SMTP_CODE_LOGIN_NEEDED = 530, SMTP_CODE_TLS_FOR_LOGIN = 538 };

/* One whole reply. The slice borrows the input. */
struct smtp_reply_text {
    unsigned code;
    size_t used;       /* octets that it takes */
    struct slice text; /* all lines with their ends */
};

enum {
    SMTP_ODD_LINES = 256,     /* lines without a code that a reply may have; they get it here */
    SMTP_GREETING_LINES = 512 /* lines of a greeting: what each may gain fits DIALOG_EXTRA */
};

/*
 * Cuts the first reply off `in` [RFC 5321 4.2]. It has at most max_lines lines of max_line octets
 * each, and max_octets in all. Its code is that of its last line, as Postfix reads it; between the
 * first and the last line any text belongs to it. *reply is written on REPLY_WHOLE only.
 */
enum reply_cut smtp_reply_cut(struct slice in, size_t max_octets, size_t max_lines, size_t max_line,
    struct smtp_reply_text *reply);

/* The bytes begin as a reply does: "554 ". */
bool smtp_reply_begins(struct slice in);

/* The text of a line behind its code; all of the line where it has none. */
struct slice smtp_reply_line_text(struct slice line);

/* Relays the reply line by line, each with the code of the reply and one CRLF. */
void smtp_reply_relay(const struct smtp_reply_text *reply, struct actions *actions);

/* ---- smtp_reply.c ---- */

enum reply_cut smtp_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool smtp_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- smtp_ehlo.c ---- */

/*
 * Relays a 250 reply to EHLO, without what is not true for our client and with what is ours to
 * offer. Notes what it tells about CHUNKING and logins.
 */
void smtp_ehlo_relay(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions);

/* The verb would lead where the dialog cannot be followed. Verb and keyword are withheld. */
bool smtp_is_stripped_verb(struct slice verb);

/* ---- smtp_data.c ---- */

/* The backend has said 354: the client's message comes. */
void smtp_message_begin(struct dialog *dialog);
void smtp_message(struct dialog *dialog, struct slice in, struct actions *actions);
bool smtp_waits_after_look_alike(const struct dialog *dialog);
bool smtp_may_be_over(const struct dialog *dialog);
void smtp_end_wait(struct dialog *dialog, struct actions *actions);

/* A message or chunk that the backend has answered early is at its end. */
void smtp_end_of_answered(struct dialog *dialog, struct actions *actions);

#endif
