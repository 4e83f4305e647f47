#include "mailmux/dialog.h"

#include "mailmux/check.h"
#include "mailmux/line.h"
#include <string.h>

/* The first byte of a TLS record that carries a handshake. */
static const char tls_handshake_record = 0x16;

struct actions actions_of(struct buffer *to_client, struct buffer *to_server)
{
    return (struct actions){.to_client = to_client, .to_server = to_server};
}

void dialog_init(struct dialog *dialog, const struct protocol *protocol,
    const struct dialog_policy *policy, struct dialog_legs legs)
{
    memset(dialog, 0, sizeof(*dialog));
    dialog->protocol = protocol;
    dialog->policy = policy;
    dialog->legs = legs;
    dialog->smuggling = policy->smuggling;
    dialog->tls = legs.client_tls;
}

void dialog_deinit(struct dialog *dialog)
{
    explicit_bzero(dialog, sizeof(*dialog));
}

/* ---- The end of a call ---- */

/* What both sides were owed before a call. */
struct queued {
    size_t to_client;
    size_t to_server;
};

static struct queued queued_in(const struct actions *actions)
{
    return (struct queued){buffer_held(actions->to_client).n, buffer_held(actions->to_server).n};
}

/* Neither half a line goes out, nor a command that has no place for its reply. */
static void end_in_fault(struct dialog *dialog, struct queued before, struct actions *actions)
{
    buffer_cut(actions->to_client, before.to_client);
    buffer_cut(actions->to_server, before.to_server);
    actions->pass = false;
    actions->used = 0;
    dialog_close(dialog, actions, REASON_FAULT);
}

static void finish(struct dialog *dialog, struct queued before, struct actions *actions)
{
    if (dialog->mode == DIALOG_ENDING && actions->next == DIALOG_NOTHING &&
        !dialog->protocol->is_owed(dialog)) {
        dialog_farewell(dialog, dialog->last_word, actions->to_client);
        dialog_close(dialog, actions, dialog->last_reason);
    }
    if (actions->fault)
        end_in_fault(dialog, before, actions);
}

void dialog_start(
    struct dialog *dialog, enum greeting greeting, struct slice text, struct actions *actions)
{
    struct queued before = queued_in(actions);

    dialog->protocol->start(dialog, greeting, text, actions);
    finish(dialog, before, actions);
}

/* ---- The client's input ---- */

/* The last octet, but for those of a line's end. */
static void note_last(struct dialog *dialog, struct slice line)
{
    line = line_trim_returns(line);
    if (line.n > 0)
        dialog->discarded_last = line.p[line.n - 1];
}

/* in: as much as the limit lets through; the end of the line is not in it. */
static void begin_discard(struct dialog *dialog, struct slice in, struct actions *actions)
{
    size_t n = in.n < sizeof(dialog->discarded) ? in.n : sizeof(dialog->discarded);

    dialog->first = !dialog->started;
    dialog->started = true;
    if (dialog->first && dialog_is_http(in)) {
        dialog_close_with(dialog, actions, FAREWELL_REFUSED, REASON_HTTP);
        return;
    }
    memcpy(dialog->discarded, in.p, n);
    dialog->discarded_len = n;
    dialog->discarded_last = '\0';
    note_last(dialog, in);
    actions->used = in.n;
    dialog->count = 0;
    dialog->mode = DIALOG_DISCARD;
}

static void discard(struct dialog *dialog, struct slice in, struct actions *actions)
{
    size_t end = slice_find(in, '\n');

    note_last(dialog, slice_of(in.p, end));
    actions->used = end < in.n ? end + 1 : in.n;
    dialog->count += actions->used;
    if (dialog->count > DIALOG_DISCARD_MAX) {
        dialog_close_with(dialog, actions, FAREWELL_LINE_TOO_LONG, REASON_LINE_TOO_LONG);
    } else if (end < in.n) {
        dialog->mode = DIALOG_LINES;
        dialog->protocol->client_bad_line(
            dialog, slice_of(dialog->discarded, dialog->discarded_len), true, actions);
    }
}

