/* Opening what a set of names allows, for an account that may have put links in the way. Any
 * thread. */
#ifndef MAILMUX_NAMED_OPEN_H
#define MAILMUX_NAMED_OPEN_H

#include "mailmux/file_names.h"
#include <sys/types.h>

/*
 * Opens what the name stands for, if it is among the names; below a directory among them
 * (FILE_TREE) each file is, and named files are watched as such directories are. account: whose
 * links are suspected (guarded_open); 0: none are. Returns a descriptor, which the caller closes,
 * or a negative errno: -EPERM for what is not named, and for all files of a FILE_BELOW if one of
 * them is not.
 */
int named_open(
    const struct file_names *names, uid_t account, enum file_kind kind, const char *name);

#endif
