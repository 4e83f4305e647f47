/*
 * Message data [RFC 5321 4.1.1.4, 4.5.2]. It passes as bytes up to CRLF.CRLF, and nothing else ends
 * it. Some servers take a dot between other line ends for the end (SMTP smuggling, attack A23), and
 * would read the rest of the message as commands. Such a look-alike is refused before the octet
 * that completes it reaches the backend. For that a dot is held back until the two octets after it
 * are known.
 */
#include "smtp_parts.h"

#include <string.h>

enum dot {
    DOT_PLAIN,      /* text */
    DOT_END,        /* of CRLF.CRLF */
    DOT_LOOK_ALIKE, /* a lax server may take it for the end */
    DOT_UNKNOWN     /* the next octets decide, and have not come yet */
};

void smtp_message_begin(struct dialog *dialog)
{
    memcpy(dialog->of.smtp.tail, "\r\n", SMTP_TAIL);
    dialog->of.smtp.fate = SMTP_PASSES;
    dialog->of.smtp.may_be_over = false;
    dialog->of.smtp.half_end = false;
    dialog->mode = DIALOG_MESSAGE;
}

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/*
 * Returns the octet `back` octets before position i. It may have been passed on with an earlier
 * input.
 */
static char octet(const struct smtp *smtp, struct slice in, size_t i, size_t back)
{
    return i >= back ? in.p[i - back] : smtp->tail[SMTP_TAIL + i - back];
}

static enum dot judge_dot(const struct smtp *smtp, struct slice in, size_t i)
{
    bool after_crlf = octet(smtp, in, i, 2) == '\r' && octet(smtp, in, i, 1) == '\n';

    if (!is_line_end(octet(smtp, in, i, 1)))
        return DOT_PLAIN;
    if (i + 1 == in.n)
        return DOT_UNKNOWN;
    if (!is_line_end(in.p[i + 1]))
        return DOT_PLAIN;
    if (in.p[i + 1] == '\n' || !after_crlf)
        return DOT_LOOK_ALIKE;
    if (i + 2 == in.n)
        return DOT_UNKNOWN;
    return in.p[i + 2] == '\n' ? DOT_END : DOT_LOOK_ALIKE;
}

/*
 * Returns the position of the first bare CR or LF before `end`, or `end`. A CR at the end of the
 * input counts as bare, because it is not known yet whether an LF follows.
 */
static size_t find_bare(const struct smtp *smtp, struct slice in, size_t end)
{
    for (size_t i = 0; i < end; i++) {
        if (in.p[i] == '\n' && octet(smtp, in, i, 1) != '\r')
            return i;
        if (in.p[i] == '\r' && (i + 1 == in.n || in.p[i + 1] != '\n'))
            return i;
    }
    return end;
}

/* Returns how many octets of plain text come first. *dot says what follows them. */
static size_t plain_run(const struct smtp *smtp, struct slice in, enum dot *dot)
{
    size_t i = 0;

    for (;;) {
        i += slice_find(slice_after(in, i), '.');
        if (i == in.n) {
            *dot = DOT_PLAIN;
            return i;
        }
        *dot = judge_dot(smtp, in, i);
        if (*dot != DOT_PLAIN)
            return i;
        i++;
    }
}

static void pass(struct smtp *smtp, struct slice in, size_t n, struct actions *actions)
{
    char last[SMTP_TAIL];

    if (n == 0)
        return;
    last[1] = in.p[n - 1];
    last[0] = octet(smtp, in, n, 2);
    memcpy(smtp->tail, last, sizeof(last));
    actions->used = n;
    actions->pass = smtp->fate == SMTP_PASSES;
}

void smtp_end_of_answered(struct dialog *dialog, struct actions *actions)
{
    dialog->mode = DIALOG_LINES;
    if (dialog->of.smtp.backend == SMTP_CLOSING)
        dialog_close(dialog, actions, REASON_SERVER_FAREWELL);
    else if (dialog->of.smtp.backend == SMTP_NO_BDAT)
        dialog_close(dialog, actions, REASON_BDAT_REFUSED);
    else if (dialog->of.smtp.recipients > 0) /* of LMTP, for which no reply has come */
        dialog_close_with(dialog, FAREWELL_SERVER_LOST, REASON_SERVER_FAREWELL);
}

/* In LMTP a recipient beyond those that get the reply gets the end of the session. */
static void answer_smuggling(struct dialog *dialog, struct actions *actions)
{
    (void)lmtp_answer_each(dialog, SMTP_SMUGGLING, actions);
    dialog_close_with(dialog, FAREWELL_UNSAID, REASON_SMUGGLING);
}

