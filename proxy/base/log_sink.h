/*
 * Private to the log: standard error, written to without waiting for its reader. Its file
 * description is shared with other processes, so it is not made non-blocking; what stands in for
 * that depends on what it is.
 */
#ifndef MAILMUX_LOG_SINK_H
#define MAILMUX_LOG_SINK_H

#include "mailmux/slice.h"

struct log_sink {
    int fd; /* standard error, or a file description of our own for the same pipe or terminal */
    bool is_file;    /* a file always takes what is written */
    bool is_socket;  /* of a journal, for example */
    bool is_by_line; /* each write is a message of its own */
    bool is_own;     /* fd is to be closed */
};

enum log_sink_result {
    LOG_SINK_TOOK, /* the whole */
    LOG_SINK_FULL, /* nothing, since the reader is behind */
    LOG_SINK_FAILED
};

/* Never fails: in the worst case a line is written after poll(2) has said that it can be. */
void log_sink_open(struct log_sink *sink);
void log_sink_close(struct log_sink *sink);

/*
 * Writes a line, or several that are LOG_LINE_MAX long together, in one call, so that they mix with
 * no line of another process: a pipe takes so much as a whole or not at all. Does not block,
 * except when another process fills the last room of a pipe that could not be opened anew, between
 * the question and the write.
 */
enum log_sink_result log_sink_write(const struct log_sink *sink, struct slice line);

/* Waits until the reader has made room, or the time is over. */
void log_sink_wait(const struct log_sink *sink, int timeout_ms);

#endif
