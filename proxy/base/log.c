#include "log_line.h"
#include "log_writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void log_write(struct log_line *line)
{
    struct slice text = log_line_end(line);

    if (text.n > 0)
        log_writer_take(text);
}

static unsigned own_generation;

void log_set_generation(unsigned generation)
{
    own_generation = generation;
}

unsigned log_generation(void)
{
    return own_generation;
}

/* Where this thread keeps errors; NULL: nowhere. */
static _Thread_local struct {
    char *out;
    size_t cap;
} kept;

void log_keep_errors(char *out, size_t cap)
{
    kept.out = out;
    kept.cap = cap;
    if (out)
        out[0] = '\0';
}

static void keep(const char *text)
{
    size_t n = strlen(kept.out);
    int more = snprintf(kept.out + n, kept.cap - n, "%s%s", n ? "\n" : "", text);

    if (more < 0 || (size_t)more >= kept.cap - n)
        kept.out[n] = '\0';
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
    struct log_line line;
    char text[LOG_LINE_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_open(&line, level, event);
    log_line_message(&line, text);
    log_write(&line);
    if (kept.out && level == LOG_ERROR)
        keep(text);
}
