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

/* Returns where the file behind that one is listed. */
static size_t behind(const struct content *list, size_t at)
{
    return at + strlen(list->bytes + at) + 1 + sizeof(struct file_tree_stamp);
}

/* Adds the names of the last listing. Returns false without memory. */
static bool add_names(struct reading *reading)
{
    const struct content *list = reading->lists;
    size_t count = reading->count;
    struct tls_file *grown;

    for (size_t at = 0; at < list->n; at = behind(list, at))
        count++;
    grown = reallocarray(reading->files, count + 1, sizeof(*grown));
    if (!grown)
        return false;
    reading->files = grown;
    for (size_t at = 0; at < list->n; at = behind(list, at)) {
        struct tls_file *file = &grown[reading->count++];

        *file = (struct tls_file){.path = list->bytes + at};
        memcpy(&file->stamp, file->path + strlen(file->path) + 1, sizeof(file->stamp));
    }
    return true;
}

/* The files that are read at once. */
struct batch {
    char names[FILE_TREE_NAMES_MAX];
    size_t used;
    struct tls_file *files[FILE_TREE_NAMES_MAX / 2]; /* a name has an octet, and a line end */
    size_t count;
};

/* Gives the files what was read of them. Returns false if it is not all there. */
static bool share_out(const struct batch *batch, const struct content *content)
{
    size_t from = 0;
    int32_t n;

    for (size_t i = 0; i < batch->count; i++) {
        struct tls_file *file = batch->files[i];

        if (content->n - from < sizeof(n))
            return false;
        memcpy(&n, content->bytes + from, sizeof(n));
        from += sizeof(n);
        if (n > 0 && content->n - from < (size_t)n)
            return false;
        if (n < 0)
            file->failure = -n;
        else
            file->bytes = slice_of(content->bytes + from, (size_t)n);
        from += n > 0 ? (size_t)n : 0;
        file->is_read = true;
    }
    return true;
}

/* Reads them and empties the batch. Returns false if that is not possible. */
static bool read_batch(struct reading *reading, struct batch *batch)
{
    int fd = files_open(FILE_BELOW, batch->names);
    struct content *content = fd < 0 ? NULL : read_all(fd, reading->contents);

    if (!content)
        return false;
    reading->contents = content;
    if (!share_out(batch, content))
        return false;
    batch->used = 0;
    batch->count = 0;
    return true;
}

/* tls_directory_read. */
static bool read_needed(void *owner)
{
    struct reading *reading = owner;
    struct batch batch = {.count = 0};

    for (size_t i = 0; i < reading->count; i++) {
        struct tls_file *file = &reading->files[i];
        size_t n = strlen(file->path);

        if (!file->is_needed || file->is_read)
            continue;
        if (batch.used + n + 2 > sizeof(batch.names) && !read_batch(reading, &batch))
            return false;
        memcpy(batch.names + batch.used, file->path, n);
        memcpy(batch.names + batch.used + n, "\n", 2);
        batch.used += n + 1;
        batch.files[batch.count++] = file;
    }
    return batch.count == 0 || read_batch(reading, &batch);
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

static bool list_directories(struct reading *reading, const struct config_strings *directories,
    size_t *failed, struct error *error)
{
    int failure = 0;

    for (size_t i = 0; i < directories->count && failure == 0; i++) {
        *failed = i;
        failure = list(reading, directories->text[i]);
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
        .rules = {.policy = tls->policy,
            .minimum = tls->minimum_version,
            .maximum = tls->maximum_version,
            .ciphers = tls->ciphers},
        .only_news = why == CERTIFICATE_DIRECTORY_CHANGE,
        .read = read_needed,
        .owner = &reading,
        .reads_all = why != CERTIFICATE_DIRECTORY_CHANGE,
        .listed_s = (int64_t)time(NULL),
        .now_s = (int64_t)time(NULL)};
    struct tls_directory *directory = NULL;

    *failed = 0;
    if (list_directories(&reading, &tls->directories, failed, error)) {
        source.files = reading.files;
        source.count = reading.count;
        directory = tls_directory_new(&source);
        if (!directory)
            error_set(error, "its files cannot be read, or memory is short");
    }
    free(reading.files);
    contents_free(reading.contents);
    contents_free(reading.lists);
    return directory;
}
