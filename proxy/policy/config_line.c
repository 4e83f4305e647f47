#include "config_line.h"

#include "synonyms.h"
#include <stdio.h>

enum { QUOTE_MAX = 40 };

static bool is_name_byte(char c)
{
    return byte_is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
}

bool config_name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (!is_name_byte(name.p[i]))
            return false;
    }
    return name.n > 0;
}

bool config_value_unquote(struct slice *value)
{
    struct slice inner = *value;

    if (inner.n >= 2 && inner.p[0] == '"' && inner.p[inner.n - 1] == '"')
        inner = slice_of(inner.p + 1, inner.n - 2);
    if (slice_find(inner, '"') < inner.n)
        return false;
    *value = inner;
    return true;
}

/* Returns the first bytes of a line, for a message about it. */
static struct slice excerpt(struct slice line)
{
    return slice_of(line.p, line.n < QUOTE_MAX ? line.n : QUOTE_MAX);
}

static const char *ellipsis(struct slice line)
{
    return line.n > QUOTE_MAX ? "..." : "";
}

static void refuse(struct config_line *out, struct slice line, const char *problem)
{
    struct slice begin = excerpt(line);

    out->kind = LINE_BAD;
    error_set(&out->error, "\"%.*s%s\": %s", (int)begin.n, begin.p, ellipsis(line), problem);
}

/* Refuses a line with a control byte. The text does not quote it: it would reach the terminal. */
static bool has_control_byte(struct slice raw, struct config_line *out)
{
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char byte = (unsigned char)raw.p[i];

        if ((byte >= 0x20 && byte != 0x7f) || byte == '\t')
            continue;
        out->kind = LINE_BAD;
        if (byte == 0)
            error_set(&out->error,
                "byte %zu of the line is a NUL; save the file as plain text (UTF-8)", i + 1);
        else
            error_set(&out->error,
                "byte %zu of the line is a control character (0x%02x); remove it", i + 1, byte);
        return true;
    }
    return false;
}

/* Cuts the comment off. Returns false when a double quote is not closed. */
static bool cut_comment(struct slice *line)
{
    bool quoted = false;

    for (size_t i = 0; i < line->n; i++) {
        char c = line->p[i];

        if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '#' || c == ';') && (i == 0 || byte_is_blank(line->p[i - 1]))) {
            line->n = i;
            break;
        }
    }
    *line = slice_trim_end(*line);
    return !quoted;
}

static void parse_section(struct slice line, struct config_line *out)
{
    struct slice inner = slice_after(line, 1);
    size_t end = slice_find(inner, ']');
    struct slice rest;
    struct slice more;
    bool has_word;

    if (end == inner.n) {
        refuse(out, line, "the ']' is missing");
        return;
    }
    if (end + 1 < inner.n) {
        refuse(out, line, "something stands behind the ']'; write it on a line of its own");
        return;
    }
    inner = slice_trim(slice_of(inner.p, end));
    if (inner.n > CONFIG_SECTION_MAX) {
        out->kind = LINE_BAD;
        error_set(&out->error,
            "\"%.*s...\": the section name has %zu bytes; at most %d can be read, choose a "
            "shorter one",
            QUOTE_MAX, line.p, inner.n, CONFIG_SECTION_MAX);
        return;
    }
    rest = inner;
    has_word = slice_word(&rest, &out->word);
    (void)slice_word(&rest, &out->name);
    if (!has_word || slice_word(&rest, &more))
        refuse(out, line, "a section is [kind] or [kind name], e.g. [listener smtp]");
    else if (!config_name_is_valid(out->word) ||
             (out->name.n > 0 && !config_name_is_valid(out->name)))
        refuse(out, line, "a section name consists of letters, digits, '.', '_' and '-'");
    else
        out->kind = LINE_SECTION;
}

/* Refuses a line that may be of another program's file, such as "listen 25;" or "timeout client".
 */
static void refuse_foreign(struct config_line *out, struct slice line, const char *problem)
{
    struct slice rest = line;
    struct slice first = {NULL, 0};
    struct slice second = {NULL, 0};
    const struct synonym *synonym = NULL;
    char text[SYNONYM_TEXT_MAX];
    char whole[SYNONYM_TEXT_MAX + 64];

    if (slice_word(&rest, &first) && slice_word(&rest, &second))
        synonym = synonym_find(NULL, slice_of(first.p, (size_t)(second.p - first.p) + second.n));
    if (!synonym)
        synonym = synonym_find(NULL, first);
    if (!synonym) {
        refuse(out, line, problem);
        return;
    }
    (void)snprintf(
        whole, sizeof(whole), "%s; %s", problem, synonym_text(synonym, NULL, text, sizeof(text)));
    refuse(out, line, whole);
}

static void parse_entry(struct slice line, struct config_line *out)
{
    size_t equals = slice_find(line, '=');
    size_t colon = slice_find(line, ':');
    struct slice before = slice_trim_end(slice_of(line.p, colon < equals ? colon : equals));

    if (colon < equals && config_name_is_valid(before)) {
        refuse(out, line, "a ':' stands where '=' belongs; write key = value");
        return;
    }
    if (equals == line.n) {
        refuse_foreign(out, line, "there is no '='; write key = value");
        return;
    }
    out->key = slice_trim_end(slice_of(line.p, equals));
    out->value = slice_trim(slice_after(line, equals + 1));
    if (out->key.n > CONFIG_KEY_MAX) {
        out->kind = LINE_BAD;
        error_set(&out->error,
            "\"%.*s...\": the key has %zu bytes; none has more than %d, and mailmux --reference "
            "lists them",
            QUOTE_MAX, line.p, out->key.n, CONFIG_KEY_MAX);
    } else if (out->key.n == 0) {
        refuse(out, line, "nothing stands before the '='; write key = value");
    } else if (!config_name_is_valid(out->key)) {
        refuse_foreign(out, line, "what stands before the '=' is not a key; write key = value");
    } else {
        out->kind = LINE_ENTRY;
    }
}

void config_line_parse(struct slice raw, struct config_line *out)
{
    struct slice line = raw;

    *out = (struct config_line){.kind = LINE_BLANK};
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (has_control_byte(line, out))
        return;
    line = slice_trim(line);
    if (!cut_comment(&line)) {
        refuse(out, line, "a double quote is not closed");
        return;
    }
    if (line.n == 0)
        return;
    if (line.n > CONFIG_LINE_MAX) {
        struct slice begin = excerpt(line);

        out->kind = LINE_BAD;
        error_set(&out->error,
            "\"%.*s...\": the line has %zu bytes; at most %d can be read, so write a long list as "
            "several lines with the same key, or choose a shorter value",
            (int)begin.n, begin.p, line.n, CONFIG_LINE_MAX);
    } else if (line.p[0] == '[') {
        parse_section(line, out);
    } else {
        parse_entry(line, out);
    }
}
