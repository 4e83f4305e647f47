#include "log_line.h"

#include "mailmux/clock.h"
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

static enum log_format log_format = LOG_FORMAT_TEXT;
enum log_level log_lowest = LOG_INFO;

/* Kept free at the end of every line for a closing brace and the newline. */
enum { LOG_TAIL = 4 };

void log_setup(enum log_format format, enum log_level lowest)
{
    log_format = format;
    log_lowest = lowest;
}

static bool put(struct log_line *line, const char *bytes, size_t n)
{
    if (n > sizeof(line->text) - LOG_TAIL - line->n)
        return false;
    memcpy(line->text + line->n, bytes, n);
    line->n += n;
    return true;
}

static bool put_string(struct log_line *line, const char *text)
{
    return put(line, text, strlen(text));
}

static bool put_escaped_byte(struct log_line *line, unsigned char byte)
{
    char escaped[8];

    if (byte == '"' || byte == '\\') {
        escaped[0] = '\\';
        escaped[1] = (char)byte;
        return put(line, escaped, 2);
    }
    if (byte >= 0x20 && byte < 0x7f) {
        escaped[0] = (char)byte;
        return put(line, escaped, 1);
    }
    (void)snprintf(
        escaped, sizeof(escaped), log_format == LOG_FORMAT_JSON ? "\\u%04x" : "\\x%02x", byte);
    return put_string(line, escaped);
}

static bool needs_quotes(struct slice value)
{
    if (value.n == 0)
        return true;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] <= ' ' || value.p[i] >= 0x7f || strchr("\"\\=", value.p[i]))
            return true;
    }
    return false;
}

static bool put_value(struct log_line *line, struct slice value)
{
    bool quotes = log_format == LOG_FORMAT_JSON || needs_quotes(value);
    bool fits = !quotes || put(line, "\"", 1);

    for (size_t i = 0; fits && i < value.n && i < LOG_FIELD_MAX; i++)
        fits = put_escaped_byte(line, (unsigned char)value.p[i]);
    return fits && (!quotes || put(line, "\"", 1));
}

static bool put_key(struct log_line *line, const char *key)
{
    if (log_format == LOG_FORMAT_JSON)
        return put_string(line, ",\"") && put_string(line, key) && put_string(line, "\":");
    return put_string(line, " ") && put_string(line, key) && put_string(line, "=");
}

void log_open(struct log_line *line, enum log_level level, const char *event)
{
    char stamp[CLOCK_STAMP_MAX];
    int n;

    line->wanted = log_is_on(level);
    line->n = 0;
    if (!line->wanted)
        return;
    clock_stamp(stamp);
    n = snprintf(line->text, sizeof(line->text) - LOG_TAIL,
        log_format == LOG_FORMAT_JSON ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\""
                                      : "%s %s %s",
        stamp, level_names[level], event);
    line->n = n > 0 ? (size_t)n : 0;
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
    char digits[24];
    size_t before = line->n;

    if (!line->wanted)
        return;
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    if (!put_key(line, key) || !put_string(line, digits))
        line->n = before;
}

void log_line_message(struct log_line *line, const char *text)
{
    if (!line->wanted || !put_key(line, "message") || !put(line, "\"", 1))
        return;
    for (const char *c = text; *c && put_escaped_byte(line, (unsigned char)*c); c++)
        continue;
    (void)put(line, "\"", 1);
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
