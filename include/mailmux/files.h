/*
 * Opening the files that the configuration names. They come from the disk, unless the process has
 * set another source: a process without the rights to read them asks one that has these rights.
 *
 * The source is set once, before other threads exist. After that, main thread; blocks on the disk.
 */
#ifndef MAILMUX_FILES_H
#define MAILMUX_FILES_H

#include <stdio.h>
#include <sys/stat.h>

enum file_kind {
    FILE_CONFIG, /* proxy.ini, or a file that it includes */
    FILE_LIST,   /* a pattern of `include`: the names of the files that match, each with its NUL */
    FILE_NAMED,  /* a file that a setting names, such as a certificate */
    FILE_TREE,   /* a directory that a setting names: the files below it (file_tree_list) */
    FILE_BELOW,  /* files below such directories, each on a line (file_tree_read) */
    FILE_WATCH   /* such a directory: an inotify(7) that tells of changes in it and below it; or
                    FILE_NAMEDs, each on a line: one that tells of changes in their directories */
};

/* Behind the name of a certificate's file: the answer of its authority (OCSP). */
#define FILES_STAPLE ".ocsp"

/* Returns a descriptor that the caller closes, or a negative errno. */
typedef int files_get(void *owner, enum file_kind kind, const char *name);

/* From now on files come from `get`; NULL: from the disk. The owner is handed to it. */
void files_set_source(files_get *get, void *owner);

/*
 * Opens a file for reading, or lists the names that match a pattern, sorted. Returns a descriptor
 * at its first byte (close-on-exec), which the caller closes, or a negative errno: -ENOENT when
 * nothing matches a pattern. A FIFO without a writer is waited for if it is a FILE_CONFIG (by a
 * keeper for 5 seconds: config_open.h), and else empty.
 */
int files_open(enum file_kind kind, const char *name);

/* The same from the disk, whatever the source is. */
int files_open_on_disk(enum file_kind kind, const char *name);

/*
 * Opens a FILE_NAMED as a stream, for fclose. Returns NULL with errno set: EINVAL if it is no
 * regular file, which might have no end.
 */
FILE *files_stream(const char *name);

/* Opens a FILE_NAMED and says what it is. Returns 0, or a negative errno. */
int files_look(const char *name, struct stat *status);

#endif
