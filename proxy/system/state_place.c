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

enum { MODE_OF_ROOT = 0700, MODE_GIVEN = 0770 };

/*
 * The first is what root made, the other what this file has made of it for another account. Other
 * modes may be those of a place that many use, such as /tmp.
 */
static bool is_given(const struct stat *info)
{
    mode_t mode = info->st_mode & 07777;

    return (info->st_uid == 0 && mode == MODE_OF_ROOT) ||
           (info->st_uid != 0 && info->st_gid == 0 && mode == MODE_GIVEN);
}

static void give(int fd, const char *name, const struct passwd *user)
{
    if (fchown(fd, user->pw_uid, (gid_t)-1) != 0)
        log_message(LOG_WARNING, "state-directory", "cannot give %s to user %s: %s", name,
            user->pw_name, strerror(errno));
}

/*
 * The account that has the directory could put another file there: it is not handed on unless that
 * account has it, too. A file with two names is left alone, since the other may be elsewhere.
 */
static void give_certificate(int directory, uid_t owner, const struct passwd *user)
{
    int fd = openat(directory, "self-signed.pem", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info;

    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1 &&
        info.st_uid == owner)
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
    if (fstat(directory, &info) == 0 && entry->pw_uid != 0 && info.st_uid != entry->pw_uid &&
        (is_given(&info) || (is_new && info.st_uid == 0))) {
        give_certificate(directory, info.st_uid, entry);
        /* The group stays root's: the keeper has its control socket there. */
        if (info.st_uid == 0)
            (void)fchmod(directory, MODE_GIVEN);
        give(directory, path, entry);
    }
    (void)close(directory);
}
