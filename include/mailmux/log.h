/*
 * One structured line per event on standard error, as text or JSON. A line is written in one call,
 * alone or with others, so that lines of several threads and processes never mix. Any thread.
 *
 * A reader that stops delays no session. A process with threads has a writer, one more thread, for
 * which lines wait in a ring; those that come right behind others wait 10 ms, and are written
 * together. A process without one (the keeper; a program before and behind its
 * service) writes itself, and waits for a reader that is behind one second at most, in all of its
 * life. Lines without room are lost, and where they are missing stands `log-lost lines=N`.
 *
 * Foreign bytes are escaped here and nowhere else (attack A21). A byte outside 0x20..0x7e becomes
 * \xNN, in JSON \u00NN; a quote and a backslash get a backslash. JSON shows characters of UTF-8 as
 * they are. A field shows at most LOG_FIELD_MAX bytes of its value. A caller must not pass in
 * anything secret.
 *
 * Where standard error is systemd's journal (JOURNAL_STREAM), a line begins with its priority as
 * <N>, and a line of text has no time of its own.
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

/* A line while it is built, in the caller's memory. Its members are private to log.c. */
struct log_line {
    bool wanted;
    size_t n;
    char text[LOG_LINE_MAX];
};

/*
 * Sets the format and the lowest level that is written, for the whole process. Call it before other
 * threads exist.
 */
void log_setup(enum log_format format, enum log_level lowest);

/* Private: log_setup sets it, log_is_on reads it. */
extern enum log_level log_lowest;

/* The generation of this service, for lines that several services may write; 0: it has none. */
void log_set_generation(unsigned generation);
unsigned log_generation(void);

/*
 * Returns whether lines of this level are written. A caller asks it to save the work for lines that
 * are not.
 */
static inline bool log_is_on(enum log_level level)
{
    return level >= log_lowest;
}

/*
 * log_open begins a line with its time, level and event. log_text and log_number add a field; a
 * field that does not fit is left out as a whole. log_write writes the line and ends it. Keys and
 * events are constants: they are not escaped.
 */
void log_open(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, struct slice value);
void log_number(struct log_line *line, const char *key, uint64_t value);
void log_write(struct log_line *line);

/*
 * Starts the writer. Lines that were logged before are written already. Call it while the process
 * has one thread, behind log_setup; after a fork it may be called anew. Returns false if there is
 * no thread to be had: then lines are still written by the threads that log them.
 */
bool log_writer_start(void);

/*
 * Has the writer write what waits, for so long at most, and ends it. Call it when no other thread
 * logs any more. Lines that follow are written directly; if the reader hangs, they are dropped.
 * Does nothing without a writer.
 */
void log_writer_stop(unsigned patience_ms);

/* Writes a whole line with one field, "message", which may be up to LOG_LINE_MAX / 2 bytes long. */
void log_message(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * From here on, what log_message logs as an error in this thread is also written to out, one line
 * for each; what does not fit is left out. It is for the order that has led to it. NULL ends that.
 */
void log_keep_errors(char *out, size_t cap);

#endif
