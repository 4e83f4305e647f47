/* Hearing of changes below a directory (inotify(7)). Any thread; blocks on the disk. */
#ifndef MAILMUX_DIRECTORY_WATCH_H
#define MAILMUX_DIRECTORY_WATCH_H

#include "mailmux/file_tree.h"

/*
 * Returns a descriptor that becomes readable when a file or a directory is written, made, renamed
 * or removed in the directory or below it (as far as file_tree_walk goes), or where a link in it
 * leads to, and when the path comes to lead to another directory. It does not wait, and the caller
 * closes it. What is in it is of no interest: a directory that is new is not watched, so that a new
 * descriptor is needed after each change. Returns a negative errno on failure: -ENOSPC if the
 * kernel takes no more of them.
 */
int directory_watch_open(const char *directory, file_tree_open *open, void *owner);

/*
 * The same for files, of whose paths one stands on each line, and which need not be there: it tells
 * of changes in the directory of each. -EACCES, or another errno, if that cannot be opened.
 */
int directory_watch_open_files(const char *paths, file_tree_open *open, void *owner);

#endif
