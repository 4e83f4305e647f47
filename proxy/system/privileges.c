#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Counts as the limit where there is none, or where it cannot be read. */
enum { DESCRIPTORS_MAX = 1024 * 1024 };

size_t privileges_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return DESCRIPTORS_MAX;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > DESCRIPTORS_MAX ? DESCRIPTORS_MAX : (size_t)limit.rlim_cur;
}

void privileges_hide_memory(bool hide)
{
    const struct rlimit none = {0, 0};

    (void)prctl(PR_SET_DUMPABLE, hide ? 0UL : 1UL, 0UL, 0UL, 0UL);
    if (hide) /* a second lock; it does not stop a kernel that pipes cores to a program */
        (void)setrlimit(RLIMIT_CORE, &none);
}

uid_t privileges_account(const char *user)
{
    const struct passwd *entry = user && geteuid() == 0 ? getpwnam(user) : NULL;

    return entry ? entry->pw_uid : geteuid();
}

bool privileges_drop(const char *user, struct error *error)
{
    const struct passwd *entry;

    if (!user)
        return true;
    errno = 0;
    entry = getpwnam(user);
    if (!entry) {
        error_set(error,
            "there is no account %s%s%s; make one (useradd --system --shell /usr/sbin/nologin "
            "%s), or name another",
            user, errno ? ": " : "", errno ? strerror(errno) : "", user);
        return false;
    }
    if (geteuid() == entry->pw_uid)
        return true;
    /* The order matters: without the rights of the old user, the groups cannot be changed. */
    if (geteuid() != 0) {
        error_set(error, "only root can become %s; let root start mailmux", user);
        return false;
    }
    if (initgroups(user, entry->pw_gid) != 0 ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
        error_set(error, "cannot become user \"%s\": %s", user, strerror(errno));
        return false;
    }
    if (entry->pw_uid != 0 && setuid(0) == 0) {
        error_set(error, "user \"%s\" can become root again", user);
        return false;
    }
    return true;
}
