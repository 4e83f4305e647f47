/* Private to the log: what log.c and log_writer.c need of a line beside what mailmux/log.h has. */
#ifndef MAILMUX_LOG_LINE_H
#define MAILMUX_LOG_LINE_H

#include "mailmux/log.h"

/* Adds the field "message"; what does not fit of it is cut off. */
void log_line_message(struct log_line *line, const char *text);

/*
 * Ends the line and returns its text, which lives as long as the line. It is empty if the level is
 * not wanted.
 */
struct slice log_line_end(struct log_line *line);

#endif
