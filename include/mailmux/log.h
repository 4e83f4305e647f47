/*
 * One structured line per event on standard error, as text or JSON, written in one call so that
 * lines of several threads never mix. The only place where foreign bytes are escaped: whatever is
 * outside 0x20..0x7e becomes \xNN, and a field ends at LOG_FIELD_MAX bytes (attack A21). Nothing
 * secret may be passed in. Any thread.
 *
 *     struct log_line line;
 *     log_open(&line, LOG_INFO, "session");
 *     log_text(&line, "client", slice_from(text));
 *     log_number(&line, "bytes", bytes);
 *     log_write(&line);
 */
#ifndef MAILMUX_LOG_H
#define MAILMUX_LOG_H

#include "mailmux/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum { LOG_LINE_MAX = 4096, LOG_FIELD_MAX = 256 };

struct log_line {
    bool wanted;
    size_t n;
    char text[LOG_LINE_MAX];
};

/* For the whole process; call before there are threads. */
void log_setup(enum log_format format, enum log_level lowest);

/* Set by log_setup and read by log_is_on; nothing else uses it. */
extern enum log_level log_lowest;

/* Whether lines of this level are written. A caller that asks saves the work for those that are
 * not. */
static inline bool log_is_on(enum log_level level)
{
    return level >= log_lowest;
}

/*
 * Begins a line with its time, level and event, to which the next two add fields. Those that do not
 * fit are left out. log_write writes the line and ends it.
 */
void log_open(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, struct slice value);
void log_number(struct log_line *line, const char *key, uint64_t value);
void log_write(struct log_line *line);

/* A whole line with one field, "message". */
void log_message(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
