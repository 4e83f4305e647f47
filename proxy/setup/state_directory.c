#include "state_directory.h"

#include "control_socket.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUPS_MAX = 256 };

static bool is_member(const struct passwd *account, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;

    if (getgrouplist(account->pw_name, account->pw_gid, groups, &count) < 0)
        return true; /* there are too many to say */
    for (int i = 0; i < count; i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

/* Returns whether the account may make files in a directory with these rights. */
static bool may_write(const struct passwd *account, const struct stat *info)
{
    const mode_t both = S_IWOTH | S_IXOTH;
    mode_t rights = info->st_mode;

    if (account->pw_uid == 0)
        return true;
    if (info->st_uid == account->pw_uid)
        rights >>= 6;
    else if (is_member(account, info->st_gid))
        rights >>= 3;
    return (rights & both) == both;
}

/* A directory of root's with this mode is one that the keeper gives to the account. */
static bool is_given(const struct stat *info)
{
    mode_t mode = info->st_mode & 07777;

    return (info->st_uid == 0 && mode == 0700) ||
           (info->st_uid != 0 && info->st_gid == 0 && mode == 0770);
}

/* "state" is in ".", and "/state" in "/". */
static void cut_to_parent(char path[PATH_MAX])
{
    char *slash = strrchr(path, '/');

    if (!slash)
        (void)snprintf(path, PATH_MAX, ".");
    else
        slash[slash == path ? 1 : 0] = '\0';
}

/*
 * Returns 0, or why a start by this user could not use the directory. account: that of `user`, if
 * root is to become it; else NULL.
 */
static int find_problem(const char *directory, const struct passwd *account)
{
    char path[PATH_MAX];
    struct stat info;
    bool is_there;

    if ((size_t)snprintf(path, sizeof(path), "%s", directory) >= sizeof(path))
        return ENAMETOOLONG;
    is_there = stat(path, &info) == 0;
    while (stat(path, &info) != 0) {
        if (errno != ENOENT || strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
            return errno;
        cut_to_parent(path);
    }
    if (!S_ISDIR(info.st_mode))
        return ENOTDIR;
    if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0)
        return errno;
    return is_there && account && !is_given(&info) && !may_write(account, &info) ? EACCES : 0;
}

/* Returns whether a certificate from before is there, which is enough. */
static bool has_certificate(const char *directory)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/self-signed.pem", directory);
    return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

void state_directory_check(
    const struct config *config, bool needs_certificate, struct config_report *report)
{
    const struct config_proxy *proxy = &config->proxy;
    const char *directory = proxy->state_directory;
    const struct passwd *account = proxy->user && geteuid() == 0 ? getpwnam(proxy->user) : NULL;
    int problem = find_problem(directory, account);
    struct sockaddr_un control_at;
    char text[ERROR_TEXT_MAX];

    if (problem == 0 && !needs_certificate && !control_socket_path(directory, &control_at))
        problem = ENAMETOOLONG;
    if (problem == 0)
        return;
    if (needs_certificate && !has_certificate(directory)) {
        config_report_add(report, true, config->tls[0].section,
            "[tls] certificate: none is configured, and a self-signed one cannot be made: cannot "
            "make the directory %s: %s; state_directory must be a place that mailmux may write to, "
            "or a certificate must be configured",
            directory, strerror(problem));
    } else if (!needs_certificate) {
        (void)snprintf(text, sizeof(text),
            "%s cannot be made or written to: %s; mailmux --reload will not reach the process",
            directory, strerror(problem));
        config_report_setting(report, false, SECTION_PROXY, proxy,
            offsetof(struct config_proxy, state_directory), 0, text);
    }
}
