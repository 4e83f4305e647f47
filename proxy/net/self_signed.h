/*
 * The embedded default: a self-signed ECDSA P-256 certificate for a host name, made at the first
 * start and kept in the state directory. Certificate and key are in one file, so that the two can
 * never disagree. Any thread; no state; blocks on the disk.
 */
#ifndef MAILMUX_SELF_SIGNED_H
#define MAILMUX_SELF_SIGNED_H

#include "mailmux/error.h"

enum { SELF_SIGNED_PATH_MAX = 4096 };

enum self_signed { SELF_SIGNED_FAILED, SELF_SIGNED_REUSED, SELF_SIGNED_MADE };

/*
 * Makes sure that the directory (made with mode 0700) has a file (mode 0600) with a key and a valid
 * certificate for the host name or IP literal, and gives its path, which serves as certificate and
 * as key. A file that is unreadable as such, has expired or is for another name is replaced in one
 * step.
 */
enum self_signed self_signed_ensure(const char *directory, const char *hostname,
    char path[SELF_SIGNED_PATH_MAX], struct error *error) __attribute__((warn_unused_result));

#endif
