#include "config_open.h"

#include "mailmux/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 5000,           /* below the watchdog of systemd, which is not fed meanwhile */
    COPIED_MAX = 8 * 1024 * 1024, /* more than is read of a file */
    PIECE_MAX = 16384
};

/* Waits until there is something to read, or the end. Returns whether it came before `end_ms`. */
static bool wait_until(int fd, uint64_t end_ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    uint64_t now = clock_monotonic_ms();

    return now < end_ms && poll(&one, 1, (int)(end_ms - now)) != 0;
}

/* Returns 0, or a negative errno. */
static int copy(int from, int to)
{
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    char piece[PIECE_MAX];
    size_t sum = 0;
    ssize_t n;

    do {
        if (!wait_until(from, end_ms))
            return -ENODATA;
        n = read(from, piece, sizeof(piece));
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (n > 0 && write(to, piece, (size_t)n) != n)
            return -ENOSPC;
        sum += n > 0 ? (size_t)n : 0;
    } while (n != 0 && sum < COPIED_MAX);
    return lseek(to, 0, SEEK_SET) == 0 ? 0 : -errno;
}

/* Takes fd. */
static int open_copy(int fd)
{
    int to = memfd_create("configuration", MFD_CLOEXEC);
    int failure = to < 0 ? -errno : copy(fd, to);

    (void)close(fd);
    if (failure == 0)
        return to;
    if (to >= 0)
        (void)close(to);
    return failure;
}

int config_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &info) != 0 || (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return open_copy(fd);
    (void)fcntl(fd, F_SETFL, 0);
    return fd;
}
