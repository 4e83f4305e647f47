/*
 * The backend's replies before a login is accepted [RFC 1939 3]. Each reply is taken whole, a list
 * up to its dot. It is edited if it lists capabilities, and relayed with CRLF.
 */
#include "pop3_parts.h"

#include "mailmux/sasl.h"

/* ---- One whole reply ---- */

struct reply {
    enum pop3_status status;
    struct slice line; /* the first */
    struct slice list; /* the lines that follow and the dot; empty if the reply is no list */
    size_t used;
};

enum pop3_status pop3_status_parse(struct slice line)
{
    if (slice_starts_word(line, SLICE("+OK")))
        return POP3_OK;
    if (slice_starts_word(line, SLICE("-ERR")))
        return POP3_ERR;
    return slice_starts(line, SLICE("+ ")) || slice_equal(line, SLICE("+")) ? POP3_CHALLENGE
                                                                            : POP3_WRONG;
}

/*
 * Returns whether the reply can be read in two ways: in a SASL exchange "+OKabc" may be a success,
 * or a challenge without the blank after "+".
 */
static bool is_ambiguous(const struct dialog *dialog, const struct reply *reply)
{
    return reply->status == POP3_OK && dialog->of.pop3.command == POP3_AUTH && reply->line.n > 3 &&
           reply->line.p[3] != ' ';
}

/*
 * Returns whether the line is a challenge without the blank after "+". A line that could be "+OK"
 * is not taken for one.
 */
