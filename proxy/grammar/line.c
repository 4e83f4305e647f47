#include "mailmux/line.h"

enum line_cut line_cut(struct slice in, size_t limit, struct slice *line, size_t *used)
{
    size_t end = slice_find(in, '\n');

    if (end >= limit)
        return LINE_LONG;
    if (end == in.n)
        return LINE_MORE;
    *used = end + 1;
    *line = slice_of(in.p, end);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return LINE_WHOLE;
}

enum reply_cut line_cut_reply(struct slice in, size_t limit, struct slice *line, size_t *used)
{
    switch (line_cut(in, limit, line, used)) {
    case LINE_MORE:
        return REPLY_MORE;
    case LINE_LONG:
        return REPLY_LARGE;
    case LINE_WHOLE:
        break;
    }
    *line = line_trim_returns(*line);
    return REPLY_WHOLE;
}

bool line_next(struct slice *rest, struct slice *line)
{
    size_t used;

    if (line_cut_reply(*rest, rest->n + 1, line, &used) != REPLY_WHOLE)
        return false;
    *rest = slice_after(*rest, used);
    return true;
}

size_t line_blank(struct slice in)
{
    struct slice line;

    return line_next(&in, &line) && line.n == 0 ? (size_t)(in.p - line.p) : 0;
}

struct slice line_trim_returns(struct slice line)
{
    while (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

bool line_is_clean(struct slice line)
{
    return slice_find(line, '\0') == line.n && slice_find(line, '\r') == line.n;
}

bool line_append(struct buffer *out, struct slice line)
{
    return buffer_room(out) >= line.n + 2 && buffer_append(out, line) &&
           buffer_append(out, SLICE("\r\n"));
}

/* Returns how many octets come before the first NUL or CR. */
static size_t clean_run(struct slice line)
{
    size_t nul = slice_find(line, '\0');

    return slice_find(slice_of(line.p, nul), '\r');
}

bool line_append_clean(struct buffer *out, struct slice line)
{
    bool fits = buffer_room(out) >= line.n + 2;

    while (fits && !line_is_clean(line)) {
        size_t n = clean_run(line);

        fits = buffer_append(out, slice_of(line.p, n)) && buffer_append(out, SLICE(" "));
        line = slice_after(line, n + 1);
    }
    return fits && line_append(out, line);
}

bool line_append_named(struct buffer *out, const char *text, struct slice hostname)
{
    struct slice line = slice_from(text);
    size_t at = slice_find(line, '%');

    if (at == line.n)
        return line_append(out, line);
    return buffer_room(out) >= line.n + hostname.n && buffer_append(out, slice_of(line.p, at)) &&
           buffer_append(out, hostname) && line_append(out, slice_after(line, at + 2));
}
