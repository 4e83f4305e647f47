/* Opening a file for an account that may have put links in the way. Any thread. */
#ifndef MAILMUX_GUARDED_OPEN_H
#define MAILMUX_GUARDED_OPEN_H

#include <sys/types.h>

/* Whatever account it is: every link that is not root's is suspected. */
#define GUARDED_ANY ((uid_t)-1)

/*
 * Opens a file for reading, with the rights of this process: close-on-exec; a FIFO without a writer
 * is empty. If a symbolic link on the way belongs to the account, the file must belong to it, too:
 * else the account could have a file that this process alone may read. Returns a descriptor that
 * the caller closes, or a negative errno: -EPERM for such a file.
 */
int guarded_open(const char *path, uid_t account);

#endif
