#include "log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t n = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

/*
 * A pipe or a terminal is opened once more, for a description that alone is non-blocking. This
 * needs /proc and the right to open it, which a process that has become another user may lack. A
 * file is not opened anew, for it would then be written from its start.
 */
void log_sink_open(struct log_sink *sink)
{
    struct stat info;
    int fd = -1;

    *sink = (struct log_sink){.fd = STDERR_FILENO};
    if (fstat(STDERR_FILENO, &info) != 0)
        return;
    sink->is_file = S_ISREG(info.st_mode);
    sink->is_socket = S_ISSOCK(info.st_mode);
    sink->is_by_line = sink->is_socket && !is_stream(STDERR_FILENO);
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode))
        fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    sink->is_own = fd >= 0;
    if (sink->is_own)
        sink->fd = fd;
}

void log_sink_close(struct log_sink *sink)
{
    if (sink->is_own)
        (void)close(sink->fd);
    *sink = (struct log_sink){.fd = STDERR_FILENO};
}

void log_sink_wait(const struct log_sink *sink, int timeout_ms)
{
    struct pollfd room = {.fd = sink->fd, .events = POLLOUT};

    (void)poll(&room, 1, timeout_ms);
}

/*
 * The question comes first in each case: a full pipe takes a short line into the rest of its last
 * page, and so would take nothing but words about the long ones that it refuses.
 */
enum log_sink_result log_sink_write(const struct log_sink *sink, struct slice line)
{
    struct pollfd room = {.fd = sink->fd, .events = POLLOUT};
    ssize_t n;

    if (!sink->is_file && poll(&room, 1, 0) == 0)
        return LOG_SINK_FULL;
    do {
        n = sink->is_socket ? send(sink->fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL)
                            : write(sink->fd, line.p, line.n);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return LOG_SINK_FULL;
    return n < 0 ? LOG_SINK_FAILED : LOG_SINK_TOOK;
}
