/* What a command prints on standard output, for tests. Comes behind cmocka.h. */
#ifndef MAILMUX_STDOUT_CATCH_H
#define MAILMUX_STDOUT_CATCH_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Lets standard output go to fd. Returns a descriptor for stdout_give_back. */
static inline int stdout_take(int fd)
{
    int before = dup(STDOUT_FILENO);

    (void)fflush(stdout);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    return before;
}

static inline void stdout_give_back(int before)
{
    (void)fflush(stdout);
    clearerr(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    (void)close(before);
}

/* A file in memory, for stdout_take. stdout_read closes it. */
static inline int stdout_file(void)
{
    int fd = memfd_create("out", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* Writes what is in the file to `out`, which has room for `size` octets, as a string. */
static inline void stdout_read(int fd, char *out, size_t size)
{
    ssize_t n = pread(fd, out, size - 1, 0);

    assert_true(n >= 0);
    out[n] = '\0';
    (void)close(fd);
}

#endif
