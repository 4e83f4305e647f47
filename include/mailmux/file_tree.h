/*
 * Directories whose files are not named one by one: what is in them, and many of their files at
 * once. Each file and each directory is opened by a function of the caller, which may refuse. Any
 * thread; blocks on the disk.
 */
#ifndef MAILMUX_FILE_TREE_H
#define MAILMUX_FILE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FILE_TREE_DEPTH_MAX = 6,      /* directories below the named one */
    FILE_TREE_FILES_MAX = 65536,  /* files of one tree */
    FILE_TREE_OCTETS_MAX = 65536, /* of one file */
    FILE_TREE_NAMES_MAX = 4000    /* octets of the names for one FILE_BELOW */
};

/* Opens a path for reading. Returns a descriptor, or a negative errno. */
typedef int file_tree_open(void *owner, const char *path);

/*
 * Called for each directory, the named one first, and for what a link leads to. Returns false to
 * end the walk.
 */
typedef bool file_tree_opened(void *owner, int fd);

/* How to walk; all belongs to the caller. */
struct file_tree_walk {
    file_tree_open *open;
    void *open_owner;
    file_tree_opened *on_opened; /* NULL: only the names are wanted */
    void *owner;
};

/* What changes with a file. All zeros: it is not known. */
struct file_tree_stamp {
    int64_t device;
    int64_t inode;
    int64_t octets;
    int64_t mode;       /* st_mode */
    int64_t changed_ns; /* since 1970: its content, its name, or who may read it (st_ctim) */
};

/*
 * Walks the directory and all below it. Links are followed, but not back to a directory that the
 * walk is in; what begins with a dot or ends with a tilde is passed over. out: a descriptor to
 * which the path of each file is written with its NUL, and a struct file_tree_stamp behind it; -1:
 * none. Returns 0 or a negative errno: that of the named directory, -E2BIG for more than
 * FILE_TREE_FILES_MAX, -ENOSPC where on_opened has ended it. What cannot be opened below it is
 * passed over.
 */
int file_tree_walk(const struct file_tree_walk *walk, const char *directory, int out);

/*
 * Returns a descriptor, which the caller closes, of a listing (file_tree_walk) at its first byte,
 * or a negative errno.
 */
int file_tree_list(const char *directory, file_tree_open *open, void *owner);

/*
 * names: paths, with a line end between them. Returns a descriptor, which the caller closes, at its
 * first byte, or a negative errno. In it stands for each path an int32_t of this machine, and as
 * many octets behind it: the file. It is a negative errno, and nothing is behind it, for one that
 * cannot be read, that is no regular file (-EINVAL) or too large (-EFBIG). No octet of a file
 * passes through this process's memory.
 */
int file_tree_read(const char *names, file_tree_open *open, void *owner);

/* Returns whether the path is below the directory, as text: without a link that could be seen. */
bool file_tree_is_below(const char *path, const char *directory);

#endif
