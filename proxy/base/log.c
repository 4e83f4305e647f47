#include "log_line.h"
#include "log_writer.h"

#include <stdarg.h>
#include <stdio.h>

void log_write(struct log_line *line)
{
    struct slice text = log_line_end(line);

    if (text.n > 0)
        log_writer_take(text);
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
}
