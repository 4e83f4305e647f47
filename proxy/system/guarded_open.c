#include "guarded_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LINKS_MAX = 40, /* as in the kernel */
    OPEN_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
};

struct walk {
    uid_t account;
    int at;              /* the directory that was reached */
    char left[PATH_MAX]; /* what is left of the path from there */
    unsigned links;
    uid_t owner; /* of the last link that is suspected; GUARDED_ANY: there was none */
};

/*
 * Goes on in another directory, whose descriptor becomes the walk's. Returns 0 or a negative errno.
 */
static int enter(struct walk *walk, int directory)
{
    int failure = errno;

    if (directory < 0)
        return -failure;
    if (walk->at >= 0)
        (void)close(walk->at);
    walk->at = directory;
    return 0;
}

static int enter_root(struct walk *walk)
{
    return walk->left[0] == '/' ? enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) : 0;
}

/*
 * Opens what is left in one call, if no link is on the way: most files are so, and a walk takes the
 * kernel ten times as long. Returns -ELOOP if there is one, or if the kernel has no such call.
 */
static int open_whole(const struct walk *walk)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_NO_SYMLINKS};
    int at = walk->at >= 0 ? walk->at : AT_FDCWD;
    int fd;

    if (walk->owner != GUARDED_ANY)
        return -ELOOP;
    fd = (int)syscall(SYS_openat2, at, walk->left, &how, sizeof(how));
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, 0);
    return fd >= 0 ? fd : errno == ENOENT || errno == EACCES ? -errno : -ELOOP;
}

/*
 * Puts what the link says in the front of what is left, and opens that if there is no other link.
 * Takes the link.
 */
static int follow(struct walk *walk, int link, const char *rest)
{
    char target[PATH_MAX];
    char left[PATH_MAX];
    struct stat info;
    ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);
    bool is_known = fstat(link, &info) == 0 && n > 0;
    int failure;
    int fd;

    (void)close(link);
    if (!is_known)
        return -ENOENT;
    target[n] = '\0';
    if (++walk->links > LINKS_MAX)
        return -ELOOP;
    if (info.st_uid == walk->account || (walk->account == GUARDED_ANY && info.st_uid != 0)) {
        if (walk->owner != GUARDED_ANY && walk->owner != info.st_uid)
            return -EPERM;
        walk->owner = info.st_uid;
    }
    if (snprintf(left, sizeof(left), "%s%s%s", target, *rest ? "/" : "", rest) >= (int)sizeof(left))
        return -ENAMETOOLONG;
    memcpy(walk->left, left, sizeof(left));
    failure = enter_root(walk);
    fd = failure == 0 ? open_whole(walk) : failure;
    return fd == -ELOOP ? 0 : fd;
}

/* Opens the last name. Returns -ELOOP if it is a link. */
static int open_last(const struct walk *walk, const char *name)
{
    int fd = openat(walk->at, name, OPEN_FLAGS);
    struct stat info;

    if (fd < 0)
        return -errno;
    if (walk->owner != GUARDED_ANY && (fstat(fd, &info) != 0 || info.st_uid != walk->owner)) {
        (void)close(fd);
        return -EPERM;
    }
    (void)fcntl(fd, F_SETFL, 0);
    return fd;
}

/* Takes one name of what is left. Returns the descriptor at the end, 0 before it, or an errno. */
static int step(struct walk *walk)
{
    char name[NAME_MAX + 1];
    const char *from = walk->left + strspn(walk->left, "/");
    size_t n = strcspn(from, "/");
    const char *rest = from + n + strspn(from + n, "/");
    struct stat info;
    int fd;

    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    (void)snprintf(name, sizeof(name), "%.*s", n ? (int)n : 1, n ? from : ".");
    if (!*rest && (fd = open_last(walk, name)) != -ELOOP)
        return fd;
    fd = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISLNK(info.st_mode))
        return follow(walk, fd, rest);
    fd = enter(walk, fd);
    if (fd == 0)
        memmove(walk->left, rest, strlen(rest) + 1);
    return fd;
}

int guarded_open(const char *path, uid_t account)
{
    struct walk walk = {.account = account, .at = -1, .owner = GUARDED_ANY};
    int result;

    if ((size_t)snprintf(walk.left, sizeof(walk.left), "%s", path) >= sizeof(walk.left))
        return -ENAMETOOLONG;
    result = open_whole(&walk);
    if (result != -ELOOP)
        return result;
    result = path[0] == '/' ? enter_root(&walk)
                            : enter(&walk, open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (result == 0)
        result = step(&walk);
    if (walk.at >= 0)
        (void)close(walk.at);
    return result;
}
