/*
 * The backend's lines before a login is accepted [RFC 9051 7]. Each response is taken whole, with
 * its literals. It is edited if it tells capabilities, and relayed with CRLF. A response with small
 * mistakes that can be understood in one way only is relayed in its correct form.
 */
#include "imap_parts.h"

#include <string.h>

/* ---- One whole response ---- */

struct response {
    struct slice line; /* the first */
    struct slice all;  /* with the literals and lines that follow */
    bool has_literal;
    bool is_clean;
};

/*
 * Returns whether a response that begins so may hold literals. Status responses and capabilities
 * are text up to the end of the line.
 */
static bool may_hold_literals(struct slice line)
{
    struct imap_status status;

    return slice_starts(line, SLICE("* ")) && !imap_status_parse(line, &status) &&
           !slice_starts_nocase(line, SLICE("* CAPABILITY"));
}

static enum reply_cut cut_response(
    struct slice in, const struct dialog_policy *policy, struct response *response)
{
    size_t at = 0;

    response->has_literal = false;
    response->is_clean = true;
    for (;;) {
        struct slice rest = slice_after(in, at);
        /* The longest line is a challenge of a SASL exchange. */
        size_t limit = slice_starts(rest, SLICE("+")) ? policy->sasl_line : REPLY_LINE_MAX;
        struct slice line;
        size_t used = 0;
        uint64_t octets;
        enum reply_cut cut = line_cut_reply(rest, limit, &line, &used);

        /*
         * The size is checked first, so that the result does not depend on how much has come
         * already.
         */
        if (cut == REPLY_LARGE || at + used > policy->reply ||
            (cut == REPLY_MORE && in.n > policy->reply))
            return REPLY_LARGE;
        if (cut != REPLY_WHOLE)
            return cut;
        if (at == 0)
            response->line = line;
        at += used;
        response->is_clean = response->is_clean && line_is_clean(line);
        if (!may_hold_literals(response->line) || literal_find(line, &octets) != LITERAL_WAITS)
            break;
        if (octets > policy->reply - at)
            return REPLY_LARGE;
        if (in.n - at < octets)
            return REPLY_MORE;
        at += (size_t)octets;
        response->has_literal = true;
    }
    response->all = slice_of(in.p, at);
    /* A response with literals is data, in which no octet may be replaced. */
    return response->is_clean || !response->has_literal ? REPLY_WHOLE : REPLY_MALFORMED;
}

/* ---- Making it clean ---- */

static void blank_out(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\0' || text[i] == '\r')
            text[i] = ' ';
    }
}

/*
 * Writes the line to `text` in its correct form. One blank follows the tag or asterisk. The tag is
 * written as the client wrote it, because there is only one command that it can mean. The result is
 * not longer than the line.
 */
static struct slice tidy(const struct imap *imap, struct slice line, char text[REPLY_LINE_MAX])
{
    struct slice tag;
    struct slice rest;

    memcpy(text, line.p, line.n);
    blank_out(text, line.n);
    line = slice_of(text, line.n);
    rest = line;
    if (!slice_word(&rest, &tag) || tag.p != text)
        return line;
    rest = slice_trim_start(rest);
    if (slice_equal_nocase(tag, slice_of(imap->tag, imap->tag_len)))
        memcpy(text, imap->tag, imap->tag_len);
    if (rest.n == 0)
        return tag;
    text[tag.n] = ' ';
    memmove(text + tag.n + 1, rest.p, rest.n);
    return slice_of(text, tag.n + 1 + rest.n);
}

/* ---- What a response means ---- */

static bool is_login(const struct dialog *dialog)
{
    enum imap_command command = dialog->of.imap.command;

    return dialog->of.imap.phase != IMAP_READY &&
           (command == IMAP_LOGIN || command == IMAP_AUTHENTICATE);
}

/*
 * Returns whether the backend may say OK or ask for more: it has all that it asked for, and the
 * exchange was not cancelled.
 */
static bool may_go_on(const struct dialog *dialog)
{
    return !dialog->in_exchange && !dialog->is_cancelled;
}

