/*
 * What a dialog remembers of an SMTP session [RFC 5321]. SMTP never becomes a relay: port 25 knows
 * no login, so commands are followed to the end, and only message data passes as bytes.
 */
#ifndef MAILMUX_SMTP_H
#define MAILMUX_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SMTP_QUEUE_MAX = 256 }; /* commands in flight; when full the client is not read */

/* What a queued command will be answered by, and what its answer means here. */
enum smtp_command {
    SMTP_OTHER,
    SMTP_HELO,
    SMTP_EHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_MESSAGE, /* the end of message data */
    SMTP_BDAT,
    SMTP_AUTH, /* AUTH and each line of its exchange */
    SMTP_QUIT,
    SMTP_RESET_FOR_TLS /* our RSET before an upgrade: its answer is swallowed */
};

/* One outstanding command: forwarded, or answered here in its place (rule O). */
struct smtp_pending {
    uint8_t command; /* enum smtp_command */
    uint8_t reply;   /* enum smtp_reply; 0: the backend answers */
};

/* Where the scan for the end of message data stands. */
enum smtp_scan { SMTP_SCAN_TEXT, SMTP_SCAN_SWALLOW };

struct smtp {
    struct smtp_pending queue[SMTP_QUEUE_MAX]; /* a ring */
    unsigned queue_head;
    unsigned queue_len;
    bool refused;  /* the backend's greeting was 554: only QUIT is served, here */
    bool greeted;  /* EHLO or HELO was accepted since the greeting or since TLS */
    bool chunking; /* the last EHLO reply offered CHUNKING */
    bool in_auth;  /* the next client line is a SASL response */
    bool quitting;
    bool in_transaction; /* MAIL, RCPT were forwarded in plaintext: RSET before TLS */
    bool dirty;          /* more than that: the backend connection must be renewed */
    enum smtp_scan scan;
    unsigned char tail[8]; /* the last octets of message data, see smtp_data.c */
    unsigned tail_len;
    bool bdat_last;
};

#endif
