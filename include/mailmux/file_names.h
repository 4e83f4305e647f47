/* Names of files, each with its kind. One thread. */
#ifndef MAILMUX_FILE_NAMES_H
#define MAILMUX_FILE_NAMES_H

#include "mailmux/files.h"
#include <stdbool.h>
#include <stddef.h>

struct file_name {
    enum file_kind kind;
    char *text;
};

/* {0} is empty. End it with file_names_free. Its members are private. */
struct file_names {
    size_t count;
    struct file_name *items;
};

/* Adds a name, unless it is there or there are too many. Without memory it is left out. */
void file_names_add(struct file_names *names, enum file_kind kind, const char *text);

/* Compares as text: no path is resolved. */
bool file_names_have(const struct file_names *names, enum file_kind kind, const char *text);

/* Returns whether a FILE_TREE among them is above this path (file_tree_is_below). */
bool file_names_have_above(const struct file_names *names, const char *path);

void file_names_free(struct file_names *names);

#endif
