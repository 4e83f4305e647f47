/*
 * What LMTP has of its own in a dialog [RFC 2033 4.2, 4.3]: the end of a message is answered once
 * for each recipient that was accepted. So their number must be known before a message begins, and
 * DATA and BDAT wait until all that came before them is answered. In SMTP no recipient is counted,
 * and each message has one reply.
 */
#include "smtp_parts.h"

/* So many replies of our own, none with our name, fit into DIALOG_EXTRA. */
enum { OWN_REPLIES_MAX = 40 };

bool lmtp_line_waits(struct dialog *dialog, struct slice line)
{
    static const char *const waiting[] = {"DATA", "BDAT", NULL};
    struct slice verb = SLICE("");

    (void)slice_word(&line, &verb);
    if (!dialog->protocol->is_lmtp || dialog->of.smtp.queue_len == 0 ||
        !slice_one_of(verb, waiting))
        return false;
    dialog->of.smtp.barrier = true;
    dialog->mode = DIALOG_HELD;
    return true;
}

/* The transaction is over, or a new one has begun. */
static void forget(struct smtp *smtp)
{
    smtp->recipients = 0;
    smtp->chunk_failed = false;
}

void lmtp_learn(struct dialog *dialog, enum smtp_command command, unsigned code)
{
    struct smtp *smtp = &dialog->of.smtp;
    bool is_success = code / 100 == 2;

    if (!dialog->protocol->is_lmtp)
        return;
    if (command == SMTP_RECIPIENT && is_success)
        smtp->recipients++;
    if ((command == SMTP_TRANSACTION || command == SMTP_EHLO) && is_success)
        forget(smtp);
    if (command == SMTP_BDAT && !is_success)
        smtp->chunk_failed = true;
}

bool lmtp_awaits_more(struct dialog *dialog)
{
    struct smtp *smtp = &dialog->of.smtp;

    if (smtp->recipients > 1) {
        smtp->recipients--;
        return true;
    }
    forget(smtp);
    return false;
}

bool lmtp_answer_each(struct dialog *dialog, enum smtp_reply reply, struct actions *actions)
{
    for (int i = 0; i < OWN_REPLIES_MAX; i++) {
        smtp_answer(dialog, reply, actions);
        if (!lmtp_awaits_more(dialog))
            return true;
    }
    return false;
}

bool lmtp_refuses_data(struct dialog *dialog, struct actions *actions)
{
    if (!dialog->protocol->is_lmtp || dialog->of.smtp.recipients > 0)
        return false;
    smtp_answer(dialog, SMTP_NO_RECIPIENTS, actions);
    return true;
}

/*
 * Servers differ in how many replies they give to these chunks. So none of them reaches a server,
 * and the client gets what RFC 2033 4.3 says: for the last chunk no reply without a recipient.
 */
bool lmtp_refuses_chunk(
    struct dialog *dialog, uint64_t octets, bool is_last, struct actions *actions)
{
    const struct smtp *smtp = &dialog->of.smtp;

    if (!dialog->protocol->is_lmtp || (smtp->recipients > 0 && !smtp->chunk_failed))
        return false;
    dialog->count = octets;
    if (octets > 0)
        dialog->mode = DIALOG_SKIPPED;
    if (!is_last)
        smtp_answer(dialog, smtp->recipients > 0 ? SMTP_CHUNK_FAILED : SMTP_NO_RECIPIENTS, actions);
    else if (smtp->recipients > 0 && !lmtp_answer_each(dialog, SMTP_CHUNK_FAILED, actions))
        dialog_close_with(dialog, FAREWELL_REFUSED, REASON_BDAT_REFUSED);
    return true;
}
