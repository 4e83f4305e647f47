/*
 * Status responses [RFC 9051 7.1], and the code in brackets that may begin their text. CAPABILITY
 * is made true. A code that would lead the client round us, or mislead it, is dropped.
 */
#include "imap_parts.h"

/* Stands where no text is left behind a dropped code: the grammar of IMAP wants one. */
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

        /* "OK[..." and "NO:...": the blank behind the word was left out. */
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
 * Cuts "[code]" off the text. It ends at a bracket before a blank, so that one inside a URL does
 * not end it. Returns false when there is no whole code.
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
 * A referral leads the client round us (C48). An alert is shown to the user as the server's word,
 * which an unprotected leg cannot vouch for (attack A8); with the answer to a login it may pass.
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

/* Behind a code that is dropped another one may stand, so the text is looked at again. */
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

/* Its line is well formed, and may go on as it came. */
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
