/*
 * Private to net: which files of a directory need not be read again, since they are as they were
 * when the directory from before was made. One thread while it is made; then immutable.
 */
#ifndef MAILMUX_TLS_KNOWN_H
#define MAILMUX_TLS_KNOWN_H

#include "tls_directory.h"
#include "tls_identity.h"

struct tls_known_file;

/* Files that were read without a fault. {0} is empty. */
struct tls_known {
    size_t count;
    struct tls_known_file *files; /* in the order of tls_files_compare */
    char *text;
};

/* Compares paths: by their directories, and then by their names. */
int tls_files_compare(const char *path, const char *other);

/*
 * Marks those of the sorted files that are the same as in *known. Two changes within the time that
 * a stamp can tell apart look like one, so a file is known only some seconds after its last change.
 */
void tls_known_mark(const struct tls_known *known, struct tls_file *const *files, size_t count);

/* Remembers the sorted files that are known or were read and are not wrong. False without memory.
 */
bool tls_known_take(
    struct tls_known *known, struct tls_file *const *files, size_t count, int64_t listed_s);

void tls_known_free(struct tls_known *known);

#endif