/* Octets of a literal or a chunk: passed on, or skipped where their command was refused. */
static void take_counted(struct dialog *dialog, struct slice in, struct actions *actions)
{
    size_t n = in.n < dialog->count ? in.n : (size_t)dialog->count;

    actions->used = n;
    actions->pass = dialog->mode == DIALOG_COUNTED;
    if (actions->pass && dialog->protocol->passes)
        dialog->protocol->passes(dialog, slice_of(in.p, n));
    dialog->count -= n;
    if (dialog->count == 0)
        dialog->protocol->counted(dialog, actions);
}

static void take_first_byte(struct dialog *dialog, struct slice in, struct actions *actions)
{
    if (!dialog->started && in.p[0] == tls_handshake_record)
        dialog_close(dialog, actions, REASON_TLS_ON_PLAINTEXT_PORT);
}

static void take_line(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    dialog->first = !dialog->started;
    dialog->started = true;
    if (dialog->first && dialog_is_http(line))
        dialog_close_with(dialog, actions, FAREWELL_REFUSED, REASON_HTTP);
    else if (!line_is_clean(line))
        dialog->protocol->client_bad_line(dialog, line, false, actions);
    else
        dialog->protocol->client_line(dialog, line, behind, actions);
}

static bool feed_line(struct dialog *dialog, struct slice in, struct actions *actions)
{
    struct slice line;
    size_t limit;
    size_t used;

    take_first_byte(dialog, in, actions);
    if (actions->next == DIALOG_CLOSE)
        return true;
    limit = dialog->protocol->line_limit(dialog, in);
    switch (line_cut(in, limit, &line, &used)) {
    case LINE_MORE:
        return false;
    case LINE_LONG:
        begin_discard(dialog, slice_of(in.p, limit), actions);
        return true;
    case LINE_WHOLE:
        actions->used = used;
        take_line(dialog, line, slice_after(in, used), actions);
        return true;
    }
    return false;
}

static bool feed_message(struct dialog *dialog, struct slice in, struct actions *actions)
{
    dialog->protocol->message(dialog, in, actions);
    return actions->used > 0 || actions->next != DIALOG_NOTHING;
}

static bool feed_client(struct dialog *dialog, struct slice in, struct actions *actions)
{
    if (in.n == 0)
        return false;
    switch (dialog->mode) {
    case DIALOG_LINES:
        return feed_line(dialog, in, actions);
    case DIALOG_COUNTED:
    case DIALOG_SKIPPED:
        take_counted(dialog, in, actions);
        return true;
    case DIALOG_MESSAGE:
        return feed_message(dialog, in, actions);
    case DIALOG_DISCARD:
        discard(dialog, in, actions);
        return true;
    case DIALOG_HELD:
    case DIALOG_ENDING:
    case DIALOG_OVER:
        return false;
    }
    return false;
}

/* A reply that cannot be read, or kept, ends the session: what follows it has no known place. */
static bool feed_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    switch (dialog->protocol->server(dialog, in, actions)) {
    case REPLY_MORE:
        return false;
    case REPLY_WHOLE:
        return true;
    case REPLY_MALFORMED:
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return true;
    case REPLY_LARGE:
        dialog_break_off(dialog, actions, REASON_REPLY_TOO_LARGE);
        return true;
    }
    return false;
}

bool dialog_feed(
    struct dialog *dialog, enum dialog_side side, struct slice in, struct actions *actions)
{
    struct queued before = queued_in(actions);
    bool ending = dialog->mode == DIALOG_ENDING;
    bool did;

    *actions = actions_of(actions->to_client, actions->to_server);
    did =
        side == DIALOG_CLIENT ? feed_client(dialog, in, actions) : feed_server(dialog, in, actions);
    if (ending && dialog->mode != DIALOG_OVER)
        dialog->mode = DIALOG_ENDING; /* no reply lets the client speak again */
    if (did)
        finish(dialog, before, actions);
    return did;
}

bool dialog_wants_client(const struct dialog *dialog)
{
    return dialog->mode != DIALOG_HELD && dialog->mode != DIALOG_ENDING &&
           dialog->mode != DIALOG_OVER;
}

size_t dialog_line_limit(const struct dialog *dialog, struct slice in)
{
    return dialog->mode == DIALOG_LINES ? dialog->protocol->line_limit(dialog, in) : 0;
}

/* ---- Events ---- */

void dialog_tls_started(struct dialog *dialog)
{
    dialog->tls = true;
    dialog->started = false;
    dialog->mode = DIALOG_LINES;
    dialog->logins = DIALOG_LOGINS_UNTOLD; /* it may answer otherwise, once it knows of TLS */
    dialog_forget_user(dialog);
    dialog->protocol->tls_started(dialog);
}

