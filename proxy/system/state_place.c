#include "state_place.h"

#include "mailmux/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns whether the directory is new. */
static bool make(const char *directory)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s", directory);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    return mkdir(path, 0700) == 0;
}

/*
 * A directory of root's with another mode than mailmux gives may be one that others use, such as
 * /tmp, and stays root's.
 */
static bool is_ours(const struct stat *info, bool is_new)
{
    return info->st_uid == 0 && (is_new || (info->st_mode & 07777) == 0700);
}

static void give(int fd, const char *name, const struct passwd *user)
{
    if (fchown(fd, user->pw_uid, (gid_t)-1) != 0)
        log_message(LOG_WARNING, "state-directory", "cannot give %s to user %s: %s", name,
            user->pw_name, strerror(errno));
}

/*
 * Only while root has the directory: later the account could put another file there. A file with
 * two names is left alone, since the other name may be elsewhere.
 */
static void give_certificate(int directory, const struct passwd *user)
{
    int fd = openat(directory, "self-signed.pem", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;

    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1)
        give(fd, "self-signed.pem", user);
    (void)close(fd);
}

void state_place_prepare(const char *path, const char *user)
{
    const struct passwd *entry = user ? getpwnam(user) : NULL;
    bool is_new = make(path);
    struct stat info;
    int directory;

    if (geteuid() != 0 || !entry)
        return;
    directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return;
    if (fstat(directory, &info) == 0 && is_ours(&info, is_new) && entry->pw_uid != 0) {
        give_certificate(directory, entry);
        /* The group stays root's: the keeper has its control socket there. */
        (void)fchmod(directory, 0770);
        give(directory, path, entry);
    }
    (void)close(directory);
}
