#include "log_line.h"

#include "mailmux/clock.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

/* As in syslog. A line has one only where standard error is the journal. */
static const char *const priorities[] = {
    [LOG_DEBUG] = "<7>", [LOG_INFO] = "<6>", [LOG_WARNING] = "<4>", [LOG_ERROR] = "<3>"};

enum target { TARGET_UNKNOWN, TARGET_PLAIN, TARGET_JOURNAL };

static atomic_int target; /* an enum target */
static enum log_format log_format = LOG_FORMAT_TEXT;
enum log_level log_lowest = LOG_INFO;

/* Kept free at the end of every line for a quote, a closing brace and the newline. */
enum { LOG_TAIL = 4 };

/*
 * systemd says in JOURNAL_STREAM which file is the journal, since a program may have sent its
 * standard error elsewhere (systemd.exec(5)).
 */
static enum target find_target(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char here[64];
    struct stat info;

    if (!stream || fstat(STDERR_FILENO, &info) != 0)
        return TARGET_PLAIN;
    (void)snprintf(here, sizeof(here), "%llu:%llu", (unsigned long long)info.st_dev,
        (unsigned long long)info.st_ino);
    return strcmp(stream, here) == 0 ? TARGET_JOURNAL : TARGET_PLAIN;
}

static bool is_journal(void)
{
    if (atomic_load(&target) == TARGET_UNKNOWN) /* it comes to the same on each thread */
        atomic_store(&target, find_target());
    return atomic_load(&target) == TARGET_JOURNAL;
}

void log_setup(enum log_format format, enum log_level lowest)
{
    log_format = format;
    log_lowest = lowest;
    atomic_store(&target, find_target());
}

static size_t room_of(const struct log_line *line)
{
    return sizeof(line->text) - LOG_TAIL - line->n;
}

static bool put(struct log_line *line, const char *bytes, size_t n)
{
    if (n > room_of(line))
        return false;
    memcpy(line->text + line->n, bytes, n);
    line->n += n;
    return true;
}

static bool put_string(struct log_line *line, const char *text)
{
    return put(line, text, strlen(text));
}

/* Returns whether the byte stands for itself inside of quotes. */
static bool is_plain(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static bool put_escaped_byte(struct log_line *line, unsigned char byte)
{
    char escaped[8];

    if (byte == '"' || byte == '\\') {
        escaped[0] = '\\';
        escaped[1] = (char)byte;
        return put(line, escaped, 2);
    }
    (void)snprintf(
        escaped, sizeof(escaped), log_format == LOG_FORMAT_JSON ? "\\u%04x" : "\\x%02x", byte);
    return put_string(line, escaped);
}

/*
 * Decodes the character of several bytes at the start of the slice, which is not empty. Returns its
 * length, or 0 if there is none (RFC 3629: no overlong form, no surrogate, nothing beyond
 * U+10FFFF).
 */
static size_t decode(struct slice at, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)at.p[0];
    size_t n = first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    uint32_t code = first & (0x7fU >> n);

    if (n == 0 || at.n < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)at.p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)at.p[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *out = code;
    return n;
}

/* Of C1 a terminal may make a command, and of the others some programs make the end of a line. */
static bool is_safe(uint32_t code)
{
    return code >= 0xa0 && code != 0x2028 && code != 0x2029;
}

