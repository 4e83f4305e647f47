#include "control_socket.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAITING_MAX = 8 };

bool control_socket_path(const char *directory, struct sockaddr_un *out)
{
    int n;

    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/control", directory);
    return n > 0 && (size_t)n < sizeof(out->sun_path);
}

int control_socket_connect(const struct sockaddr_un *at, unsigned patience_s)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (patience_s ? 0 : SOCK_NONBLOCK), 0);
    const struct timeval most = {.tv_sec = patience_s};
    int failure;

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
    if (fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0)
        return fd;
    failure = errno;
    (void)close(fd);
    errno = failure;
    return -1;
}

void control_socket_limit(int fd, unsigned patience_s)
{
    const struct timeval most = {.tv_sec = patience_s};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
}

/* The socket of a keeper that is gone. One that answers stays, and so does what is no socket. */
static void remove_dead(const struct sockaddr_un *at)
{
    int fd = control_socket_connect(at, 0);
    bool is_dead = fd < 0 && errno == ECONNREFUSED;
    struct stat info;

    if (fd >= 0)
        (void)close(fd);
    if (is_dead && lstat(at->sun_path, &info) == 0 && S_ISSOCK(info.st_mode))
        (void)unlink(at->sun_path);
}

int control_socket_listen(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177); /* it is for its owner alone */
    bool is_open;
    int failure;

    remove_dead(at);
    is_open = fd >= 0 && bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 &&
              listen(fd, WAITING_MAX) == 0;
    failure = errno;
    (void)umask(before);
    if (is_open)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    errno = failure;
    return -1;
}

bool control_socket_is_trusted(int fd, const char *also)
{
    const struct passwd *account = also ? getpwnam(also) : NULL;
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid() || (account && peer.uid == account->pw_uid));
}