static void end_message(struct dialog *dialog, struct slice in, struct actions *actions)
{
    pass(&dialog->of.smtp, in, 3, actions);
    dialog->of.smtp.sender_len = 0;
    switch (dialog->of.smtp.fate) {
    case SMTP_PASSES:
        dialog->mode = DIALOG_LINES;
        smtp_expect(dialog, SMTP_MESSAGE, false, actions);
        break;
    case SMTP_SMUGGLED:
        answer_smuggling(dialog, actions);
        break;
    case SMTP_ANSWERED:
        smtp_end_of_answered(dialog, actions);
        break;
    }
}

/*
 * Refuses the message. Nothing more goes to the backend, and its connection is ended at once: it
 * would wait for the rest, and might send something before the client knows why the message was
 * refused.
 */
static void refuse(struct smtp *smtp, struct slice in, size_t octets, struct actions *actions)
{
    dialog_note_refusal(REFUSAL_SMUGGLING, actions);
    actions->news.sender = slice_of(smtp->sender, smtp->sender_len);
    smtp->fate = SMTP_SMUGGLED;
    smtp->backend = SMTP_LEFT;
    actions->leave_server = true;
    pass(smtp, in, octets, actions);
}

bool smtp_waits_after_look_alike(const struct dialog *dialog)
{
    const struct smtp *smtp = &dialog->of.smtp;

    if (dialog->mode != DIALOG_MESSAGE)
        return false;
    return smtp->half_end || (smtp->fate != SMTP_PASSES && smtp->may_be_over &&
                                 is_line_end(smtp->tail[SMTP_TAIL - 1]));
}

bool smtp_may_be_over(const struct dialog *dialog)
{
    const struct smtp *smtp = &dialog->of.smtp;

    return dialog->mode == DIALOG_MESSAGE && smtp->fate == SMTP_PASSES && smtp->may_be_over &&
           is_line_end(smtp->tail[SMTP_TAIL - 1]);
}

/* The client has sent all of its message, and waits for an answer. */
void smtp_end_wait(struct dialog *dialog, struct actions *actions)
{
    if (dialog->of.smtp.fate == SMTP_ANSWERED)
        dialog_close_with(dialog, FAREWELL_TIMEOUT, REASON_TIMEOUT_DATA);
    else
        answer_smuggling(dialog, actions);
}

static void refuse_look_alike(struct smtp *smtp, struct slice in, struct actions *actions)
{
    bool after_crlf = smtp->tail[0] == '\r' && smtp->tail[1] == '\n';
    size_t behind = after_crlf && in.p[1] == '\r' ? 2 : 1;

    /* Line ends and a dot, and what stood before them: the log shows what was taken for the end. */
    memcpy(smtp->look_alike, smtp->tail, SMTP_TAIL);
    memcpy(smtp->look_alike + SMTP_TAIL, in.p, 1 + behind);
    actions->news.octets = slice_after(
        slice_of(smtp->look_alike, SMTP_TAIL + 1 + behind), is_line_end(smtp->tail[0]) ? 0 : 1);
    refuse(smtp, in, 1, actions);
    smtp->may_be_over = true;
}

static void refuse_bare(struct smtp *smtp, struct slice in, struct actions *actions)
{
    smtp->look_alike[0] = in.p[0];
    actions->news.octets = slice_of(smtp->look_alike, 1);
    refuse(smtp, in, 1, actions);
}

/*
 * Passes a look-alike. It may be the end of the message for the client and, if it goes to the
 * backend, for the backend.
 */
static void pass_look_alike(struct smtp *smtp, struct slice in, struct actions *actions)
{
    pass(smtp, in, 1, actions);
    smtp->loose = smtp->loose || smtp->fate == SMTP_PASSES;
    smtp->may_be_over = true;
}

void smtp_message(struct dialog *dialog, struct slice in, struct actions *actions)
{
    struct smtp *smtp = &dialog->of.smtp;
    enum smuggling policy = dialog->smuggling;
    enum dot dot;
    size_t n = plain_run(smtp, in, &dot);

    smtp->half_end = n == 0 && dot == DOT_UNKNOWN && in.n == 2;
    if (policy == SMUGGLING_STRICT && smtp->fate == SMTP_PASSES) {
        size_t bare = find_bare(smtp, in, n);

        if (bare == 0 && n > 0) {
            if (in.p[0] != '\r' || in.n > 1)
                refuse_bare(smtp, in, actions);
            return;
        }
        if (bare < n) {
            pass(smtp, in, bare, actions);
            return;
        }
    }
    if (n > 0)
        pass(smtp, in, n, actions);
    else if (dot == DOT_END)
        end_message(dialog, in, actions);
    else if (dot == DOT_LOOK_ALIKE && (policy == SMUGGLING_PASS || smtp->fate != SMTP_PASSES))
        pass_look_alike(smtp, in, actions);
    else if (dot == DOT_LOOK_ALIKE)
        refuse_look_alike(smtp, in, actions);
}
