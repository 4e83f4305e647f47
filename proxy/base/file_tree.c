#include "mailmux/file_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

/* A walk that is under way. */
struct way {
    const struct file_tree_walk *walk;
    int out;
    size_t files;
    int failure;                                /* which ends it; 0: none */
    struct stat above[FILE_TREE_DEPTH_MAX + 1]; /* the directories that it is in */
};

static int enter(struct way *way, int fd, const char *path, unsigned depth);

static bool is_passed_over(const char *name)
{
    size_t n = strlen(name);

    return name[0] == '.' || name[n - 1] == '~' || strchr(name, '\n');
}

/* info: of the file; NULL: it could not be opened. */
static void add_file(struct way *way, const char *path, const struct stat *info)
{
    struct file_tree_stamp stamp = {0};
    struct iovec parts[] = {{(char *)path, strlen(path) + 1}, {&stamp, sizeof(stamp)}};
    ssize_t n = (ssize_t)(parts[0].iov_len + parts[1].iov_len);

    if (info)
        stamp = (struct file_tree_stamp){.device = (int64_t)info->st_dev,
            .inode = (int64_t)info->st_ino,
            .octets = info->st_size,
            .mode = info->st_mode,
            .changed_ns = info->st_ctim.tv_sec * NS_PER_S + info->st_ctim.tv_nsec};
    if (++way->files > FILE_TREE_FILES_MAX)
        way->failure = -E2BIG;
    else if (way->out >= 0 && writev(way->out, parts, 2) != n)
        way->failure = -ENOMEM;
}

static void tell(struct way *way, int fd)
{
    if (way->walk->on_opened && !way->walk->on_opened(way->walk->owner, fd))
        way->failure = -ENOSPC;
}

/* Returns whether a link has led back to a directory that the walk is in. */
static bool is_round(const struct way *way, const struct stat *info, unsigned depth)
{
    for (unsigned i = 0; i <= depth; i++) {
        if (way->above[i].st_dev == info->st_dev && way->above[i].st_ino == info->st_ino)
            return true;
    }
    return false;
}

/* Takes what a link leads to, or a directory. One that cannot be opened is a file: it is named. */
static void open_and_take(struct way *way, const char *path, unsigned depth)
{
    struct stat info;
    int fd = way->walk->open(way->walk->open_owner, path);
    bool is_directory = fd >= 0 && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);

    if (is_directory && depth < FILE_TREE_DEPTH_MAX && !is_round(way, &info, depth)) {
        (void)enter(way, fd, path, depth + 1);
        return;
    }
    if (fd >= 0 && !is_directory)
        tell(way, fd);
    if (fd >= 0)
        (void)close(fd);
    if (!is_directory)
        add_file(way, path, fd >= 0 ? &info : NULL);
}

static void take(
    struct way *way, int at, const struct dirent *entry, const char *path, unsigned depth)
{
    bool leads_on = entry->d_type == DT_DIR || entry->d_type == DT_LNK; /* if that is known */
    struct stat info = {0};

    if (!leads_on && fstatat(at, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (leads_on || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode))
        open_and_take(way, path, depth);
    else if (S_ISREG(info.st_mode))
        add_file(way, path, &info);
}

/* Takes the descriptor. Returns 0 or a negative errno. */
static int enter(struct way *way, int fd, const char *path, unsigned depth)
{
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;
    char below[FILE_TREE_NAMES_MAX - 1]; /* a longer path could not be asked for */
    int failure = -errno;

    if (!directory) {
        (void)close(fd);
        return failure;
    }
    (void)fstat(fd, &way->above[depth]);
    tell(way, fd);
    while (way->failure == 0 && (entry = readdir(directory)) != NULL) {
        if (!is_passed_over(entry->d_name) &&
            snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below))
            take(way, fd, entry, below, depth);
    }
    (void)closedir(directory);
    return 0;
}

int file_tree_walk(const struct file_tree_walk *walk, const char *directory, int out)
{
    struct way way = {.walk = walk, .out = out};
    int fd = walk->open(walk->open_owner, directory);

    if (fd >= 0)
        fd = enter(&way, fd, directory, 0);
    return fd < 0 ? fd : way.failure;
}

/* Returns the descriptor at its first byte, or closes it and returns the failure. */
static int finish(int fd, int failure)
{
    if (failure == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    (void)close(fd);
    return failure < 0 ? failure : -EIO;
}

int file_tree_list(const char *directory, file_tree_open *open, void *owner)
{
    const struct file_tree_walk walk = {.open = open, .open_owner = owner};
    int out = memfd_create("tree", MFD_CLOEXEC);

    return out < 0 ? -errno : finish(out, file_tree_walk(&walk, directory, out));
}

/* Returns the size of the file, or a negative errno. */
static int32_t measure(int fd)
{
    struct stat info;

    if (fd < 0)
        return fd;
    if (fstat(fd, &info) != 0)
        return -errno;
    if (!S_ISREG(info.st_mode))
        return -EINVAL;
    return info.st_size > FILE_TREE_OCTETS_MAX ? -EFBIG : (int32_t)info.st_size;
}

/* Copies so many octets. What has become shorter meanwhile is filled up with NUL. */
static bool copy(int out, int fd, int32_t size)
{
    ssize_t n = 1;

    while (size > 0 && n > 0) {
        n = sendfile(out, fd, NULL, (size_t)size);
        size -= n > 0 ? (int32_t)n : 0;
    }
    while (size > 0 && n >= 0) {
        n = write(out, "", 1);
        size -= n > 0 ? 1 : 0;
    }
    return size == 0;
}

/* Writes the number, and the file behind it. Returns 0 or a negative errno. */
static int put(int out, const char *path, file_tree_open *open, void *owner)
{
    int fd = open(owner, path);
    int32_t size = measure(fd);
    bool is_fine = write(out, &size, sizeof(size)) == (ssize_t)sizeof(size);

    is_fine = is_fine && (size <= 0 || copy(out, fd, size));
    if (fd >= 0)
        (void)close(fd);
    return is_fine ? 0 : -EIO;
}

int file_tree_read(const char *names, file_tree_open *open, void *owner)
{
    int out = memfd_create("files", MFD_CLOEXEC);
    int failure = out < 0 ? -errno : 0;
    char path[PATH_MAX];

    while (failure == 0 && *names) {
        size_t n = strcspn(names, "\n");

        (void)snprintf(path, sizeof(path), "%.*s", (int)n, names);
        failure = put(out, path, open, owner);
        names += n + (names[n] ? 1 : 0);
    }
    return out < 0 ? failure : finish(out, failure);
}

bool file_tree_is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);

    if (strncmp(path, directory, n) != 0 || path[n] != '/')
        return false;
    for (const char *at = path + n; at; at = strchr(at + 1, '/')) {
        const char *name = at + 1;
        size_t length = strcspn(name, "/");

        if (length == 0 || name[0] == '.')
            return false;
    }
    return true;
}
