#include "certificate_directory.h"

#include "mailmux/file_tree.h"
#include "mailmux/files.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * More certificates than these are parsed when clients ask for them: each costs a quarter of a
 * millisecond.
 */
enum { JUDGED_AT_LOAD = 256 };

/* What was read into memory: names, or files, which may have keys. */
struct content {
    char *bytes;
    size_t n;
    struct content *next;
};

struct reading {
    struct content *lists;
    struct content *contents;
    size_t count;
    struct tls_file *files;
};

/* ---- Reading ---- */

static void contents_free(struct content *first)
{
    while (first) {
        struct content *next = first->next;

        if (first->bytes)
            explicit_bzero(first->bytes, first->n);
        free(first->bytes);
        free(first);
        first = next;
    }
}

/* Takes the descriptor. Returns what is in it, in front of `next`, or NULL. */
static struct content *read_all(int fd, struct content *next)
{
    struct content *content = calloc(1, sizeof(*content));
    struct stat info;
    bool is_fine = content && fstat(fd, &info) == 0;

    if (is_fine) {
        content->next = next;
        content->bytes = calloc(1, (size_t)info.st_size + 1);
        is_fine = content->bytes != NULL;
    }
    while (is_fine && content->n < (size_t)info.st_size) {
        ssize_t n = read(fd, content->bytes + content->n, (size_t)info.st_size - content->n);

        is_fine = n > 0;
        content->n += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    if (is_fine)
        return content;
    if (content)
        content->next = NULL;
    contents_free(content);
    return NULL;
}

/* Adds the names of the last listing. Returns false without memory. */
static bool add_names(struct reading *reading)
{
    const struct content *list = reading->lists;
    size_t count = reading->count;
    struct tls_file *grown;

    for (size_t i = 0; i < list->n; i++)
        count += list->bytes[i] == '\0' ? 1 : 0;
    grown = reallocarray(reading->files, count + 1, sizeof(*grown));
    if (!grown)
        return false;
    reading->files = grown;
    for (size_t at = 0; at < list->n; at += strlen(list->bytes + at) + 1)
        grown[reading->count++] = (struct tls_file){.path = list->bytes + at};
    return true;
}

/* Gives the files from `at` on what was read of them. Returns false if it is not all there. */
static bool share_out(struct reading *reading, size_t at, size_t end, const struct content *content)
{
    size_t from = 0;
    int32_t n;

    for (; at < end; at++) {
        if (content->n - from < sizeof(n))
            return false;
        memcpy(&n, content->bytes + from, sizeof(n));
        from += sizeof(n);
        if (n > 0 && content->n - from < (size_t)n)
            return false;
        if (n < 0)
            reading->files[at].failure = -n;
        else
            reading->files[at].bytes = slice_of(content->bytes + from, (size_t)n);
        from += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Reads files from `at` on, as many as are read at once. Returns where to go on, or 0. */
static size_t read_some(struct reading *reading, size_t at)
{
    char names[FILE_TREE_NAMES_MAX];
    struct content *content;
    size_t end = at;
    size_t used = 0;
    int fd;

    while (end < reading->count && used + strlen(reading->files[end].path) + 2 <= sizeof(names)) {
        size_t n = strlen(reading->files[end++].path);

        memcpy(names + used, reading->files[end - 1].path, n);
        names[used + n] = '\n';
        used += n + 1;
    }
    names[used] = '\0';
    fd = files_open(FILE_BELOW, names);
    content = fd < 0 ? NULL : read_all(fd, reading->contents);
    if (!content)
        return 0;
    reading->contents = content;
    return share_out(reading, at, end, content) ? end : 0;
}

/* Returns 0 or a negative errno. */
static int list(struct reading *reading, const char *directory)
{
    int fd = files_open(FILE_TREE, directory);
    struct content *content = fd < 0 ? NULL : read_all(fd, reading->lists);

    if (!content)
        return fd < 0 ? fd : -ENOMEM;
    reading->lists = content;
    return add_names(reading) ? 0 : -ENOMEM;
}

/* ---- A set ---- */

static bool read_directories(struct reading *reading, const struct config_strings *directories,
    size_t *failed, struct error *error)
{
    int failure = 0;

    for (size_t i = 0; i < directories->count && failure == 0; i++) {
        *failed = i;
        failure = list(reading, directories->text[i]);
    }
    for (size_t at = 0; at < reading->count && failure == 0;) {
        at = read_some(reading, at);
        failure = at == 0 ? -EIO : 0;
    }
    if (failure == -E2BIG)
        error_set(error, "there are more than %d files in it and below it", FILE_TREE_FILES_MAX);
    else if (failure < 0)
        error_set(error, "it cannot be read: %s", strerror(-failure));
    return failure == 0;
}

struct tls_directory *certificate_directory_read(const struct config *config,
    const struct config_tls *tls, const struct tls_directory *before,
    enum certificate_directory_why why, size_t *failed, struct error *error)
{
    struct reading reading = {0};
    struct tls_directory_source source = {.hostname = config->proxy.hostname,
        .before = before,
        .check_max = why == CERTIFICATE_DIRECTORY_CHECK ? SIZE_MAX : JUDGED_AT_LOAD,
        .only_news = why == CERTIFICATE_DIRECTORY_CHANGE,
        .now_s = (int64_t)time(NULL)};
    struct tls_directory *directory = NULL;

    *failed = 0;
    if (read_directories(&reading, &tls->directories, failed, error)) {
        source.files = reading.files;
        source.count = reading.count;
        directory = tls_directory_new(&source);
        if (!directory)
            error_set(error, "out of memory");
    }
    free(reading.files);
    contents_free(reading.contents);
    contents_free(reading.lists);
    return directory;
}
