/*
 * Literals in command lines [RFC 9051 4.3, 7888], and commands that are not forwarded. The octets
 * of their literals are data as well, never commands (C30).
 */
#include "imap_parts.h"

/*
 * The next octets of the client are those of a literal, if it has any. After them `phase` says what
 * the next line is.
 */
static void take_literal(
    struct dialog *dialog, uint64_t octets, enum dialog_mode mode, enum imap_phase phase)
{
    dialog->count = octets;
    dialog->mode = octets > 0 ? mode : DIALOG_LINES;
    dialog->of.imap.phase = phase;
}

/* ---- Commands that go on ---- */

static void await_answer(struct dialog *dialog)
{
    dialog->of.imap.phase = IMAP_ANSWER;
    dialog->mode = DIALOG_HELD;
}

/*
 * Refuses a command because of its literal. If the backend has the beginning of the command, it
 * cannot be answered here any more, and the session ends. Returns false.
 */
static bool refuse_literal(
    struct dialog *dialog, struct slice line, enum imap_answer answer, struct actions *actions)
{
    if (dialog->of.imap.phase == IMAP_PART)
        imap_close_literal(dialog, actions);
    else
        imap_drop(dialog, line, answer, actions);
    return false;
}

static bool permits_literal(struct dialog *dialog, struct slice line, enum literal literal,
    uint64_t octets, struct actions *actions)
{
    if (literal == LITERAL_WRONG)
        return refuse_literal(dialog, line, IMAP_BAD_LITERAL, actions);
    if (literal != LITERAL_NONE && octets > dialog->policy->literal)
        return refuse_literal(dialog, line, IMAP_LARGE_LITERAL, actions);
    return true;
}

/*
 * Forwards the line; "{n+}" becomes "{n}", so that the backend asks for the literal. A backend may
 * refuse the line before it has seen the literal, as Dovecot does if it cannot parse the line. It
 * would then run the octets after "{n+}" as commands (A3, C100).
 */
static void forward_line(struct slice line, enum literal literal, struct actions *actions)
{
    if (literal != LITERAL_COMES) {
        dialog_forward(actions, line);
        return;
    }
    dialog_forward_part(actions, slice_of(line.p, line.n - 2));
    dialog_forward(actions, SLICE("}"));
}

void imap_forward(struct dialog *dialog, struct slice line, struct actions *actions)
{
    uint64_t octets = 0;
    enum literal literal = literal_find(line, &octets);

    if (!permits_literal(dialog, line, literal, octets, actions))
        return;
    forward_line(line, literal, actions);
    dialog->of.imap.reply_octets = 0;
    dialog->of.imap.reply_lines = 0;
    switch (literal) {
    case LITERAL_NONE:
    case LITERAL_WRONG:
        await_answer(dialog);
        break;
    case LITERAL_WAITS:
    case LITERAL_COMES:
        dialog->of.imap.literal = octets;
        dialog->of.imap.literal_comes = literal == LITERAL_COMES;
        dialog->of.imap.phase = IMAP_LITERAL;
        dialog->mode = DIALOG_HELD;
        break;
    }
}

/* ---- Commands that do not ---- */

static const struct {
    const char *text; /* what follows the tag */
    bool bad;         /* it counts as a bad command */
    bool takes_all;   /* it is no refusal: the literals are asked for, and thrown away */
    enum dialog_refusal refusal;
} answers[] = {
    [IMAP_BAD_TAG] = {" BAD Invalid tag", true, false, REFUSAL_BAD_COMMAND},
    [IMAP_NO_COMMAND] = {" BAD Missing command", true, false, REFUSAL_BAD_COMMAND},
    [IMAP_UNKNOWN] = {" BAD Unknown command", true, false, REFUSAL_BAD_COMMAND},
    [IMAP_BAD_ARGUMENTS] = {" BAD Invalid arguments", true, false, REFUSAL_BAD_ARGUMENTS},
    [IMAP_BAD_LINE] = {" BAD Invalid character in the line", true, false, REFUSAL_BAD_CHARACTER},
    [IMAP_LONG_LINE] = {" BAD Line too long", true, false, REFUSAL_LINE_TOO_LONG},
    [IMAP_BAD_LITERAL] = {" BAD Invalid literal", true, false, REFUSAL_BAD_ARGUMENTS},
    [IMAP_LARGE_LITERAL] = {" NO [LIMIT] Literal too large", true, false,
        REFUSAL_LITERAL_TOO_LARGE},
    [IMAP_BAD_STATE] = {" BAD Not permitted before login", true, false, REFUSAL_OUT_OF_PLACE},
    [IMAP_BAD_MECHANISM] = {" NO Unsupported authentication mechanism", true, false,
        REFUSAL_MECHANISM},
    [IMAP_TLS_FIRST] = {" NO [PRIVACYREQUIRED] TLS required", false, false, REFUSAL_TLS_REQUIRED},
    [IMAP_TLS_ACTIVE] = {" BAD TLS is already active", true, false, REFUSAL_OUT_OF_PLACE},
    [IMAP_NO_STARTTLS] = {" BAD STARTTLS is not available here", true, false, REFUSAL_NOT_OFFERED},
    [IMAP_STARTTLS_ARGUMENT] = {" BAD STARTTLS takes no argument", true, false,
        REFUSAL_BAD_ARGUMENTS},
    [IMAP_INJECTION] = {" BAD Nothing may follow STARTTLS", false, false, REFUSAL_INJECTION},
    [IMAP_TLS_UNAVAILABLE] = {" NO [UNAVAILABLE] TLS is not available now", false, false,
        REFUSAL_TOO_MANY_HANDSHAKES},
    [IMAP_GO_AHEAD] = {" OK Begin TLS negotiation now", false, false, REFUSAL_NONE},
    [IMAP_ID_HERE] = {" OK ID completed", false, true, REFUSAL_NONE},
    [IMAP_ID_NIL] = {" ID NIL", false, true, REFUSAL_NONE},
    [IMAP_SAID] = {"", false, false, REFUSAL_NONE},
};