static void take_continuation(
    struct dialog *dialog, const struct response *response, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;

    if (imap->phase == IMAP_LITERAL) {
        imap->phase = IMAP_PART;
        dialog->count = imap->literal;
        dialog->mode = imap->literal > 0 ? DIALOG_COUNTED : DIALOG_LINES;
        if (imap->literal_comes)
            return;
    } else if (imap->phase == IMAP_ANSWER && imap->command == IMAP_AUTHENTICATE &&
               may_go_on(dialog)) {
        dialog_await_response(dialog);
    } else {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    dialog_relay_continuation(response->line, actions);
}

static void take_farewell(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;

    imap_status_relay(dialog, status, false, actions);
    imap->bye_said = true;
    if (imap->phase == IMAP_READY || imap->command != IMAP_LOGOUT)
        dialog_close(dialog, actions, REASON_SERVER_FAREWELL);
}

static void take_status(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions)
{
    if (status->word == IMAP_PREAUTH)
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    else if (status->word == IMAP_BYE)
        take_farewell(dialog, status, actions);
    else
        imap_status_relay(dialog, status, is_login(dialog), actions);
}

static void relay_capability(
    struct dialog *dialog, struct slice head, struct slice words, struct actions *actions)
{
    dialog_say(actions, head);
    imap_capability_write(dialog, words, is_login(dialog), actions);
    dialog_reply(actions, SLICE(""));
}

static void take_untagged(
    struct dialog *dialog, const struct response *response, struct actions *actions)
{
    struct slice line = response->line;
    struct slice rest = slice_after(line, 2);
    struct slice word = SLICE("");
    struct imap_status status;

    if (!slice_word(&rest, &word) || word.p != line.p + 2)
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
    else if (imap_status_parse(line, &status))
        take_status(dialog, &status, actions);
    else if (slice_equal_nocase(word, SLICE("CAPABILITY")))
        relay_capability(dialog, slice_of(line.p, 2 + word.n), rest, actions);
    else if (response->has_literal)
        dialog_say(actions, response->all);
    else
        dialog_reply(actions, line);
}

static void end_command(struct dialog *dialog, bool ok, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;
    bool login = is_login(dialog);
    bool drops_literal = imap->phase == IMAP_LITERAL && imap->literal_comes;

    imap->phase = IMAP_READY;
    imap->bye_said = false;
    dialog->in_exchange = false;
    dialog->mode = DIALOG_LINES;
    if (drops_literal) {
        imap_drop_literal(dialog);
    } else if (imap->command == IMAP_LOGOUT) {
        dialog_close(dialog, actions, REASON_QUIT);
    } else if (login && ok) {
        dialog_accept_login(dialog, actions);
        actions->next = DIALOG_RELAY;
    }
}

/* Returns whether the line is an answer that the current command can get now. */
static bool is_expected(const struct dialog *dialog, struct slice line, struct imap_status *status)
{
    const struct imap *imap = &dialog->of.imap;
    struct slice tag;
    struct slice rest;
    bool owed = imap->phase == IMAP_LITERAL || imap->phase == IMAP_ANSWER;

    if (!owed || !imap_tag_cut(line, &tag, &rest) || !imap_status_parse(line, status) ||
        !slice_equal(tag, slice_of(imap->tag, imap->tag_len)))
        return false;
    if (status->word == IMAP_OK) /* the command must be whole */
        return imap->phase == IMAP_ANSWER && may_go_on(dialog);
    return status->word == IMAP_NO || status->word == IMAP_BAD;
}

static void take_tagged(
    struct dialog *dialog, const struct response *response, struct actions *actions)
{
    struct imap_status status;

    if (!is_expected(dialog, response->line, &status)) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    if (status.word != IMAP_OK)
        dialog_refuse_login(
            dialog, status.word == IMAP_BAD ? SLICE("BAD") : SLICE("NO"), status.text, actions);
    imap_status_relay(dialog, &status, is_login(dialog), actions);
    end_command(dialog, status.word == IMAP_OK, actions);
    /*
     * A command that the backend does not understand is a bad command. After a "*" that cancels,
     * BAD is the expected answer, or the bad line was counted already.
     */
    if (status.word == IMAP_BAD && !dialog->is_cancelled)
        dialog_count_bad(dialog, actions);
}

static void take_response(
    struct dialog *dialog, const struct response *response, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;
    struct slice line = response->line;

    imap->reply_octets += response->all.n;
    imap->reply_lines++;
    if (imap->reply_octets > dialog->policy->reply ||
        imap->reply_lines > dialog->policy->reply_lines) {
        dialog_break_off(dialog, actions, REASON_REPLY_TOO_LARGE);
    } else if (line.n == 0) {
        return; /* an empty line means nothing */
    } else if (slice_starts(line, SLICE("+"))) {
        take_continuation(dialog, response, actions);
    } else if (slice_starts(line, SLICE("* "))) {
        take_untagged(dialog, response, actions);
    } else {
        take_tagged(dialog, response, actions);
    }
}

/* Takes a response of any kind. A challenge is data, so a NUL or a CR in it cannot be replaced. */
static void take_any(
    struct dialog *dialog, const struct response *response, struct actions *actions)
{
    char text[REPLY_LINE_MAX];
    struct response tidied = *response;

    actions->used = response->all.n;
    if (slice_starts(response->line, SLICE("+")) && !response->is_clean) {
        dialog_break_off(dialog, actions, REASON_SERVER_PROTOCOL);
        return;
    }
    if (!slice_starts(response->line, SLICE("+")))
        tidied.line = tidy(&dialog->of.imap, response->line, text);
    take_response(dialog, &tidied, actions);
}

/*
 * Returns whether the input must wait: while a command is half given, what the backend says is kept
 * until the command is whole. A BYE does not wait.
 */
static bool must_wait(const struct dialog *dialog, struct slice in)
{
    return dialog->of.imap.phase == IMAP_PART && !slice_starts_nocase(in, SLICE("* BYE"));
}

enum reply_cut imap_server(struct dialog *dialog, struct slice in, struct actions *actions)
{
    struct response response;
    enum reply_cut cut;

    if (in.n == 0 || dialog->mode == DIALOG_OVER || must_wait(dialog, in))
        return REPLY_MORE;
    cut = cut_response(in, dialog->policy, &response);
    if (cut == REPLY_WHOLE)
        take_any(dialog, &response, actions);
    return cut;
}

/*
 * Some backends end without an answer to LOGOUT. Then mailmux gives the client the answer (C132).
 */
bool imap_server_ended(struct dialog *dialog, struct actions *actions)
{
    struct imap *imap = &dialog->of.imap;

    if (imap->phase != IMAP_ANSWER || imap->command != IMAP_LOGOUT)
        return false;
    if (!imap->bye_said)
        dialog_reply(actions, SLICE("* BYE Logging out"));
    dialog_say(actions, slice_of(imap->tag, imap->tag_len));
    dialog_reply(actions, SLICE(" OK Logout completed."));
    imap->phase = IMAP_READY;
    dialog_close(dialog, actions, REASON_QUIT);
    return true;
}
