/*
 * Status responses [RFC 9051 7.1], and the code in brackets that may begin their text. A CAPABILITY
 * code is edited. A code that would lead the client past mailmux, or mislead it, is dropped.
 */
#include "imap_parts.h"

/*
 * Replaces a text of which nothing is left after a code was dropped: the grammar of IMAP wants a
 * text.
 */
#define NO_TEXT SLICE("No more is said")

bool imap_status_parse(struct slice line, struct imap_status *status)
{
    static const char *const words[] = {[IMAP_OK] = "OK",
        [IMAP_NO] = "NO",
        [IMAP_BAD] = "BAD",
        [IMAP_BYE] = "BYE",
        [IMAP_PREAUTH] = "PREAUTH"};
    size_t start = slice_find(line, ' ') + 1;
    struct slice rest = slice_after(line, start);

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        struct slice word = slice_from(words[i]);

        /* "OK[..." and "NO:...": the server has left out the blank after the word. */
        if (slice_starts_word(rest, word)) {
            *status = (struct imap_status){.line = line,
                .head = slice_of(line.p, start + word.n),
                .word = (enum imap_word)i,
                .text = slice_trim(slice_after(rest, word.n))};
            return true;
        }
    }
    return false;
}

/*
 * Cuts "[code]" off the text. The code ends at a bracket that a blank or the end of the text
 * follows, so a bracket inside a URL does not end it. Returns false if there is no complete code.
 */
static bool cut_code(struct slice text, struct slice *code, struct slice *rest)
{
    if (text.n == 0 || *text.p != '[')
        return false;
    for (size_t i = 1; i < text.n; i++) {
        if (text.p[i] == ']' && (i + 1 == text.n || text.p[i + 1] == ' ')) {
            *code = slice_of(text.p + 1, i - 1);
            *rest = slice_trim(slice_after(text, i + 1));
            return true;
        }
    }
    return false;
}

/*
 * Returns whether the code is dropped. A referral leads the client past mailmux (C48). An alert is
 * shown to the user as words of the server; if the server was not verified anyone may have sent it
 * (attack A8). With the answer to a login it may pass.
 */
static bool is_dropped(const struct dialog *dialog, struct slice code, bool login)
{
    struct slice word;

    if (!slice_word(&code, &word))
        return false;
    return slice_equal_nocase(word, SLICE("REFERRAL")) ||
           (slice_equal_nocase(word, SLICE("ALERT")) && !login &&
               !dialog->legs.server_tls_verified);
}

/* Drops codes at the start of the text, as long as there is one to drop. */
static struct slice drop_codes(const struct dialog *dialog, struct slice text, bool login)
{
    struct slice code;
    struct slice rest;

    while (text.n > 0 && *text.p == '[') {
        if (!cut_code(text, &code, &rest))
            return NO_TEXT; /* a client might read a code in it */
        if (!is_dropped(dialog, code, login))
            return text;
        text = rest.n > 0 ? rest : NO_TEXT;
    }
    return text;
}

static void relay_capability(struct dialog *dialog, struct slice head, struct slice code,
    bool login, struct actions *actions)
{
    struct slice word = SLICE("");

    (void)slice_word(&code, &word);
    dialog_say(actions, head);
    dialog_say(actions, SLICE(" ["));
    dialog_say(actions, word);
    imap_capability_write(dialog, code, login, actions);
    dialog_say(actions, SLICE("] "));
}

static bool is_capability(struct slice code)
{
    struct slice word;

    return slice_word(&code, &word) && slice_equal_nocase(word, SLICE("CAPABILITY"));
}

void imap_status_refuse(
    struct dialog *dialog, const struct imap_status *status, struct actions *actions)
{
    struct slice text = drop_codes(dialog, status->text, false);
    struct slice code;
    struct slice rest;

    while (cut_code(text, &code, &rest) && is_capability(code))
        text = drop_codes(dialog, rest, false);
    dialog_say(actions, SLICE("* BYE "));
    dialog_reply(actions, text.n > 0 ? text : NO_TEXT);
}

/* Returns whether the line is well formed, so that it may be relayed as it came. */
static bool is_well_put(const struct imap_status *status)
{
    return status->head.p == status->line.p &&
           (status->line.n == status->head.n || status->line.p[status->head.n] == ' ');
}

void imap_status_relay(
    struct dialog *dialog, const struct imap_status *status, bool login, struct actions *actions)
{
    struct slice text = drop_codes(dialog, status->text, login);
    struct slice code;
    struct slice rest;

    if (cut_code(text, &code, &rest) && is_capability(code)) {
        relay_capability(dialog, status->head, code, login, actions);
        dialog_reply(actions, rest.n > 0 ? rest : NO_TEXT);
    } else if (text.p == status->text.p && is_well_put(status)) {
        dialog_reply(actions, status->line);
    } else {
        dialog_say(actions, status->head);
        dialog_say(actions, SLICE(" "));
        dialog_reply(actions, text.n > 0 ? text : NO_TEXT);
    }
}
