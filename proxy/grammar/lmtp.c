/*
 * LMTP [RFC 2033]: the dialog of SMTP with LHLO in place of EHLO and HELO (smtp.c), and with a
 * reply for each recipient at the end of a message (lmtp_recipients.c).
 */
#include "mailmux/protocols.h"
#include "opening_parts.h"
#include "smtp_parts.h"

static const char *const alpn[] = {"lmtp", NULL};

const struct protocol protocol_lmtp = {
    .name = "lmtp",
    .alpn = alpn,
    .relays_after_login = false,
    .is_lmtp = true,
    .greeting = smtp_greeting,
    .dialog = &smtp_rules,
    .opening = &opening_lmtp,
};
