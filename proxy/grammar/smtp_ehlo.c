/*
 * The capabilities of an SMTP server, as a client may see them: the backend's own reply to EHLO,
 * without what is not true because mailmux ends TLS, and with our STARTTLS. Every other line passes
 * byte for byte.
 */
#include "smtp_parts.h"

#include "mailmux/line.h"
#include "mailmux/sasl.h"

/*
 * These are taken out. They begin a TLS of their own, swap client and server, speak for another
 * client, or begin a private framing, which the dialog could not follow (C44, C70).
 */
static const char *const stripped[] = {
    "STARTTLS", "XCLIENT", "XFORWARD", "TURN", "ATRN", "XEXCH50", "X-EXPS", "X-ANONYMOUSTLS", NULL};

const char *smtp_stripped_verb(struct slice verb)
{
    return slice_one_of(verb, stripped);
}

static bool is_auth(struct slice keyword)
{
    return slice_equal_nocase(keyword, SLICE("AUTH")) ||
           slice_starts_nocase(keyword, SLICE("AUTH="));
}

/*
 * Returns what follows the keyword: "PLAIN LOGIN" both for "AUTH PLAIN LOGIN" and for "AUTH=PLAIN
 * LOGIN".
 */
static struct slice mechanisms_of(struct slice text)
{
    return slice_after(slice_trim_start(text), SLICE("AUTH=").n);
}

static bool is_shown(const struct dialog *dialog, struct slice text)
{
    struct slice rest = text;
    struct slice keyword;

    if (!line_is_clean(text))
        return false; /* no capability has a NUL or a CR in it */
    if (!slice_word(&rest, &keyword))
        return true;
    /* "X-EXPS=LOGIN" means X-EXPS, just as "AUTH=LOGIN" means AUTH. */
    if (smtp_stripped_verb(slice_of(keyword.p, slice_find(keyword, '='))))
        return false;
    if (is_auth(keyword))
        return !dialog_hides_login(dialog) && sasl_has_others(mechanisms_of(text));
    if (slice_equal_nocase(keyword, SLICE("BINARYMIME")))
        return dialog->of.smtp.chunking; /* BINARYMIME needs CHUNKING [RFC 3030 3] */
    if (slice_equal_nocase(keyword, SLICE("REQUIRETLS")))
        return dialog->tls && dialog->legs.server_tls_verified;
    return true;
}

/* Begins a line. separator: '-' if another line follows, ' ' for the last line. */
static void say_head(struct actions *actions, char separator)
{
    char head[4] = {'2', '5', '0', separator};

    dialog_say(actions, slice_of(head, sizeof(head)));
}

static void emit(struct actions *actions, char separator, struct slice text)
{
    say_head(actions, separator);
    dialog_reply(actions, text);
}

/* Writes an AUTH line without the mechanisms that are withheld. The others keep their order. */
static void emit_mechanisms(struct actions *actions, char separator, struct slice text)
{
    struct slice rest = text;
    struct slice first;

    (void)slice_word(&rest, &first);
    if (sasl_has_withheld(mechanisms_of(first)))
        first = SLICE("AUTH");
    say_head(actions, separator);
    dialog_say(actions, first);
    dialog_say_mechanisms(rest, actions);
    dialog_reply(actions, SLICE(""));
}

static void emit_capability(struct actions *actions, char separator, struct slice text)
{
    struct slice rest = text;
    struct slice keyword;

    if (slice_word(&rest, &keyword) && is_auth(keyword) && sasl_has_withheld(mechanisms_of(text)))
        emit_mechanisms(actions, separator, text);
    else
        emit(actions, separator, text);
}

/*
 * Cuts off the text of the next line, without code and separator. Returns false if no line is left.
 */
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
    struct slice held = SLICE(""); /* a line is written when it is known whether one follows */
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
