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

/* How many octets come before the first NUL or CR. */
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
