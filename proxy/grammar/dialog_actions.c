/*
 * What a protocol does to its dialog: it appends text for both sides, begins the way to TLS, and
 * ends the dialog.
 */
#include "dialog_parts.h"

#include "mailmux/check.h"
#include "mailmux/sasl.h"
#include <string.h>

struct actions actions_of(struct buffer *to_client, struct buffer *to_server)
{
    return (struct actions){.to_client = to_client, .to_server = to_server};
}

/* ---- Text ---- */

static void note(struct actions *actions, bool said)
{
    if (!check_holds(said))
        actions->fault = true;
}

void dialog_reply(struct actions *actions, struct slice line)
{
    note(actions, line_append_clean(actions->to_client, line));
}

void dialog_say(struct actions *actions, struct slice text)
{
    note(actions, buffer_append(actions->to_client, text));
}

void dialog_forward(struct actions *actions, struct slice line)
{
    note(actions, line_append(actions->to_server, line));
}

void dialog_forward_part(struct actions *actions, struct slice text)
{
    note(actions, buffer_append(actions->to_server, text));
}

void dialog_reply_named(const struct dialog *dialog, const char *text, struct actions *actions)
{
    note(actions, line_append_named(actions->to_client, text, dialog->policy->hostname));
}

void dialog_say_mechanisms(struct slice mechanisms, struct actions *actions)
{
    struct slice mechanism;

    while (slice_word(&mechanisms, &mechanism)) {
        if (sasl_is_withheld(mechanism))
            continue;
        dialog_say(actions, SLICE(" "));
        dialog_say(actions, mechanism);
    }
}

void dialog_relay_continuation(struct slice line, struct actions *actions)
{
    if (line.n > 1 && line.p[1] != ' ') {
        dialog_say(actions, SLICE("+ "));
        line = slice_after(line, 1);
    }
    dialog_reply(actions, line);
}

/* ---- What is next ---- */

void dialog_await_response(struct dialog *dialog)
{
    dialog->in_exchange = true;
    dialog->mode = DIALOG_LINES;
}

void dialog_go_to_tls(struct dialog *dialog, bool renew, struct actions *actions)
{
    dialog->mode = DIALOG_HELD;
    actions->next = DIALOG_START_TLS;
    actions->renew_server = renew;
}

bool dialog_is_inside(const struct dialog *dialog)
{
    return dialog->cut_short || dialog->mode == DIALOG_MESSAGE || dialog->mode == DIALOG_COUNTED;
}

void protocol_farewell(const struct protocol *protocol, enum dialog_farewell farewell,
    struct slice hostname, struct buffer *to_client)
{
    if (farewell != FAREWELL_UNSAID)
        (void)line_append_named(to_client, protocol->dialog->farewells[farewell], hostname);
}

void dialog_farewell(
    const struct dialog *dialog, enum dialog_farewell farewell, struct buffer *to_client)
{
    protocol_farewell(dialog->protocol, farewell, dialog->policy->hostname, to_client);
}

void dialog_close(struct dialog *dialog, struct actions *actions, enum reason reason)
{
    dialog->cut_short = dialog_is_inside(dialog);
    dialog->mode = DIALOG_OVER;
    actions->next = DIALOG_CLOSE;
    actions->reason = reason;
}

void dialog_close_with(struct dialog *dialog, enum dialog_farewell farewell, enum reason reason)
{
    if (dialog->mode == DIALOG_ENDING)
        return; /* the reason for the end is set already */
    dialog->cut_short = dialog_is_inside(dialog);
    dialog->mode = DIALOG_ENDING; /* finish(), the last step of the call, does the rest */
    dialog->last_word = farewell;
    dialog->last_reason = reason;
}

void dialog_break_off(struct dialog *dialog, struct actions *actions, enum reason reason)
{
    dialog_farewell(dialog, FAREWELL_PROTOCOL, actions->to_client);
    dialog_close(dialog, actions, reason);
}

const void *dialog_row(struct slice word, const void *rows, size_t count, size_t size)
{
    const char *row = rows;

    for (size_t i = 0; i < count; i++, row += size) {
        const char *own;

        memcpy(&own, row, sizeof(own));
        if (slice_equal_nocase(word, slice_from(own)))
            return row;
    }
    return NULL;
}

void dialog_count_bad(struct dialog *dialog, struct actions *actions)
{
    dialog->bad_commands++;
    if (dialog->bad_commands >= dialog->policy->bad_commands && actions->next == DIALOG_NOTHING)
        dialog_close_with(dialog, FAREWELL_TOO_MANY_ERRORS, REASON_BAD_COMMANDS);
}

void dialog_note_refusal(enum dialog_refusal refusal, struct actions *actions)
{
    if (actions->news.refusal == REFUSAL_NONE)
        actions->news.refusal = refusal;
}

void dialog_refuse(
    struct dialog *dialog, enum dialog_refusal refusal, struct slice reply, struct actions *actions)
{
    dialog_note_refusal(refusal, actions);
    dialog_reply(actions, reply);
    dialog_count_bad(dialog, actions);
}

void dialog_forgive(struct dialog *dialog)
{
    dialog->bad_commands = 0;
}

/* ---- What the policy wants ---- */

bool dialog_hides_login(const struct dialog *dialog)
{
    return !dialog->tls && dialog->policy->require_tls != REQUIRE_TLS_NO;
}

bool dialog_needs_tls(const struct dialog *dialog)
{
    return !dialog->tls && dialog->policy->require_tls == REQUIRE_TLS_YES;
}

bool dialog_offers_tls(const struct dialog *dialog)
{
    return !dialog->tls && dialog->policy->offers_tls;
}

bool dialog_is_handshake(struct slice in)
{
    const char handshake_record = 0x16;

    return in.n > 0 && *in.p == handshake_record;
}

bool dialog_may_start_tls(struct slice behind)
{
    return behind.n == 0 || dialog_is_handshake(behind);
}

bool dialog_is_http(struct slice line)
{
    static const char *const methods[] = {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT "};

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        if (slice_starts_nocase(line, slice_from(methods[i])))
            return true;
    }
    return false;
}
