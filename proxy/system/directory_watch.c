#include "directory_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static const uint32_t CHANGES = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

enum { LINKS_MAX = 40 }; /* as in the kernel */

/* By its descriptor: the path could be another one by now. */
static bool add(void *owner, int fd)
{
    const int *watch = owner;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return inotify_add_watch(*watch, path, CHANGES) >= 0;
}

/*
 * Hears of it when the path comes to lead elsewhere: a directory on its way is renamed or removed,
 * or a link on it, and behind that, is made anew. What happens in those directories is not heard.
 * *links were followed.
 */
static void watch_way(int watch, const char *path, unsigned *links)
{
    char name[PATH_MAX];
    char target[PATH_MAX];

    for (size_t end = 1; path[end - 1]; end++) {
        ssize_t n = -1;
        size_t from;

        if (path[end] && path[end] != '/')
            continue;
        (void)snprintf(name, sizeof(name), "%.*s", (int)end, path);
        if (inotify_add_watch(
                watch, name, IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW | IN_MASK_ADD) >= 0)
            n = readlinkat(AT_FDCWD, name, target, sizeof(target) - 1);
        if (n <= 0 || *links == LINKS_MAX)
            continue;
        ++*links;
        target[n] = '\0';
        from = target[0] == '/' ? 0 : (size_t)(strrchr(name, '/') - name) + 1;
        (void)snprintf(name + from, sizeof(name) - from, "%s", target);
        watch_way(watch, name, links);
    }
}

/* Returns the descriptor, or closes it and returns the failure. */
static int finish(int watch, int failure)
{
    if (failure == 0)
        return watch;
    if (watch >= 0)
        (void)close(watch);
    return failure;
}

int directory_watch_open(const char *directory, file_tree_open *open, void *owner)
{
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    unsigned links = 0;
    const struct file_tree_walk walk = {
        .open = open, .open_owner = owner, .on_opened = add, .owner = &watch};

    if (watch >= 0)
        watch_way(watch, directory, &links);
    return finish(watch, watch < 0 ? -errno : file_tree_walk(&walk, directory, -1));
}

/* Watches what the path leads to. Returns 0 or a negative errno. */
static int watch_path(int watch, const char *path, file_tree_open *open, void *owner)
{
    int fd = open(owner, path);
    bool is_watched = fd >= 0 && add(&watch, fd);
    int failure = -errno;

    if (fd < 0)
        return fd;
    (void)close(fd);
    return is_watched ? 0 : failure;
}

/* Its directory; and the file itself, which may be elsewhere, behind a link. */
static int watch_file(int watch, const char *path, file_tree_open *open, void *owner)
{
    char directory[PATH_MAX];
    const char *end = strrchr(path, '/');
    int failure;

    (void)snprintf(
        directory, sizeof(directory), "%.*s", end ? (int)(end - path) + 1 : 1, end ? path : ".");
    failure = watch_path(watch, directory, open, owner);
    if (failure == 0)
        (void)watch_path(watch, path, open, owner);
    return failure;
}

int directory_watch_open_files(const char *paths, file_tree_open *open, void *owner)
{
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int failure = watch < 0 ? -errno : 0;
    char path[PATH_MAX];

    while (failure == 0 && *paths) {
        size_t n = strcspn(paths, "\n");

        (void)snprintf(path, sizeof(path), "%.*s", (int)n, paths);
        failure = watch_file(watch, path, open, owner);
        paths += n + (paths[n] ? 1 : 0);
    }
    return finish(watch, failure);
}
