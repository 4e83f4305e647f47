/*
 * What the files of the POP3 grammar share: pop3.c (the protocol), pop3_command.c (the client's
 * lines), pop3_reply.c (the backend's replies), pop3_capability.c (CAPA and mechanism lists).
 */
#ifndef MAILMUX_POP3_PARTS_H
#define MAILMUX_POP3_PARTS_H

#include "dialog_parts.h"

/* ---- pop3_command.c ---- */

/* Functions of struct dialog_rules: see dialog_parts.h. */
void pop3_client_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions);
void pop3_client_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions);

void pop3_respond(struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions);

/*
 * Returns whether the line begins with AUTH. Then it may be as long as a line of a SASL exchange.
 */
bool pop3_is_auth(struct slice line);

/* ---- pop3_reply.c ---- */

enum pop3_status { POP3_OK, POP3_ERR, POP3_CHALLENGE, POP3_WRONG };

/*
 * Returns what the first line of a reply says [RFC 1939 3, RFC 5034 4]. CHALLENGE: "+" with a blank
 * or alone. WRONG: none of these.
 */
enum pop3_status pop3_status_parse(struct slice line);

/* Functions of struct dialog_rules, too. */
enum reply_cut pop3_server(struct dialog *dialog, struct slice in, struct actions *actions);
bool pop3_server_ended(struct dialog *dialog, struct actions *actions);

/* ---- pop3_capability.c ---- */

/*
 * Relay a line of the reply to CAPA, or of the reply to AUTH without arguments. What is not true
 * for our client is left out.
 */
void pop3_capability_relay(struct dialog *dialog, struct slice line, struct actions *actions);
void pop3_mechanism_relay(struct slice line, struct actions *actions);

/* Appends the capabilities that mailmux itself offers, before the end of the reply to CAPA. */
void pop3_capability_add(const struct dialog *dialog, struct actions *actions);

#endif
