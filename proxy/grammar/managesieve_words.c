/* The words of ManageSieve: strings, and the parts of which a response is made [RFC 5804 4]. */
#include "managesieve_parts.h"

#include "literal.h"

enum { LITERALS_MAX = 16 }; /* in one part of a response; a capability may have two */

/* ---- Strings ---- */

static bool cut_quoted(struct slice *rest, struct managesieve_string *string)
{
    size_t n = string_quoted_length(*rest);

    if (n == 0)
        return false;
    *string = (struct managesieve_string){.text = slice_of(rest->p + 1, n - 2)};
    *rest = slice_after(*rest, n);
    return true;
}

/* Servers write {n}, clients {n+}: each of the two is understood of either. */
static bool cut_literal(struct slice *rest, struct managesieve_string *string)
{
    uint64_t octets;
    struct slice in = *rest;
    struct slice line;

    if (!line_next(&in, &line) || !literal_follows(line, &octets))
        return false;
    if (slice_find(slice_after(line, 1), '{') + 1 < line.n || octets > in.n)
        return false; /* there is more on the line than the literal */
    *string =
        (struct managesieve_string){.text = slice_of(in.p, (size_t)octets), .is_literal = true};
    *rest = slice_after(in, (size_t)octets);
    return true;
}

bool managesieve_string_cut(struct slice *rest, struct managesieve_string *string)
{
    *rest = slice_trim_start(*rest);
    if (rest->n == 0)
        return false;
    if (*rest->p == '"')
        return cut_quoted(rest, string);
    return *rest->p == '{' && cut_literal(rest, string);
}

bool managesieve_is_authenticate(struct slice line)
{
    struct slice verb;

    return slice_word(&line, &verb) && slice_equal_nocase(verb, SLICE("AUTHENTICATE"));
}

/*
 * A client may only send literals that come unasked. Any other is no string, and the command with
 * it is refused.
 */
size_t managesieve_literals(const struct dialog *dialog, struct slice in, size_t limit)
{
    size_t most =
        dialog->in_exchange || managesieve_is_authenticate(in) ? limit : dialog->policy->literal;
    size_t at = 0;

    for (;;) {
        struct slice rest = slice_after(in, at);
        struct slice line;
        uint64_t octets;

        if (!line_next(&rest, &line) || literal_find(line, &octets) != LITERAL_COMES)
            return at;
        at = (size_t)(rest.p - in.p);
        if (octets > most || octets > limit || at + octets > limit)
            return limit + 1;
        at += (size_t)octets;
    }
}

/* Returns whether nothing is left but blanks and the end of the line. */
static bool is_at_end(struct slice rest)
{
    rest = slice_trim_start(rest);
    return rest.n == 0 || line_blank(rest) == rest.n;
}

bool managesieve_string_alone(struct slice line, struct slice *text)
{
    struct managesieve_string string;

    if (!managesieve_string_cut(&line, &string) || !is_at_end(line))
        return false;
    *text = string.text;
    return true;
}

/* Returns whether the text of a literal may stand between quotes as it is. */
static bool is_quotable(struct slice text)
{
    return text.n <= MANAGESIEVE_QUOTED_MAX && slice_find(text, '"') == text.n &&
           slice_find(text, '\\') == text.n;
}

/* Returns whether quotes are to stand around the text, which has its backslashes already. */
static bool is_to_be_quoted(const struct managesieve_string *string)
{
    return string->is_literal ? is_quotable(string->text)
                              : string->text.n <= MANAGESIEVE_QUOTED_MAX;
}

void managesieve_forward_string(const struct managesieve_string *string, struct actions *actions)
{
    char digits[SLICE_DECIMAL_MAX];

    if (is_to_be_quoted(string)) {
        dialog_forward_part(actions, SLICE("\""));
        dialog_forward_part(actions, string->text);
        dialog_forward_part(actions, SLICE("\""));
        return;
    }
    dialog_forward_part(actions, SLICE("{"));
    dialog_forward_part(actions, slice_decimal((uint32_t)string->text.n, digits));
    dialog_forward(actions, SLICE("+}"));
    dialog_forward_part(actions, string->text);
}

/* ---- Responses ---- */

static enum managesieve_word word_of(struct slice line, struct slice *text)
{
    static const char *const words[] = {
        [MANAGESIEVE_OK] = "OK", [MANAGESIEVE_NO] = "NO", [MANAGESIEVE_BYE] = "BYE"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (slice_starts_word(line, slice_from(words[i]))) {
            *text = slice_trim(slice_after(line, slice_from(words[i]).n));
            return (enum managesieve_word)i;
        }
    }
    return MANAGESIEVE_NO_WORD;
}

/*
 * Cuts a line with the literal behind it, if there is one: then *goes_on is true. *used: the octets
 * of both.
 */
static enum reply_cut cut_line(struct slice in, size_t line_limit, size_t limit, struct slice *line,
    size_t *used, bool *goes_on)
{
    uint64_t octets = 0;
    enum reply_cut cut = line_cut_reply(in, line_limit < limit ? line_limit : limit, line, used);

    if (cut != REPLY_WHOLE)
        return cut;
    *goes_on = literal_follows(*line, &octets);
    if (octets > limit - *used)
        return REPLY_LARGE;
    *used += (size_t)octets;
    return *used > in.n ? REPLY_MORE : REPLY_WHOLE;
}

enum reply_cut managesieve_part_cut(
    struct slice in, size_t line_limit, size_t limit, struct managesieve_part *part)
{
    struct managesieve_part found = {.is_clean = true};
    bool goes_on = true;
    size_t at = 0;

    for (int lines = 0; goes_on; lines++) {
        struct slice line;
        size_t used;
        enum reply_cut cut =
            cut_line(slice_after(in, at), line_limit, limit - at, &line, &used, &goes_on);

        if (cut != REPLY_WHOLE || lines > LITERALS_MAX)
            return cut != REPLY_WHOLE ? cut : REPLY_LARGE;
        found.has_literal = lines > 0;
        found.is_clean = found.is_clean && line_is_clean(line);
        found.line = lines == 0 ? line : found.line;
        at += used;
    }
    found.all = slice_of(in.p, at);
    found.word = word_of(found.line, &found.text);
    *part = found;
    return found.is_clean || !found.has_literal ? REPLY_WHOLE : REPLY_MALFORMED;
}

void managesieve_part_relay(const struct managesieve_part *part, struct actions *actions)
{
    struct slice rest = part->all;
    struct slice line;

    while (line_next(&rest, &line)) {
        uint64_t octets = 0;

        dialog_reply(actions, line);
        if (!literal_follows(line, &octets))
            continue;
        dialog_say(actions, slice_of(rest.p, (size_t)octets));
        rest = slice_after(rest, (size_t)octets);
    }
}

bool managesieve_capability_parse(
    const struct managesieve_part *part, struct managesieve_capability *capability)
{
    struct slice rest = part->all;
    struct managesieve_string name;
    struct managesieve_string value = {.text = SLICE("")};

    if (!managesieve_string_cut(&rest, &name) || name.text.n == 0)
        return false;
    if (!is_at_end(rest) && !managesieve_string_cut(&rest, &value))
        return false;
    *capability = (struct managesieve_capability){.name = name.text, .value = value.text};
    return is_at_end(rest);
}