/*
 * Returns the tag of the current command. A command without a valid tag gets an untagged answer
 * (C62).
 */
static struct slice tag_of(const struct dialog *dialog)
{
    if (dialog->of.imap.tag_len == 0)
        return SLICE("*");
    return slice_of(dialog->of.imap.tag, dialog->of.imap.tag_len);
}

static void forward_id(struct dialog *dialog, struct actions *actions)
{
    dialog_forward_part(actions, tag_of(dialog));
    dialog_forward(actions, slice_from(answers[IMAP_ID_NIL].text));
    await_answer(dialog);
}

void imap_say(struct dialog *dialog, enum imap_answer answer, struct actions *actions)
{
    dialog->of.imap.phase = IMAP_READY;
    dialog->mode = DIALOG_LINES;
    dialog_note_refusal(answers[answer].refusal, actions);
    if (answer == IMAP_ID_NIL) {
        forward_id(dialog, actions);
        return;
    }
    if (answer == IMAP_SAID)
        return;
    if (answer == IMAP_ID_HERE)
        dialog_reply(actions, SLICE("* ID NIL"));
    dialog_say(actions, tag_of(dialog));
    dialog_reply(actions, slice_from(answers[answer].text));
    if (answers[answer].bad)
        dialog_count_bad(dialog, actions);
}

void imap_close_literal(struct dialog *dialog, struct actions *actions)
{
    dialog_note_refusal(REFUSAL_LITERAL_TOO_LARGE, actions);
    dialog_reply(actions, SLICE("* BYE [TOOBIG] Literal too large or invalid"));
    dialog_close(dialog, actions, REASON_LITERAL_TOO_LARGE);
}

void imap_drop(
    struct dialog *dialog, struct slice line, enum imap_answer answer, struct actions *actions)
{
    dialog->of.imap.answer = answer;
    imap_drop_on(dialog, line, actions);
}

void imap_drop_literal(struct dialog *dialog)
{
    dialog->of.imap.answer = IMAP_SAID;
    take_literal(dialog, dialog->of.imap.literal, DIALOG_SKIPPED, IMAP_DROPPING);
}

bool imap_drops_id(const struct dialog *dialog)
{
    return dialog->of.imap.phase == IMAP_DROPPING && answers[dialog->of.imap.answer].takes_all;
}

/* A value of an ID may be as long as RFC 2971 allows, whatever limit is configured for literals. */
static bool literal_fits(const struct dialog *dialog, uint64_t octets)
{
    return octets <= dialog->policy->literal ||
           (answers[dialog->of.imap.answer].takes_all && octets <= IMAP_ID_VALUE_MAX);
}

/* Refuses an ID whose literals are thrown away, if it has more than IMAP_ID_MAX octets in all. */
static void bound_id(struct imap *imap)
{
    if (answers[imap->answer].takes_all && imap->octets > IMAP_ID_MAX)
        imap->answer = IMAP_BAD_ARGUMENTS;
}

void imap_drop_on(struct dialog *dialog, struct slice line, struct actions *actions)
{
    uint64_t octets = 0;
    enum literal literal = literal_find(line, &octets);
    bool fits = literal_fits(dialog, octets);
    enum imap_answer answer;

    if (fits)
        dialog->of.imap.octets += (size_t)octets;
    bound_id(&dialog->of.imap);
    answer = dialog->of.imap.answer;

    if (literal == LITERAL_COMES && !fits) {
        imap_close_literal(dialog, actions);
    } else if (literal == LITERAL_COMES) {
        take_literal(dialog, octets, DIALOG_SKIPPED, IMAP_DROPPING);
    } else if (literal == LITERAL_WAITS && answers[answer].takes_all && fits) {
        dialog_reply(actions, SLICE("+ OK"));
        take_literal(dialog, octets, DIALOG_SKIPPED, IMAP_DROPPING);
    } else if (literal == LITERAL_NONE || !answers[answer].takes_all) {
        imap_say(dialog, answer, actions);
    } else {
        imap_say(dialog, fits ? IMAP_BAD_LITERAL : IMAP_LARGE_LITERAL, actions);
    }
}
