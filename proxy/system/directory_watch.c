#include "directory_watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

static const uint32_t CHANGES = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

/* By its descriptor: the path could be another one by now. */
static bool add(void *owner, int fd)
{
    const int *watch = owner;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return inotify_add_watch(*watch, path, CHANGES) >= 0;
}

int directory_watch_open(const char *directory, file_tree_open *open, void *owner)
{
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    const struct file_tree_walk walk = {
        .open = open, .open_owner = owner, .on_opened = add, .owner = &watch};
    int failure = watch < 0 ? -errno : file_tree_walk(&walk, directory, -1);

    if (failure == 0)
        return watch;
    if (watch >= 0)
        (void)close(watch);
    return failure;
}
