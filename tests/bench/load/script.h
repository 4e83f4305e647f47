/*
 * What one client does, step by step; a file with one step a line:
 *
 *   tls              the handshake
 *   expect TEXT      lines come, until one begins with TEXT
 *   send TEXT        TEXT and CRLF go, at the latest when an answer is waited for
 *   get N, put N     so many octets of the pattern come, or go
 *   message N        so many octets of text go, and the dot behind them
 *   start, stop      a trip begins, and ends; without start it begins with the connection
 *   hold             waits until all hold and `go` comes on standard input
 *   begin, again N   what stands between is done N times
 *   end              the server ends the connection
 */
#ifndef MAILMUX_BENCH_SCRIPT_H
#define MAILMUX_BENCH_SCRIPT_H

#include <stddef.h>

enum step_kind {
    STEP_TLS,
    STEP_EXPECT,
    STEP_SEND,
    STEP_GET,
    STEP_PUT,
    STEP_MESSAGE,
    STEP_START,
    STEP_STOP,
    STEP_HOLD,
    STEP_BEGIN,
    STEP_AGAIN,
    STEP_END,
};

struct step {
    enum step_kind kind;
    unsigned long long number;
    size_t length;
    char text[256];
};

enum { SCRIPT_STEPS_MAX = 64 };

struct script {
    size_t count;
    struct step steps[SCRIPT_STEPS_MAX];
};

/* Ends the program if the file cannot be read or has a line that is no step. */
void script_read(const char *path, struct script *out);

#endif
