/*
 * A failure in words, written by the function that failed and read by the one that reports it.
 * On the caller's stack; empty text means no error.
 */
#ifndef MAILMUX_ERROR_H
#define MAILMUX_ERROR_H

enum { ERROR_TEXT_MAX = 512 };

struct error {
    char text[ERROR_TEXT_MAX];
};

/* Sets the text, cut at ERROR_TEXT_MAX - 1 bytes. */
void error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
