#include "mailmux/files.h"

#include "mailmux/file_tree.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static files_get *source;
static void *source_owner;

void files_set_source(files_get *get, void *owner)
{
    source = get;
    source_owner = owner;
}

/*
 * O_NONBLOCK: the open does not wait for a FIFO's writer. A configuration may come from a FIFO, and
 * is waited for.
 */
static int open_file(enum file_kind kind, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == FILE_CONFIG ? 0 : O_NONBLOCK));
    int flags;

    if (fd < 0)
        return -errno;
    flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

/* A directory that does not exist matches nothing; one that cannot be read is an error. */
static int judge_glob_error(const char *path, int code)
{
    (void)path;
    return code != ENOENT && code != ENOTDIR;
}

static bool write_whole(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            n -= (size_t)written;
        }
    }
    return true;
}

static int write_names(const glob_t *found)
{
    int fd = memfd_create("names", MFD_CLOEXEC);
    bool is_fine = fd >= 0;

    for (size_t i = 0; is_fine && i < found->gl_pathc; i++)
        is_fine = write_whole(fd, found->gl_pathv[i], strlen(found->gl_pathv[i]) + 1);
    if (is_fine && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -ENOMEM;
}

static int list_files(const char *pattern)
{
    glob_t found = {0};
    int result = glob(pattern, 0, judge_glob_error, &found);
    int fd;

    if (result == 0)
        fd = write_names(&found);
    else
        fd = result == GLOB_NOMATCH ? -ENOENT : result == GLOB_NOSPACE ? -ENOMEM : -EACCES;
    globfree(&found);
    return fd;
}

static int open_named(void *unused, const char *path)
{
    (void)unused;
    return open_file(FILE_NAMED, path);
}

int files_open_on_disk(enum file_kind kind, const char *name)
{
    switch (kind) {
    case FILE_LIST:
        return list_files(name);
    case FILE_TREE:
        return file_tree_list(name, open_named, NULL);
    case FILE_BELOW:
        return file_tree_read(name, open_named, NULL);
    case FILE_WATCH:
        return -ENOSYS; /* only a keeper watches */
    case FILE_CONFIG:
    case FILE_NAMED:
        break;
    }
    return open_file(kind, name);
}

int files_open(enum file_kind kind, const char *name)
{
    return source ? source(source_owner, kind, name) : files_open_on_disk(kind, name);
}

FILE *files_stream(const char *name)
{
    int fd = files_open(FILE_NAMED, name);
    FILE *stream = NULL;
    struct stat info;

    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        errno = EINVAL;
    else
        stream = fdopen(fd, "r");
    if (!stream)
        (void)close(fd);
    return stream;
}

int files_look(const char *name, struct stat *status)
{
    int fd = files_open(FILE_NAMED, name);
    int result = fd < 0 ? fd : fstat(fd, status) == 0 ? 0 : -errno;

    if (fd >= 0)
        (void)close(fd);
    return result;
}
