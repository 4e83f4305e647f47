/*
 * A failure in words. The function that fails writes it, and the function that reports it reads it.
 * It lies on the caller's stack. An empty text means no error.
 */
#ifndef MAILMUX_ERROR_H
#define MAILMUX_ERROR_H

enum { ERROR_TEXT_MAX = 512 };

struct error {
    char text[ERROR_TEXT_MAX];
};

/* Sets the text, printf-like. It is cut at ERROR_TEXT_MAX - 1 bytes. */
void error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
