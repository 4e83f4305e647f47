/*
 * The default certificate: self-signed, ECDSA P-256, for a host name. It is made at the first start
 * and kept in the state directory. Certificate and key are in one file, so that they always belong
 * together. Any thread; no state; blocks on the disk.
 */
#ifndef MAILMUX_SELF_SIGNED_H
#define MAILMUX_SELF_SIGNED_H

#include "mailmux/error.h"

enum { SELF_SIGNED_PATH_MAX = 4096 };

/* What self_signed_ensure did. */
enum self_signed { SELF_SIGNED_FAILED, SELF_SIGNED_REUSED, SELF_SIGNED_MADE };

/*
 * Makes sure that the directory has a file with a key and a certificate for the host name or IP
 * literal, and writes its path, which serves as certificate and as key. A missing directory is made
 * with mode 0700, the file with mode 0600. A file that cannot be used, is for another name, or
 * expires within 30 days is replaced in one step. On SELF_SIGNED_FAILED *error says why, and path
 * is of no use.
 */
enum self_signed self_signed_ensure(const char *directory, const char *hostname,
    char path[SELF_SIGNED_PATH_MAX], struct error *error) __attribute__((warn_unused_result));

#endif
