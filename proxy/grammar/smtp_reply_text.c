/*
 * The form of an SMTP reply [RFC 5321 4.2]: where it ends, and how it is relayed to the client. Its
 * meaning is for smtp_reply.c and, when mailmux is the client, for opening_smtp.c and relay_test.c.
 */
#include "smtp_parts.h"

#include "mailmux/line.h"

/* Takes apart a line with a code: "250 text", "250-text" or "250" alone. *last: no line follows. */
static bool parse_line(struct slice line, unsigned *code, bool *last)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !byte_is_digit(line.p[1]) ||
        !byte_is_digit(line.p[2]))
        return false;
    if (line.n > 3 && !byte_is_blank(line.p[3]) && line.p[3] != '-')
        return false;
    *code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 +
            (unsigned)(line.p[2] - '0');
    *last = line.n == 3 || byte_is_blank(line.p[3]);
    return true;
}

bool smtp_reply_begins(struct slice in)
{
    unsigned code;
    bool last;

    return in.n > 3 && parse_line(slice_of(in.p, 4), &code, &last);
}

enum reply_cut smtp_reply_cut(struct slice in, size_t max_octets, size_t max_lines, size_t max_line,
    struct smtp_reply_text *reply)
{
    size_t at = 0;
    unsigned without_code = 0;

    for (size_t lines = 1; lines <= max_lines && without_code <= SMTP_ODD_LINES; lines++) {
        struct slice line;
        size_t used;
        unsigned code;
        bool last = false;
        enum reply_cut cut;

        cut = line_cut_reply(slice_after(in, at), max_line, &line, &used);
        if (cut != REPLY_WHOLE)
            return in.n >= max_octets ? REPLY_LARGE : cut;
        at += used;
        if (at > max_octets)
            return REPLY_LARGE;
        if (!parse_line(line, &code, &last))
            without_code++;
        if (without_code == lines)
            return REPLY_MALFORMED; /* the first line has no code */
        if (last) {
            reply->code = code;
            reply->used = at;
            reply->text = slice_of(in.p, at);
            return REPLY_WHOLE;
        }
    }
    return REPLY_LARGE;
}

struct slice smtp_reply_line_text(struct slice line)
{
    unsigned code;
    bool last;

    return parse_line(line, &code, &last) ? slice_after(line, 4) : line;
}

/*
 * Relays the line as it came if it has the code of the reply, else with that code before its text.
 */
static void relay_line(struct slice line, bool last, unsigned code, struct actions *actions)
{
    char head[] = {(char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10),
        last ? ' ' : '-'};

    if (line.n > 3 ? slice_starts(line, slice_of(head, 4)) : last) {
        dialog_reply(actions, line);
        return;
    }
    dialog_say(actions, slice_of(head, 4));
    dialog_reply(actions, smtp_reply_line_text(line));
}

void smtp_reply_relay(const struct smtp_reply_text *reply, struct actions *actions)
{
    struct slice rest = reply->text;
    struct slice line;

    while (line_next(&rest, &line))
        relay_line(line, rest.n == 0, reply->code, actions);
}

struct slice smtp_enhanced_code(struct slice text)
{
    size_t dots = 0;
    size_t n = 0;

    while (n < text.n && (byte_is_digit(text.p[n]) || (text.p[n] == '.' && dots < 2))) {
        dots += text.p[n] == '.';
        n++;
    }
    return slice_of(text.p, dots == 2 && n <= sizeof("5.999.999") - 1 ? n : 0);
}
