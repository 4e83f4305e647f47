/*
 * EHLO and HELO. After STARTTLS a client says its hello again [RFC 3207 4.2]. A backend that has
 * heard a hello in clear, or one of ours, then hears a second one on the same connection. Most
 * backends accept it [RFC 5321 4.1.4], but OpenSMTPD answers 503. So the line of such a hello is
 * kept. If it is refused with 503, it is said again on a fresh connection, and the client gets only
 * the answer to that (C132).
 */
#include "smtp_parts.h"

#include <string.h>

enum { SMTP_CODE_BAD_SEQUENCE = 503 };

static bool is_worth_keeping(const struct dialog *dialog, struct slice line)
{
    return dialog->of.smtp.hello_heard && line.n <= SMTP_HELLO_MAX;
}

void smtp_hello(struct dialog *dialog, struct slice line, bool extended, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;

    smtp->in_transaction = false;
    smtp->sender_len = 0;
    smtp->hello_len = is_worth_keeping(dialog, line) ? line.n : 0;
    memcpy(smtp->hello, line.p, smtp->hello_len);
    smtp_send(dialog, line, extended ? SMTP_EHLO : SMTP_HELO, true, actions);
}

bool smtp_hello_refused(struct dialog *dialog, unsigned code, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;

    if (code != SMTP_CODE_BAD_SEQUENCE || smtp->hello_len == 0)
        return false;
    smtp->hello_heard = false; /* the fresh backend has heard none, so this happens only once */
    actions->next = DIALOG_RENEW_SERVER;
    return true;
}

void smtp_hello_answered(struct dialog *dialog, bool success)
{
    struct smtp *smtp = &dialog->of.smtp;

    smtp->hello_len = 0;
    if (!success)
        return;
    smtp->hello_needed = false;
    smtp->hello_heard = false;
    smtp->hello_in_clear = !dialog->tls;
}

/* The queue still has the hello, which waits for its answer, so nothing is added to it. */
void smtp_server_renewed(struct dialog *dialog, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;

    if (smtp->hello_len > 0)
        dialog_forward(actions, slice_of(smtp->hello, smtp->hello_len));
    smtp->hello_len = 0;
}
