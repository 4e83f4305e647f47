/*
 * What is the same in every protocol: how the client's input is taken, in which order text goes
 * out, and how a dialog ends.
 */
#include "dialog_parts.h"

#include "mailmux/sasl.h"
#include <string.h>

static const struct dialog_rules *rules_of(const struct dialog *dialog)
{
    return dialog->protocol->dialog;
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

/* How much both buffers held before a call. */
struct queued {
    size_t to_client;
    size_t to_server;
};

static struct queued queued_in(const struct actions *actions)
{
    return (struct queued){buffer_held(actions->to_client).n, buffer_held(actions->to_server).n};
}

/*
 * Takes back what the call has appended. Half a line must not go out, and neither must a command
 * whose reply could not be told from others.
 */
static void end_in_fault(struct dialog *dialog, struct queued before, struct actions *actions)
{
    buffer_cut(actions->to_client, before.to_client);
    buffer_cut(actions->to_server, before.to_server);
    actions->pass = false;
    actions->used = 0;
    dialog_close(dialog, actions, REASON_FAULT);
}

/* Returns whether an answer is owed to the client. In a SASL exchange it is the client's turn. */
static bool is_owed(const struct dialog *dialog)
{
    return !dialog->in_exchange && rules_of(dialog)->is_owed(dialog);
}

/*
 * The last step of each call. A dialog that is ending says its last word here, as soon as no answer
 * is owed. A call whose text did not fit ends in a fault.
 */
static void finish(struct dialog *dialog, struct queued before, struct actions *actions)
{
    if (dialog->mode == DIALOG_ENDING && actions->next == DIALOG_NOTHING && !is_owed(dialog)) {
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

    switch (greeting) {
    case GREETING_READY:
    case GREETING_PREAUTH:
    case GREETING_REFUSED:
        rules_of(dialog)->start(dialog, greeting, text, actions);
        break;
    case GREETING_MORE:
    case GREETING_LARGE:
    case GREETING_WRONG:
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        break;
    }
    finish(dialog, before, actions);
}

/* ---- The client's input ---- */

/* Keeps the last octet of a line, without its line end. */
static void note_last(struct dialog *dialog, struct slice line)
{
    line = line_trim_returns(line);
    if (line.n > 0)
        dialog->discarded_last = line.p[line.n - 1];
}

/* Begins to discard a line. in: as many octets as the limit allows, without the line end. */
static void begin_discard(struct dialog *dialog, struct slice in, struct actions *actions)
{
    size_t n = in.n < sizeof(dialog->discarded) ? in.n : sizeof(dialog->discarded);

    dialog->first = !dialog->started;
    dialog->started = true;
    if (dialog->first && dialog_is_http(in)) {
        dialog_close_with(dialog, FAREWELL_REFUSED, REASON_HTTP);
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

/*
 * Takes the client's line of a SASL exchange. A line that cannot be SASL data becomes "*", which
 * cancels. The backend then refuses the exchange, and the client gets that refusal [RFC 4422 3.5].
 */
static void take_response(
    struct dialog *dialog, struct slice line, bool is_bad, struct actions *actions)
{
    struct slice cancel = SLICE("*");

    is_bad = is_bad || (rules_of(dialog)->response && !rules_of(dialog)->response(line, &line)) ||
             (!sasl_is_base64(line) && !slice_equal(line, cancel));
    dialog->in_exchange = false; /* until the backend asks again */
    dialog->is_cancelled = is_bad || slice_equal(line, cancel);
    line = dialog->is_cancelled ? cancel : line;
    dialog_take_response(dialog, line);
    rules_of(dialog)->respond(dialog, line, is_bad, actions);
}

static void take_bad_line(
    struct dialog *dialog, struct slice line, bool too_long, struct actions *actions)
{
    if (dialog->in_exchange)
        take_response(dialog, line, true, actions);
    else
        rules_of(dialog)->client_bad_line(dialog, line, too_long, actions);
}

/* A literal would follow that is neither taken nor skipped. */
static void close_literal(struct dialog *dialog, struct actions *actions)
{
    dialog_note_refusal(REFUSAL_LITERAL_TOO_LARGE, actions);
    dialog_close_with(dialog, FAREWELL_LINE_TOO_LONG, REASON_LITERAL_TOO_LARGE);
}

static void discard(struct dialog *dialog, struct slice in, struct actions *actions)
{
    size_t end = slice_find(in, '\n');

    note_last(dialog, slice_of(in.p, end));
    actions->used = end < in.n ? end + 1 : in.n;
    dialog->count += actions->used;
    if (dialog->count > DIALOG_DISCARD_MAX) {
        dialog_close_with(dialog, FAREWELL_LINE_TOO_LONG, REASON_LINE_TOO_LONG);
    } else if (end < in.n && rules_of(dialog)->literals && dialog->discarded_last == '}') {
        close_literal(dialog, actions);
    } else if (end < in.n) {
        dialog->mode = DIALOG_LINES;
        take_bad_line(dialog, slice_of(dialog->discarded, dialog->discarded_len), true, actions);
    }
}

/*
 * Takes octets of a literal or a chunk. They pass on, or are skipped if their command was refused.
 */
static void take_counted(struct dialog *dialog, struct slice in, struct actions *actions)
{
    size_t n = in.n < dialog->count ? in.n : (size_t)dialog->count;

    actions->used = n;
    actions->pass = dialog->mode == DIALOG_COUNTED;
    if (actions->pass && rules_of(dialog)->passes)
        rules_of(dialog)->passes(dialog, slice_of(in.p, n));
    dialog->count -= n;
    if (dialog->count > 0)
        return;
    dialog->mode = DIALOG_LINES;
    if (rules_of(dialog)->counted)
        rules_of(dialog)->counted(dialog, actions);
}

static void take_command(
    struct dialog *dialog, struct slice line, struct slice behind, struct actions *actions)
{
    dialog->is_cancelled = false;
    dialog->verb = NULL;
    rules_of(dialog)->client_line(dialog, line, behind, actions);
}

/* head: octets of the line that are literals, and lines in front of one. */
static void take_line(struct dialog *dialog, struct slice line, size_t head, struct slice behind,
    struct actions *actions)
{
    dialog->first = !dialog->started;
    dialog->started = true;
    if (dialog->first && dialog_is_http(line))
        dialog_close_with(dialog, FAREWELL_REFUSED, REASON_HTTP);
    else if (!line_is_clean(slice_after(line, head)))
        take_bad_line(dialog, line, false, actions);
    else if (dialog->in_exchange)
        take_response(dialog, line, false, actions);
    else
        take_command(dialog, line, behind, actions);
}

static size_t line_limit(const struct dialog *dialog, struct slice in)
{
    return dialog->in_exchange ? dialog->policy->sasl_line
                               : rules_of(dialog)->line_limit(dialog, in);
}

/* Returns whether the command must wait for the answers that are owed. */
static bool line_waits(struct dialog *dialog, struct slice line)
{
    const struct dialog_rules *rules = rules_of(dialog);

    return !dialog->in_exchange && rules->line_waits && rules->line_waits(dialog, line);
}

static bool feed_line(struct dialog *dialog, struct slice in, struct actions *actions)
{
    struct slice line;
    size_t limit;
    size_t head;
    size_t used;

    if (!dialog->started && dialog_is_handshake(in)) {
        dialog_close(dialog, actions, REASON_TLS_ON_PLAINTEXT_PORT);
        return true;
    }
    limit = line_limit(dialog, in);
    head = rules_of(dialog)->literals ? rules_of(dialog)->literals(dialog, in, limit) : 0;
    if (head > limit) {
        close_literal(dialog, actions);
        return true;
    }
    if (head > in.n)
        return false;
    switch (line_cut(slice_after(in, head), limit - head, &line, &used)) {
    case LINE_MORE:
        return false;
    case LINE_LONG:
        begin_discard(dialog, slice_of(in.p, limit), actions);
        return true;
    case LINE_WHOLE:
        line = slice_of(in.p, head + line.n);
        if (line_waits(dialog, line))
            return false;
        actions->used = head + used;
        take_line(dialog, line, head, slice_after(in, head + used), actions);
        return true;
    }
    return false;
}

static bool feed_message(struct dialog *dialog, struct slice in, struct actions *actions)
{
    rules_of(dialog)->message(dialog, in, actions);
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

/*
 * A reply that cannot be read, or that is too large, ends the session: it is not known where the
 * next reply begins.
 */
static bool feed_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    switch (rules_of(dialog)->server(dialog, in, actions)) {
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
    enum dialog_mode mode = dialog->mode;
    bool did;

    *actions = actions_of(actions->to_client, actions->to_server);
    did =
        side == DIALOG_CLIENT ? feed_client(dialog, in, actions) : feed_server(dialog, in, actions);
    if (mode == DIALOG_ENDING && dialog->mode != DIALOG_OVER)
        dialog->mode = DIALOG_ENDING; /* a reply does not let the client speak again */
    else if (side == DIALOG_SERVER && mode == DIALOG_DISCARD &&
             (dialog->mode == DIALOG_LINES || dialog->mode == DIALOG_HELD))
        dialog->mode = DIALOG_DISCARD; /* and it does not make a command of the rest of a line */
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
    return dialog->mode == DIALOG_LINES ? line_limit(dialog, in) : 0;
}

/* ---- Events ---- */

void dialog_tls_started(struct dialog *dialog)
{
    dialog->tls = true;
    dialog->started = false;
    dialog->mode = DIALOG_LINES;
    dialog->logins = DIALOG_LOGINS_UNTOLD; /* it may differ once the backend knows of TLS */
    dialog->in_exchange = false;
    dialog_forget_user(dialog);
    if (rules_of(dialog)->tls_started)
        rules_of(dialog)->tls_started(dialog);
    else
        memset(&dialog->of, 0, sizeof(dialog->of));
}

bool dialog_server_ended(struct dialog *dialog, struct actions *actions)
{
    struct queued before = queued_in(actions);
    bool expected = rules_of(dialog)->server_ended(dialog, actions);

    if (expected)
        finish(dialog, before, actions);
    return expected;
}

void dialog_server_renewed(struct dialog *dialog, struct actions *actions)
{
    struct queued before = queued_in(actions);

    if (rules_of(dialog)->server_renewed)
        rules_of(dialog)->server_renewed(dialog, actions);
    finish(dialog, before, actions);
}

bool dialog_waits_after_look_alike(const struct dialog *dialog)
{
    const struct dialog_rules *rules = rules_of(dialog);

    return rules->waits_after_look_alike && rules->waits_after_look_alike(dialog);
}

bool dialog_may_be_over(const struct dialog *dialog)
{
    return rules_of(dialog)->may_be_over && rules_of(dialog)->may_be_over(dialog);
}

/*
 * An answer that is owed goes out before the farewell, unless it is the one that did not come in
 * time.
 */
void dialog_expire(struct dialog *dialog, enum reason reason, struct actions *actions)
{
    struct queued before = queued_in(actions);

    if (dialog->mode == DIALOG_OVER) {
        dialog_close(dialog, actions, reason);
    } else if (dialog_waits_after_look_alike(dialog)) {
        rules_of(dialog)->end_wait(dialog, actions);
    } else if (dialog->mode == DIALOG_ENDING || reason == REASON_TIMEOUT_REPLY) {
        dialog_farewell(dialog, FAREWELL_TIMEOUT, actions->to_client);
        dialog_close(dialog, actions, reason);
    } else {
        dialog_close_with(dialog, FAREWELL_TIMEOUT, reason);
    }
    finish(dialog, before, actions);
}

bool dialog_is_quitting(const struct dialog *dialog)
{
    return rules_of(dialog)->is_quitting(dialog);
}

bool dialog_at_boundary(const struct dialog *dialog)
{
    return dialog->mode == DIALOG_LINES && rules_of(dialog)->is_settled(dialog);
}

bool dialog_is_settled(const struct dialog *dialog)
{
    return !dialog_is_inside(dialog) && rules_of(dialog)->is_settled(dialog);
}