static bool is_glued_challenge(struct slice line)
{
    return slice_starts(line, SLICE("+")) && !slice_starts_nocase(line, SLICE("+OK")) &&
           sasl_is_base64(slice_after(line, 1));
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Cuts the lines of a list up to the dot. The dot and the first line of the reply count as lines,
 * too.
 */
static enum reply_cut cut_list(
    struct slice in, const struct dialog_policy *policy, struct reply *reply)
{
    size_t start = reply->used;
    struct slice line;
    size_t used;

    for (size_t lines = 1; lines < policy->reply_lines; lines++) {
        size_t limit = lesser(REPLY_LINE_MAX, policy->reply - reply->used);
        enum reply_cut cut = line_cut_reply(slice_after(in, reply->used), limit, &line, &used);

        if (cut != REPLY_WHOLE)
            return cut;
        reply->used += used;
        if (slice_equal(line, SLICE("."))) {
            reply->list = slice_of(in.p + start, reply->used - start);
            return REPLY_WHOLE;
        }
    }
    return REPLY_LARGE;
}

static bool is_list(enum pop3_command command)
{
    return command == POP3_CAPA || command == POP3_MECHANISMS || command == POP3_LANG;
}

static enum reply_cut cut_reply(struct slice in, const struct dialog *dialog, struct reply *reply)
{
    const struct dialog_policy *policy = dialog->policy;
    bool in_exchange = dialog->of.pop3.command == POP3_AUTH;
    size_t limit = lesser(in_exchange ? policy->sasl_line : REPLY_LINE_MAX, policy->reply);
    enum reply_cut cut = line_cut_reply(in, limit, &reply->line, &reply->used);

    reply->list = slice_of(NULL, 0);
    if (cut != REPLY_WHOLE)
        return cut;
    reply->status = pop3_status_parse(reply->line);
    if (in_exchange && is_glued_challenge(reply->line))
        reply->status = POP3_CHALLENGE;
    if (is_ambiguous(dialog, reply) ||
        (reply->status == POP3_CHALLENGE && !line_is_clean(reply->line)))
        reply->status = POP3_WRONG;
    if (reply->status != POP3_OK || !is_list(dialog->of.pop3.command))
        return REPLY_WHOLE;
    return cut_list(in, policy, reply);
}

/* ---- What a reply means ---- */

/* Relays the first line, and adds the blank after "+OK" or "-ERR" if it is missing. */
static void relay_status(const struct reply *reply, struct actions *actions)
{
    size_t word = reply->status == POP3_OK ? 3 : 4;

    if (reply->line.n > word && reply->line.p[word] != ' ') {
        dialog_say(actions, slice_of(reply->line.p, word));
        dialog_say(actions, SLICE(" "));
        dialog_reply(actions, slice_after(reply->line, word));
        return;
    }
    dialog_reply(actions, reply->line);
}

static void relay_list_line(struct dialog *dialog, struct slice line, struct actions *actions)
{
    enum pop3_command command = dialog->of.pop3.command;

    if (command != POP3_LANG && !line_is_clean(line))
        return; /* no capability has a NUL or a CR in it */
    if (command == POP3_CAPA)
        pop3_capability_relay(dialog, line, actions);
    else if (command == POP3_MECHANISMS)
        pop3_mechanism_relay(line, actions);
    else
        dialog_reply(actions, line);
}

static void relay_list(struct dialog *dialog, const struct reply *reply, struct actions *actions)
{
    struct slice rest = reply->list;
    struct slice line;

    if (dialog->of.pop3.command == POP3_CAPA)
        dialog->logins = DIALOG_LOGINS_REFUSED; /* unless a line says otherwise */
    relay_status(reply, actions);
    while (line_next(&rest, &line) && rest.n > 0)
        relay_list_line(dialog, line, actions);
    if (dialog->of.pop3.command == POP3_CAPA)
        pop3_capability_add(dialog, actions);
    dialog_reply(actions, SLICE("."));
}

/*
 * A server that offers STLS must answer CAPA [RFC 2595 4]. So mailmux answers it even if the
 * backend does not know CAPA.
 */
static void answer_capa(const struct dialog *dialog, struct actions *actions)
{
    dialog_reply(actions, SLICE("+OK Capability list follows"));
    pop3_capability_add(dialog, actions);
    dialog_reply(actions, SLICE("."));
}

static void relay(struct dialog *dialog, const struct reply *reply, struct actions *actions)
{
    if (reply->list.n > 0)
        relay_list(dialog, reply, actions);
    else if (dialog->of.pop3.command == POP3_CAPA && dialog_offers_tls(dialog))
        answer_capa(dialog, actions);
    else
        relay_status(reply, actions);
}

static void end_command(struct dialog *dialog, bool ok, struct actions *actions)
{
    struct pop3 *pop3 = &dialog->of.pop3;
    enum pop3_command command = pop3->command;

    pop3->command = POP3_NONE;
    pop3->said_no = !ok;
    dialog->in_exchange = false;
    dialog->mode = DIALOG_LINES;
    if (command == POP3_QUIT) {
        dialog_close(dialog, actions, REASON_QUIT);
    } else if (ok && (command == POP3_LOGIN || command == POP3_AUTH)) {
        dialog_accept_login(dialog, actions);
        actions->next = DIALOG_RELAY;
    } else if (!ok && (command == POP3_LOGIN || command == POP3_USER)) {
        pop3->user_given = false;
    } else if (command == POP3_USER) {
        dialog_drop_login(dialog); /* the password is still to come */
    }
}

/*
 * Takes a reply that no command waits for. An error is the backend's farewell; RFC 1939 has no
 * other farewell.
 */
static void take_unasked(struct dialog *dialog, const struct reply *reply, struct actions *actions)
{
    if (reply->status != POP3_ERR) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    relay_status(reply, actions);
    dialog_close(dialog, actions, REASON_SERVER_FAREWELL);
}

static void take_challenge(
    struct dialog *dialog, const struct reply *reply, struct actions *actions)
{
    if (dialog->of.pop3.command != POP3_AUTH || dialog->in_exchange || dialog->is_cancelled) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    dialog_await_response(dialog);
    dialog_relay_continuation(reply->line, actions);
}

static void take_reply(struct dialog *dialog, const struct reply *reply, struct actions *actions)
{
    const struct pop3 *pop3 = &dialog->of.pop3;
    bool ok = reply->status == POP3_OK;

    actions->used = reply->used;
    if (reply->line.n == 0) {
        return; /* an empty line means nothing */
    } else if (reply->status == POP3_CHALLENGE) {
        take_challenge(dialog, reply, actions);
    } else if (reply->status == POP3_WRONG ||
               (ok && (dialog->in_exchange || dialog->is_cancelled))) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    } else if (pop3->command == POP3_NONE) {
        take_unasked(dialog, reply, actions);
    } else {
        if (!ok)
            dialog_refuse_login(dialog, SLICE("-ERR"),
                slice_trim(slice_after(reply->line, sizeof("-ERR") - 1)), actions);
        relay(dialog, reply, actions);
        end_command(dialog, ok, actions);
    }
}

enum reply_cut pop3_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    struct reply reply;
    enum reply_cut cut;

    if (in.n == 0 || dialog->mode == DIALOG_OVER)
        return REPLY_MORE;
    cut = cut_reply(in, dialog, &reply);
    if (cut == REPLY_WHOLE)
        take_reply(dialog, &reply, actions);
    return cut;
}

/*
 * Some backends end without an answer to QUIT. Then mailmux gives the client the answer (C132). If
 * the last reply was an error, it stays the last word, because a farewell of ours would hide it:
 * some servers end after a login has failed.
 */
bool pop3_server_ended(struct dialog *dialog, struct actions *actions)
{
    if (dialog->of.pop3.command == POP3_NONE && dialog->of.pop3.said_no) {
        dialog_close(dialog, actions, REASON_SERVER_FAREWELL);
        return true;
    }
    if (dialog->of.pop3.command != POP3_QUIT)
        return false;
    dialog_reply(actions, SLICE("+OK Bye"));
    dialog_close(dialog, actions, REASON_QUIT);
    return true;
}
