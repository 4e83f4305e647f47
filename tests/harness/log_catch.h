/*
 * Catches what the process writes to standard error, above all its log, in a file without a name.
 * One test at a time, one thread. Call log_release in the teardown: until then, what a failed test
 * prints is caught as well.
 */
#ifndef MAILMUX_LOG_CATCH_H
#define MAILMUX_LOG_CATCH_H

#include "mailmux/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOG_CATCH_MAX = 65536 };

static int log_catch_file = -1;
static int log_catch_stderr = -1;
static off_t log_catch_read;

/* Begins to catch, with lines of this level and above. What was caught before is forgotten. */
static inline void log_catch(enum log_level lowest)
{
    log_setup(LOG_FORMAT_TEXT, lowest);
    if (log_catch_file < 0) {
        log_catch_file = memfd_create("log", MFD_CLOEXEC);
        log_catch_stderr = dup(STDERR_FILENO);
    }
    if (log_catch_file < 0 || dup2(log_catch_file, STDERR_FILENO) < 0)
        abort();
    log_catch_read = lseek(log_catch_file, 0, SEEK_END);
}

/* Gives standard error back. Does nothing if nothing was caught. */
static inline void log_release(void)
{
    if (log_catch_stderr >= 0)
        (void)dup2(log_catch_stderr, STDERR_FILENO);
}

/* What was written since the last call; valid until the next call. */
static inline const char *log_caught(void)
{
    static char text[LOG_CATCH_MAX];
    ssize_t n;

    (void)fflush(stderr);
    n = pread(log_catch_file, text, sizeof(text) - 1, log_catch_read);
    if (n < 0)
        abort();
    log_catch_read += n;
    text[n] = '\0';
    return text;
}

/* How often `part` is in the text. */
static inline size_t log_count(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

#endif