bool dialog_server_ended(struct dialog *dialog, struct actions *actions)
{
    struct queued before = queued_in(actions);
    bool expected = dialog->protocol->server_ended(dialog, actions);

    if (expected)
        finish(dialog, before, actions);
    return expected;
}

void dialog_server_renewed(struct dialog *dialog, struct actions *actions)
{
    struct queued before = queued_in(actions);

    if (dialog->protocol->server_renewed)
        dialog->protocol->server_renewed(dialog, actions);
    finish(dialog, before, actions);
}

bool dialog_waits_after_look_alike(const struct dialog *dialog)
{
    const struct protocol *protocol = dialog->protocol;

    return protocol->waits_after_look_alike && protocol->waits_after_look_alike(dialog);
}

bool dialog_may_be_over(const struct dialog *dialog)
{
    return dialog->protocol->may_be_over && dialog->protocol->may_be_over(dialog);
}

/* An answer that is owed may still come, and goes first; but not when the wait was for it. */
void dialog_expire(struct dialog *dialog, enum reason reason, struct actions *actions)
{
    struct queued before = queued_in(actions);

    if (dialog->mode == DIALOG_OVER) {
        dialog_close(dialog, actions, reason);
    } else if (dialog_waits_after_look_alike(dialog)) {
        dialog->protocol->end_wait(dialog, actions);
    } else if (dialog->mode == DIALOG_ENDING || reason == REASON_TIMEOUT_REPLY) {
        dialog_farewell(dialog, FAREWELL_TIMEOUT, actions->to_client);
        dialog_close(dialog, actions, reason);
    } else {
        dialog_close_with(dialog, actions, FAREWELL_TIMEOUT, reason);
    }
    finish(dialog, before, actions);
}

bool dialog_is_inside(const struct dialog *dialog)
{
    return dialog->cut_short || dialog->mode == DIALOG_MESSAGE || dialog->mode == DIALOG_COUNTED;
}

bool dialog_at_boundary(const struct dialog *dialog)
{
    return dialog->protocol->at_boundary(dialog);
}

void dialog_farewell(
    const struct dialog *dialog, enum dialog_farewell farewell, struct buffer *to_client)
{
    if (farewell != FAREWELL_UNSAID)
        dialog->protocol->farewell(farewell, dialog->policy->hostname, to_client);
}

/* ---- For the protocols ---- */

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

void dialog_close(struct dialog *dialog, struct actions *actions, enum reason reason)
{
    dialog->cut_short = dialog_is_inside(dialog);
    dialog->mode = DIALOG_OVER;
    actions->next = DIALOG_CLOSE;
    actions->reason = reason;
}

void dialog_close_with(struct dialog *dialog, struct actions *actions,
    enum dialog_farewell farewell, enum reason reason)
{
    if (dialog->mode == DIALOG_ENDING)
        return; /* its end has its reason already */
    dialog->cut_short = dialog_is_inside(dialog);
    dialog->mode = DIALOG_ENDING; /* the call does the rest when it is through: finish() */
    dialog->last_word = farewell;
    dialog->last_reason = reason;
}

void dialog_break_off(struct dialog *dialog, struct actions *actions, enum reason reason)
{
    dialog_farewell(dialog, FAREWELL_PROTOCOL, actions->to_client);
    dialog_close(dialog, actions, reason);
}

void dialog_count_bad(struct dialog *dialog, struct actions *actions)
{
    dialog->bad_commands++;
    if (dialog->bad_commands >= dialog->policy->bad_commands && actions->next == DIALOG_NOTHING)
        dialog_close_with(dialog, actions, FAREWELL_TOO_MANY_ERRORS, REASON_BAD_COMMANDS);
}

void dialog_forgive(struct dialog *dialog)
{
    dialog->bad_commands = 0;
}

bool dialog_hides_login(const struct dialog *dialog)
{
    return !dialog->tls && dialog->policy->require_tls != REQUIRE_TLS_NO;
}

bool dialog_offers_tls(const struct dialog *dialog)
{
    return !dialog->tls && dialog->policy->offers_tls;
}

bool dialog_may_start_tls(struct slice behind)
{
    return behind.n == 0 || behind.p[0] == tls_handshake_record;
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
