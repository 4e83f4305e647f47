/* The backend's half of SMTP: cutting its replies and giving each to the command it answers. */
#include "smtp_parts.h"

#include "mailmux/line.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "250 text", "250-text" or "250" alone; *last: no line follows. */
static bool parse_line(struct slice line, unsigned *code, bool *last)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) ||
        !is_digit(line.p[2]) || !line_is_clean(line))
        return false;
    if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
        return false;
    *code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 +
            (unsigned)(line.p[2] - '0');
    *last = line.n == 3 || line.p[3] == ' ';
    return true;
}

static struct slice trim_carriage_returns(struct slice line)
{
    while (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

enum smtp_reply_cut smtp_reply_cut(struct slice in, size_t max_octets, size_t max_lines,
    size_t max_line, struct smtp_reply_text *reply)
{
    size_t at = 0;

    for (size_t lines = 1; lines <= max_lines; lines++) {
        struct slice line;
        size_t used;
        unsigned code;
        bool last;

        switch (line_cut(slice_after(in, at), max_line, &line, &used)) {
        case LINE_MORE:
            return in.n >= max_octets ? REPLY_LARGE : REPLY_MORE;
        case LINE_LONG:
            return REPLY_LARGE;
        case LINE_WHOLE:
            break;
        }
        at += used;
        if (at > max_octets)
            return REPLY_LARGE;
        if (!parse_line(trim_carriage_returns(line), &code, &last) ||
            (lines > 1 && code != reply->code))
            return REPLY_MALFORMED;
        reply->code = code;
        if (last) {
            reply->lines = lines;
            reply->used = at;
            reply->text = slice_of(in.p, at);
            return REPLY_WHOLE;
        }
    }
    return REPLY_LARGE;
}

void smtp_reply_relay(const struct smtp_reply_text *reply, struct actions *actions)
{
    struct slice rest = reply->text;
    struct slice line;
    size_t used;

    while (line_cut(rest, rest.n + 1, &line, &used) == LINE_WHOLE) {
        dialog_reply(actions, trim_carriage_returns(line));
        rest = slice_after(rest, used);
    }
}

static void end_of_auth(struct dialog *dialog, unsigned code)
{
    dialog->of.smtp.in_auth = code == 334;
    if (code == 235)
        dialog->logged_in = true;
}

/* Our RSET before the upgrade was answered: the client gets the reply to its STARTTLS. */
static void reset_for_tls(struct dialog *dialog, unsigned code, struct actions *actions)
{
    smtp_settle(dialog);
    smtp_answer(dialog, SMTP_GO_AHEAD, actions);
    dialog->mode = DIALOG_HELD;
    actions->next = DIALOG_START_TLS;
    actions->renew_server = code / 100 != 2;
}

/* Only these may be answered 3yz: after it nobody could know what follows (C70). */
static bool may_continue(enum smtp_command command, unsigned code)
{
    return code / 100 != 3 || (command == SMTP_AUTH && code == 334) ||
           (command == SMTP_DATA && code == 354) || command == SMTP_BDAT;
}

/* A verb that the backend does not know is a bad command, too (C60) [RFC 5321 4.2.4]. */
enum { SMTP_CODE_NOT_RECOGNISED = 500 };

static void take_reply(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    enum smtp_command command = (enum smtp_command)smtp_owed(dialog)->command;

    if (command == SMTP_RESET_FOR_TLS) {
        reset_for_tls(dialog, reply->code, actions);
        return;
    }
    if (command == SMTP_EHLO && reply->code == 250)
        smtp_ehlo_relay(dialog, reply, actions);
    else
        smtp_reply_relay(reply, actions);
    if ((command == SMTP_EHLO || command == SMTP_HELO) && reply->code == 250)
        dialog->of.smtp.hello_needed = false;
    if (command == SMTP_HELO && reply->code == 250)
        dialog->of.smtp.chunking = false;
    if (command == SMTP_AUTH)
        end_of_auth(dialog, reply->code);
    smtp_settle(dialog);
    if (command == SMTP_DATA && reply->code == 354)
        smtp_message_begin(dialog);
    if (command == SMTP_QUIT)
        dialog_close(dialog, actions, REASON_QUIT);
    /* A backend that does not know BDAT would read its octets as commands (attack A10). */
    if (command == SMTP_BDAT && (reply->code == 500 || reply->code == 502))
        dialog_close(dialog, actions, REASON_BDAT_REFUSED);
    if (command == SMTP_OTHER && reply->code == SMTP_CODE_NOT_RECOGNISED)
        dialog_count_bad(dialog, actions);
}

/* Nothing is owed: a 421 may come at any time, and some answer a message before its end. */
static void take_unasked(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    if (dialog->mode == DIALOG_MESSAGE && reply->code >= 400) {
        smtp_reply_relay(reply, actions);
        dialog_close(dialog, actions, REASON_SERVER_FAREWELL);
    } else {
        dialog_close_with(dialog, actions, FAREWELL_PROTOCOL, REASON_SERVER_PROTOCOL);
    }
}

static void take_whole(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    const struct smtp_pending *owed = smtp_owed(dialog);

    actions->used = reply->used;
    if (reply->code == 421) {
        bool quitting = owed && owed->command == SMTP_QUIT;

        smtp_reply_relay(reply, actions);
        dialog_close(dialog, actions, quitting ? REASON_QUIT : REASON_SERVER_FAREWELL);
    } else if (!owed) {
        take_unasked(dialog, reply, actions);
    } else if (!may_continue((enum smtp_command)owed->command, reply->code)) {
        dialog_close_with(dialog, actions, FAREWELL_PROTOCOL, REASON_SERVER_PROTOCOL);
    } else {
        take_reply(dialog, reply, actions);
    }
}

/* A challenge is as long as the client's answer to it may be [RFC 4954 4] (C56). */
static size_t line_max(const struct dialog *dialog)
{
    const struct smtp_pending *owed = smtp_owed(dialog);
    size_t sasl_line = dialog->policy->sasl_line;

    return owed && owed->command == SMTP_AUTH && sasl_line > SMTP_REPLY_LINE_MAX
               ? sasl_line
               : SMTP_REPLY_LINE_MAX;
}

bool smtp_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    const struct dialog_policy *policy = dialog->policy;
    struct smtp_reply_text reply;

    if (smtp_say_own(dialog, actions))
        return true;
    if (in.n == 0 || dialog->mode == DIALOG_OVER)
        return false;
    switch (smtp_reply_cut(in, policy->reply, policy->reply_lines, line_max(dialog), &reply)) {
    case REPLY_MORE:
        return false;
    case REPLY_WHOLE:
        take_whole(dialog, &reply, actions);
        return true;
    case REPLY_MALFORMED:
        dialog_close_with(dialog, actions, FAREWELL_PROTOCOL, REASON_SERVER_PROTOCOL);
        return true;
    case REPLY_LARGE:
        dialog_close_with(dialog, actions, FAREWELL_PROTOCOL, REASON_REPLY_TOO_LARGE);
        return true;
    }
    return false;
}
