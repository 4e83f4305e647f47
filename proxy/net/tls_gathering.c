#include "tls_gathering.h"

#include "mailmux/files.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- In their order ---- */

static struct slice directory_of(const char *path)
{
    const char *end = strrchr(path, '/');

    return slice_of(path, end ? (size_t)(end - path) : 0);
}

static int compare_files(const void *a, const void *b)
{
    return tls_files_compare(
        (*(struct tls_file *const *)a)->path, (*(struct tls_file *const *)b)->path);
}

struct tls_file *tls_gathering_find(const struct tls_gathering *all, const char *path)
{
    struct tls_file wanted = {.path = path};
    struct tls_file *key = &wanted;
    struct tls_file **found = bsearch(&key, (void *)(all->files + all->at), all->end - all->at,
        sizeof(struct tls_file *), compare_files);

    return found ? *found : NULL;
}

struct tls_file *tls_gathering_answer(const struct tls_gathering *all, const char *path)
{
    char beside[4096];

    (void)snprintf(beside, sizeof(beside), "%s" FILES_STAPLE, path);
    return tls_gathering_find(all, beside);
}

static int compare_directories(const char *path, struct slice directory)
{
    struct slice own = directory_of(path);
    int result = memcmp(own.p, directory.p, own.n < directory.n ? own.n : directory.n);

    return result != 0 ? result : (own.n > directory.n) - (own.n < directory.n);
}

bool tls_gathering_next(struct tls_gathering *all)
{
    const struct tls_directory *before = all->source->before;
    size_t before_count = before ? before->all_count : 0;
    struct slice directory;

    if (all->end == all->count)
        return false;
    directory = directory_of(all->files[all->end]->path);
    all->at = all->end;
    while (
        all->end < all->count && slice_equal(directory_of(all->files[all->end]->path), directory))
        all->end++;
    all->before_at = all->before_end;
    while (all->before_at < before_count &&
           compare_directories(tls_identity_path(before->all[all->before_at]), directory) < 0)
        all->before_at++;
    all->before_end = all->before_at;
    while (all->before_end < before_count &&
           compare_directories(tls_identity_path(before->all[all->before_end]), directory) == 0)
        all->before_end++;
    return true;
}

void tls_gathering_rewind(struct tls_gathering *all)
{
    all->end = 0;
    all->before_end = 0;
}

/* Directories that are named may be below each other: then their files were listed twice. */
static bool sort_files(struct tls_gathering *all)
{
    const struct tls_directory_source *source = all->source;

    all->files = calloc(source->count + 1, sizeof(struct tls_file *));
    if (!all->files)
        return false;
    for (size_t i = 0; i < source->count; i++)
        all->files[i] = &source->files[i];
    qsort((void *)all->files, source->count, sizeof(struct tls_file *), compare_files);
    for (size_t i = 0; i < source->count; i++) {
        if (i == 0 || strcmp(all->files[i]->path, all->files[all->count - 1]->path) != 0)
            all->files[all->count++] = all->files[i];
    }
    return true;
}

bool tls_gathering_begin(struct tls_gathering *all)
{
    const struct tls_directory *before = all->source->before;

    if (!sort_files(all))
        return false;
    for (size_t i = 0; before && i < before->all_count; i++) {
        struct tls_identity *identity = before->all[i];

        if (!table_put(&all->before, slice_from(tls_identity_path(identity)), identity))
            return false;
    }
    if (before && !all->source->reads_all)
        tls_known_mark(&before->known, all->files, all->count);
    return true;
}

void tls_gathering_end(struct tls_gathering *all)
{
    free((void *)all->files);
    table_free(&all->before);
}

/* ---- What is read ---- */

/* Returns whether a file is called WORD.pem, or WORD-SOMETHING.pem. */
static bool is_called(struct slice file, struct slice word)
{
    struct slice rest = slice_after(file, word.n);

    return slice_starts(file, word) && slice_ends_nocase(file, SLICE(".pem")) && rest.n > 0 &&
           (rest.p[0] == '-' || rest.n == sizeof(".pem") - 1);
}

/*
 * certbot and dehydrated write the certificate alone and its chain alone beside both in one file,
 * and dehydrated leaves those of the past there.
 */
static bool is_part_of_another(const struct tls_gathering *all, const char *path)
{
    struct slice directory = directory_of(path);
    struct slice file = slice_from(path + directory.n + 1);
    char whole[4096];

    if (slice_equal(file, SLICE("fullchain.pem")) ||
        (!is_called(file, SLICE("cert")) && !is_called(file, SLICE("chain")) &&
            !is_called(file, SLICE("fullchain"))))
        return false;
    (void)snprintf(whole, sizeof(whole), "%.*s/fullchain.pem", (int)directory.n, directory.p);
    return tls_gathering_find(all, whole) != NULL;
}

bool tls_gathering_keeps(const struct tls_gathering *all, const struct tls_identity *identity)
{
    const struct tls_file *certificate = tls_gathering_find(all, tls_identity_path(identity));
    const struct tls_file *key = tls_gathering_find(all, tls_identity_key_path(identity));
    const struct tls_file *answer = tls_gathering_answer(all, tls_identity_path(identity));

    return certificate && certificate->is_known && !is_part_of_another(all, certificate->path) &&
           key && key->is_known && !is_part_of_another(all, key->path) &&
           (answer ? answer->is_known : !tls_identity_has_staple(identity));
}

static void need(struct tls_file *file)
{
    if (file)
        file->is_needed = true;
}

void tls_gathering_need(struct tls_gathering *all)
{
    for (size_t i = all->before_at; i < all->before_end; i++) {
        const struct tls_identity *identity = all->source->before->all[i];

        if (tls_gathering_keeps(all, identity))
            continue;
        need(tls_gathering_find(all, tls_identity_path(identity)));
        need(tls_gathering_find(all, tls_identity_key_path(identity)));
    }
    for (size_t i = all->at; i < all->end; i++) {
        struct tls_file *file = all->files[i];

        if (is_part_of_another(all, file->path))
            file->is_needed = false;
        else if (file->is_needed || !file->is_known) {
            file->is_needed = true;
            need(tls_gathering_answer(all, file->path));
        }
    }
}

bool tls_gathering_need_rest(struct tls_gathering *all)
{
    bool is_any = false;

    for (size_t i = all->at; i < all->end; i++) {
        struct tls_file *file = all->files[i];

        file->is_needed = !file->is_read && !is_part_of_another(all, file->path);
        is_any = is_any || file->is_needed;
    }
    return is_any;
}
