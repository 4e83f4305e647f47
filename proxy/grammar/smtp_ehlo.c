/*
 * Capability truth for SMTP: the EHLO reply of this very backend, minus what TLS termination makes
 * false, plus our STARTTLS. Every other line passes byte for byte.
 */
#include "smtp_parts.h"

#include "mailmux/line.h"
#include "mailmux/sasl.h"

/* TLS of their own, the roles swapped, or a private framing: none could be followed (C44, C70). */
static const char *const stripped[] = {
    "STARTTLS", "XCLIENT", "XFORWARD", "TURN", "ATRN", "XEXCH50", "X-EXPS", "X-ANONYMOUSTLS", NULL};

bool smtp_is_stripped_verb(struct slice verb)
{
    return slice_is_one_of(verb, stripped);
}

static bool is_auth(struct slice keyword)
{
    return slice_equal_nocase(keyword, SLICE("AUTH")) ||
           slice_starts_nocase(keyword, SLICE("AUTH="));
}

/* The line is whole "AUTH..." text without code; true when a mechanism must go. */
static bool has_false_mechanism(struct slice text)
{
    struct slice word;

    for (bool first = true; slice_word(&text, &word); first = false) {
        if (first && slice_starts_nocase(word, SLICE("AUTH=")))
            word = slice_after(word, 5);
        if (sasl_is_withheld(word))
            return true;
    }
    return false;
}

static bool has_true_mechanism(struct slice text)
{
    struct slice word;
    bool first = true;

    while (slice_word(&text, &word)) {
        if (first && slice_starts_nocase(word, SLICE("AUTH=")))
            word = slice_after(word, 5);
        else if (first)
            word = slice_of(NULL, 0);
        first = false;
        if (word.n > 0 && !sasl_is_withheld(word))
            return true;
    }
    return false;
}

static bool is_shown(const struct dialog *dialog, struct slice text)
{
    struct slice rest = text;
    struct slice keyword;

    if (!line_is_clean(text))
        return false; /* no capability has a NUL or a CR in it */
    if (!slice_word(&rest, &keyword))
        return true;
    /* "X-EXPS=LOGIN" is X-EXPS, as "AUTH=LOGIN" is AUTH. */
    if (smtp_is_stripped_verb(slice_of(keyword.p, slice_find(keyword, '='))))
        return false;
    if (is_auth(keyword))
        return !dialog_hides_login(dialog) && has_true_mechanism(text);
    if (slice_equal_nocase(keyword, SLICE("BINARYMIME")))
        return dialog->of.smtp.chunking; /* needs it [RFC 3030 3] */
    if (slice_equal_nocase(keyword, SLICE("REQUIRETLS")))
        return dialog->tls && dialog->legs.server_tls_verified;
    return true;
}

/* Code, separator and text as one line. */
static void emit(struct actions *actions, char separator, struct slice text)
{
    char head[4] = {'2', '5', '0', separator};

    dialog_say(actions, slice_of(head, sizeof(head)));
    dialog_reply(actions, text);
}

/* An AUTH line without the mechanisms that must fail; the others in their order. */
static void emit_mechanisms(struct actions *actions, char separator, struct slice text)
{
    char head[4] = {'2', '5', '0', separator};
    bool first = true;
    struct slice word;

    dialog_say(actions, slice_of(head, sizeof(head)));
    while (slice_word(&text, &word)) {
        bool glued = first && slice_starts_nocase(word, SLICE("AUTH="));

        if (glued && sasl_is_withheld(slice_after(word, 5)))
            word = SLICE("AUTH");
        else if (!first && sasl_is_withheld(word))
            continue;
        if (!first)
            dialog_say(actions, SLICE(" "));
        dialog_say(actions, word);
        first = false;
    }
    dialog_reply(actions, SLICE(""));
}

static void emit_capability(struct actions *actions, char separator, struct slice text)
{
    struct slice rest = text;
    struct slice keyword;

    if (slice_word(&rest, &keyword) && is_auth(keyword) && has_false_mechanism(text))
        emit_mechanisms(actions, separator, text);
    else
        emit(actions, separator, text);
}

/* The text of the next line, without code and separator. */
static bool next_text(struct slice *rest, struct slice *text)
{
    struct slice line;

    if (!line_next(rest, &line))
        return false;
    *text = smtp_reply_line_text(line);
    return true;
}

static bool offers(const struct smtp_reply_text *reply, struct slice wanted)
{
    struct slice rest = reply->text;
    struct slice text;

    (void)next_text(&rest, &text);
    while (next_text(&rest, &text)) {
        struct slice keyword;

        if (slice_word(&text, &keyword) && slice_equal_nocase(keyword, wanted))
            return true;
    }
    return false;
}

void smtp_ehlo_relay(
    struct dialog *dialog, const struct smtp_reply_text *reply, struct actions *actions)
{
    struct slice rest = reply->text;
    struct slice held; /* a line is written when it is known whether one follows */
    struct slice text;

    dialog->of.smtp.chunking = offers(reply, SLICE("CHUNKING"));
    dialog->logins = offers(reply, SLICE("AUTH")) ? DIALOG_LOGINS_OFFERED : DIALOG_LOGINS_MISSING;
    (void)next_text(&rest, &held);
    if (dialog_offers_tls(dialog)) {
        emit(actions, '-', held); /* the first line is the domain, never a keyword */
        held = SLICE("STARTTLS");
    }
    while (next_text(&rest, &text)) {
        if (!is_shown(dialog, text))
            continue;
        emit_capability(actions, '-', held);
        held = text;
    }
    emit_capability(actions, ' ', held);
}
