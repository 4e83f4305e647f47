/*
 * Target: line_cut, line_is_clean, line_append (grammar/line.c).
 * Input: the limit (one octet), then bytes.
 * Holds: a line is not longer than the limit and has no LF. More input behind it changes neither
 * the line nor a verdict. A line that was forwarded is read as the same line.
 */
#include "fuzz.h"
#include "mailmux/line.h"

enum { LINES_MAX = 4096 };

static void check_line(struct slice line, size_t used, size_t limit)
{
    char bytes[LINES_MAX + 2];
    struct buffer out;
    struct slice again;
    size_t used_again;

    FUZZ_REQUIRE(used <= limit && line.n < used && used - line.n <= 2);
    FUZZ_REQUIRE(slice_find(line, '\n') == line.n);
    buffer_init(&out, bytes, line.n + 1);
    FUZZ_REQUIRE(!line_append(&out, line) && buffer_held(&out).n == 0);
    buffer_init(&out, bytes, line.n + 2);
    FUZZ_REQUIRE(line_append(&out, line));
    FUZZ_REQUIRE(line_cut(buffer_held(&out), line.n + 2, &again, &used_again) == LINE_WHOLE);
    FUZZ_REQUIRE(slice_equal(line, again) && used_again == line.n + 2);
    FUZZ_REQUIRE(line_is_clean(line) ==
                 (memchr(line.p, '\0', line.n) == NULL && memchr(line.p, '\r', line.n) == NULL));
}

/* Each beginning of the input has the verdict of the whole, or LINE_MORE. */
static void check_beginnings(
    struct slice in, size_t limit, enum line_cut cut, struct slice line, size_t used)
{
    for (size_t n = 0; n < in.n; n++) {
        struct slice early_line;
        size_t early_used;
        enum line_cut early = line_cut(slice_of(in.p, n), limit, &early_line, &early_used);

        FUZZ_REQUIRE(early == LINE_MORE || early == cut);
        FUZZ_REQUIRE(early == LINE_MORE || early == LINE_LONG || n >= used);
        FUZZ_REQUIRE(early != LINE_WHOLE || slice_equal(line, early_line));
        FUZZ_REQUIRE(n < limit || early != LINE_MORE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = fuzz_slice(data, n);
    struct slice line = slice_of("", 0);
    size_t used = 0;
    size_t limit;
    enum line_cut cut;

    if (in.n < 1 || in.n > LINES_MAX)
        return 0;
    limit = (size_t)(unsigned char)in.p[0] + 2;
    in = slice_after(in, 1);
    cut = line_cut(in, limit, &line, &used);
    check_beginnings(in, limit, cut, line, used);
    if (cut == LINE_WHOLE)
        check_line(line, used, limit);
    return 0;
}
