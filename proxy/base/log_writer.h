/*
 * Private to the log: where lines go when they are complete. mailmux/log.h tells of
 * log_writer_start and log_writer_stop.
 */
#ifndef MAILMUX_LOG_WRITER_H
#define MAILMUX_LOG_WRITER_H

#include "mailmux/log.h"

/* Hands a line to the writer, or writes it when there is no writer. Any thread. */
void log_writer_take(struct slice line);

#endif