static bool put_character(struct log_line *line, struct slice bytes, uint32_t code)
{
    char escaped[8];

    if (is_safe(code))
        return put(line, bytes.p, bytes.n);
    (void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
    return put_string(line, escaped);
}

/* Puts what fits of it. Returns false if that is not all. */
static bool put_plain(struct log_line *line, struct slice text)
{
    size_t room = room_of(line);
    bool fits = text.n <= room;

    return put(line, text.p, fits ? text.n : room) && fits;
}

/* Returns how many bytes at the start of the text stand for themselves. */
static size_t count_plain(struct slice text)
{
    size_t n = 0;

    while (n < text.n && is_plain(text.p[n]))
        n++;
    return n;
}

/* Puts the first max bytes of the text at most. Returns false if the line is full. */
static bool put_escaped(struct log_line *line, struct slice text, size_t max)
{
    struct slice left = slice_of(text.p, text.n < max ? text.n : max);
    bool fits = true;
    uint32_t code;
    size_t n;

    while (fits && left.n > 0) {
        n = count_plain(left);
        fits = n == 0 || put_plain(line, slice_of(left.p, n));
        left = slice_after(left, n);
        if (!fits || left.n == 0)
            break;
        /* A character of which a part lies behind max is left out. */
        n = log_format == LOG_FORMAT_JSON
                ? decode(slice_of(left.p, text.n - (size_t)(left.p - text.p)), &code)
                : 0;
        if (n > left.n)
            break;
        fits = n > 0 ? put_character(line, slice_of(left.p, n), code)
                     : put_escaped_byte(line, (unsigned char)*left.p);
        left = slice_after(left, n > 0 ? n : 1);
    }
    return fits;
}

static bool needs_quotes(struct slice value)
{
    if (value.n == 0)
        return true;
    for (size_t i = 0; i < value.n; i++) {
        if (!is_plain(value.p[i]) || value.p[i] == ' ' || value.p[i] == '=')
            return true;
    }
    return false;
}

static bool put_value(struct log_line *line, struct slice value)
{
    if (log_format == LOG_FORMAT_TEXT && !needs_quotes(value))
        return put(line, value.p, value.n < LOG_FIELD_MAX ? value.n : LOG_FIELD_MAX);
    return put(line, "\"", 1) && put_escaped(line, value, LOG_FIELD_MAX) && put(line, "\"", 1);
}

static bool put_key(struct log_line *line, const char *key)
{
    size_t n = strlen(key);

    if (log_format == LOG_FORMAT_JSON)
        return put(line, ",\"", 2) && put(line, key, n) && put(line, "\":", 2);
    if (n + 2 > room_of(line))
        return false;
    line->text[line->n++] = ' ';
    memcpy(line->text + line->n, key, n);
    line->n += n;
    line->text[line->n++] = '=';
    return true;
}

/* The journal knows the time of a line; in JSON it stays, since what reads it looks for the field.
 */
static void put_beginning(struct log_line *line, enum log_level level, const char *event)
{
    char stamp[CLOCK_STAMP_MAX];
    bool is_json = log_format == LOG_FORMAT_JSON;

    clock_stamp(stamp);
    if (is_journal())
        (void)put_string(line, priorities[level]);
    if (is_json)
        (void)(put_string(line, "{\"time\":\"") && put_string(line, stamp) &&
               put_string(line, "\",\"level\":\""));
    else if (!is_journal())
        (void)(put_string(line, stamp) && put_string(line, " "));
    (void)(put_string(line, level_names[level]) &&
           put_string(line, is_json ? "\",\"event\":\"" : " ") && put_string(line, event) &&
           put_string(line, is_json ? "\"" : ""));
}

void log_open(struct log_line *line, enum log_level level, const char *event)
{
    line->wanted = log_is_on(level);
    line->n = 0;
    if (line->wanted)
        put_beginning(line, level, event);
}

void log_text(struct log_line *line, const char *key, struct slice value)
{
    size_t before = line->n;

    if (!line->wanted)
        return;
    if (!put_key(line, key) || !put_value(line, value))
        line->n = before;
}

void log_number(struct log_line *line, const char *key, uint64_t value)
{
    char memory[SLICE_DECIMAL_MAX];
    struct slice digits = slice_decimal(value, memory);
    size_t before = line->n;

    if (!line->wanted)
        return;
    if (!put_key(line, key) || !put(line, digits.p, digits.n))
        line->n = before;
}

void log_line_message(struct log_line *line, const char *text)
{
    if (!line->wanted || !put_key(line, "message") || !put(line, "\"", 1))
        return;
    (void)put_escaped(line, slice_from(text), LOG_LINE_MAX);
    line->text[line->n++] = '"'; /* of the bytes that are kept free */
}

struct slice log_line_end(struct log_line *line)
{
    if (!line->wanted)
        return slice_of(NULL, 0);
    if (log_format == LOG_FORMAT_JSON)
        line->text[line->n++] = '}';
    line->text[line->n++] = '\n';
    return slice_of(line->text, line->n);
}
