#include "tls_known.h"

#include <stdlib.h>
#include <string.h>

enum { SETTLED_S = 3, NS_PER_S = 1000000000 };

struct tls_known_file {
    struct file_tree_stamp stamp;
    const char *path; /* in the text of all */
};

static size_t directory_length(const char *path)
{
    const char *end = strrchr(path, '/');

    return end ? (size_t)(end - path) : 0;
}

int tls_files_compare(const char *path, const char *other)
{
    size_t a = directory_length(path);
    size_t b = directory_length(other);
    int result = memcmp(path, other, a < b ? a : b);

    if (result != 0)
        return result;
    return a != b ? (a > b) - (a < b) : strcmp(path + a, other + b);
}

void tls_known_mark(const struct tls_known *known, struct tls_file *const *files, size_t count)
{
    const struct tls_known_file *at = known->files;
    const struct tls_known_file *end = at + known->count;

    for (size_t i = 0; i < count && at < end; i++) {
        int order = -1;

        while (at < end && (order = tls_files_compare(at->path, files[i]->path)) < 0)
            at++;
        files[i]->is_known =
            order == 0 && memcmp(&at->stamp, &files[i]->stamp, sizeof(at->stamp)) == 0;
    }
}

/* Returns whether a later change of the file would be seen by its stamp. */
static bool is_settled(const struct file_tree_stamp *stamp, int64_t listed_s)
{
    return stamp->inode != 0 && stamp->changed_ns / NS_PER_S + SETTLED_S <= listed_s;
}

static bool is_to_be_known(const struct tls_file *file, int64_t listed_s)
{
    return !file->is_wrong && (file->is_known || file->is_read) &&
           is_settled(&file->stamp, listed_s);
}

bool tls_known_take(
    struct tls_known *known, struct tls_file *const *files, size_t count, int64_t listed_s)
{
    size_t octets = 0;
    char *at;

    for (size_t i = 0; i < count; i++)
        octets += is_to_be_known(files[i], listed_s) ? strlen(files[i]->path) + 1 : 0;
    known->files = calloc(count + 1, sizeof(*known->files));
    known->text = malloc(octets + 1);
    if (!known->files || !known->text)
        return false;
    at = known->text;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(files[i]->path) + 1;

        if (!is_to_be_known(files[i], listed_s))
            continue;
        memcpy(at, files[i]->path, n);
        known->files[known->count++] = (struct tls_known_file){files[i]->stamp, at};
        at += n;
    }
    return true;
}

void tls_known_free(struct tls_known *known)
{
    free(known->files);
    free(known->text);
    *known = (struct tls_known){0};
}
