/*
 * Reads the directories of a certificate set, which may be those of another account: the files come
 * from mailmux/files.h. Main thread; blocks on the disk.
 */
#ifndef MAILMUX_CERTIFICATE_DIRECTORY_H
#define MAILMUX_CERTIFICATE_DIRECTORY_H

#include "mailmux/config.h"
#include "mailmux/error.h"
#include "tls_directory.h"

enum certificate_directory_why {
    CERTIFICATE_DIRECTORY_CHECK, /* judge all of them in full */
    CERTIFICATE_DIRECTORY_LOAD,
    CERTIFICATE_DIRECTORY_CHANGE /* say nothing of those that have not changed */
};

/*
 * Returns what is in all directories of the set, a reference for the caller; or NULL with the
 * reason in *error, and the index of the directory in *failed. before: what the set had, or NULL.
 */
struct tls_directory *certificate_directory_read(const struct config *config,
    const struct config_tls *tls, const struct tls_directory *before,
    enum certificate_directory_why why, size_t *failed, struct error *error);

#endif
