#include "punycode.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63 };
/* RFC 3492, 5 */
enum {
    BASE = 36,
    T_MIN = 1,
    T_MAX = 26,
    SKEW = 38,
    DAMP = 700,
    INITIAL_BIAS = 72,
    INITIAL_N = 128
};

/* Text that grows up to its end; has_failed: it did not fit. */
struct text {
    char *p;
    size_t n;
    size_t cap;
    bool has_failed;
};

static void put(struct text *text, char c)
{
    if (text->n + 1 >= text->cap) {
        text->has_failed = true;
        return;
    }
    text->p[text->n++] = c;
    text->p[text->n] = '\0';
}

/* ---- UTF-8 ---- */

/* Takes the next letter off. Returns false if it is no UTF-8 [RFC 3629]. */
static bool next_letter(struct slice *rest, uint32_t *letter)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)rest->p[0];
    size_t n = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || rest->n < n)
        return false;
    *letter = n == 1 ? first : first & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        unsigned char byte = (unsigned char)rest->p[i];

        if ((byte & 0xc0) != 0x80)
            return false;
        *letter = *letter << 6 | (byte & 0x3f);
    }
    *rest = slice_after(*rest, n);
    return *letter >= least[n] && *letter <= 0x10ffff && (*letter < 0xd800 || *letter > 0xdfff);
}

static uint32_t lower(uint32_t letter)
{
    if ((letter >= 'A' && letter <= 'Z') || (letter >= 0xc0 && letter <= 0xde && letter != 0xd7) ||
        (letter >= 0x391 && letter <= 0x3a9) || (letter >= 0x410 && letter <= 0x42f))
        return letter + 0x20;
    return letter >= 0x400 && letter <= 0x40f ? letter + 0x50 : letter;
}

/* Accents that stand behind their letter would have to be put together with it. */
static bool is_combining(uint32_t letter)
{
    return letter >= 0x300 && letter <= 0x36f;
}

static bool read_letters(struct slice label, uint32_t letters[LABEL_MAX], size_t *count)
{
    *count = 0;
    while (label.n > 0) {
        uint32_t letter = 0;

        if (*count == LABEL_MAX || !next_letter(&label, &letter) || is_combining(letter))
            return false;
        letters[(*count)++] = lower(letter);
    }
    return *count > 0;
}

/* ---- RFC 3492, 6.3 ---- */

static uint32_t adapt(uint32_t delta, uint32_t points, bool is_first)
{
    uint32_t k = 0;

    delta = is_first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static char digit(uint32_t value)
{
    return (char)(value < 26 ? 'a' + value : '0' + value - 26);
}

static void put_number(struct text *out, uint32_t delta, uint32_t bias)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;

        if (delta < t)
            break;
        put(out, digit(t + (delta - t) % (BASE - t)));
        delta = (delta - t) / (BASE - t);
    }
    put(out, digit(delta));
}

static uint32_t next_higher(const uint32_t *letters, size_t count, uint32_t n)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < count; i++) {
        if (letters[i] >= n && letters[i] < least)
            least = letters[i];
    }
    return least;
}

/* There are at most 63 letters below 0x110000, so that no number overflows. */
static void put_punycode(struct text *out, const uint32_t *letters, size_t count)
{
    uint32_t bias = INITIAL_BIAS;
    uint32_t n = INITIAL_N;
    uint32_t delta = 0;
    uint32_t basic = 0;
    uint32_t done;

    for (size_t i = 0; i < count; i++) {
        if (letters[i] < INITIAL_N) {
            put(out, (char)letters[i]);
            basic++;
        }
    }
    if (basic > 0)
        put(out, '-');
    for (done = basic; done < count; n++, delta++) {
        uint32_t m = next_higher(letters, count, n);

        delta += (m - n) * (done + 1);
        n = m;
        for (size_t i = 0; i < count; i++) {
            delta += letters[i] < n ? 1 : 0;
            if (letters[i] != n)
                continue;
            put_number(out, delta, bias);
            bias = adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
    }
}

static bool put_label(struct text *out, struct slice label)
{
    uint32_t letters[LABEL_MAX];
    size_t begin = out->n;
    bool is_ascii = true;
    size_t count;

    if (!read_letters(label, letters, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        is_ascii = is_ascii && letters[i] < INITIAL_N;
    if (!is_ascii) {
        put(out, 'x');
        put(out, 'n');
        put(out, '-');
        put(out, '-');
        put_punycode(out, letters, count);
    } else {
        for (size_t i = 0; i < count; i++)
            put(out, (char)letters[i]);
    }
    return !out->has_failed && out->n - begin <= LABEL_MAX;
}

bool punycode_host(struct slice host, char out[PUNYCODE_HOST_MAX])
{
    struct text text = {.p = out, .cap = PUNYCODE_HOST_MAX};
    struct slice rest = host;
    struct slice label;

    out[0] = '\0';
    while (slice_split(&rest, '.', &label)) {
        if (text.n > 0)
            put(&text, '.');
        if (!put_label(&text, label))
            return false;
    }
    return !text.has_failed;
}
