#include "listening.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

void listening_share(int fd, bool is_shared)
{
    (void)set(fd, SOL_SOCKET, SO_REUSEPORT, is_shared);
}

int listening_bind(const struct address *at, bool is_shared, bool is_free)
{
    int family = address_family(at);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    int failure = errno;

    if (fd < 0)
        return -failure;
    (void)set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6)
        (void)set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (is_free) /* it is an option of IPv4 that holds for both */
        (void)set(fd, IPPROTO_IP, IP_FREEBIND, 1);
    listening_share(fd, is_shared);
    if (bind(fd, &at->socket.any, address_len(at)) == 0) {
        listening_share(fd, false);
        return fd;
    }
    failure = errno;
    (void)close(fd);
    return -failure;
}

bool listening_begin(int fd)
{
    return listen(fd, LISTENING_BACKLOG) == 0;
}

bool listening_check(int fd, struct address *out)
{
    struct sockaddr_storage storage = {0};
    socklen_t n = sizeof(storage);
    int listens = 0;
    socklen_t size = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
           getsockname(fd, (struct sockaddr *)&storage, &n) == 0 &&
           address_from_socket((const struct sockaddr *)&storage, out) &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}
