#include "tls_collection.h"

#include "mailmux/files.h"
#include "mailmux/table.h"
#include "tls_found.h"
#include "tls_served.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is under way. */
struct gathering {
    struct tls_collection *out;
    const struct tls_directory_source *source;
    tls_collection_problem *problem;
    void *owner;
    const struct tls_file **files; /* in the order of their directories, and then of their names */
    struct table before;           /* identities of the one before, by their paths */
    struct tls_authorities authorities;
    size_t checks; /* so many were parsed */
    bool is_fine;
};

/* ---- The order of the files ---- */

static struct slice directory_of(const char *path)
{
    const char *end = strrchr(path, '/');

    return slice_of(path, end ? (size_t)(end - path) : 0);
}

static int compare_slices(struct slice a, struct slice b)
{
    int result = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return result != 0 ? result : (a.n > b.n) - (a.n < b.n);
}

static int compare_files(const void *a, const void *b)
{
    const char *one = (*(const struct tls_file *const *)a)->path;
    const char *other = (*(const struct tls_file *const *)b)->path;
    int result = compare_slices(directory_of(one), directory_of(other));

    return result != 0 ? result : strcmp(one, other);
}

/* Returns the file of this path, or NULL. */
static const struct tls_file *find_file(const struct gathering *all, const char *path)
{
    const struct tls_file wanted = {.path = path};
    const struct tls_file *key = &wanted;
    const struct tls_file **found = bsearch(&key, (const void *)all->files, all->source->count,
        sizeof(const struct tls_file *), compare_files);

    return found ? *found : NULL;
}

static bool ends(const char *path, struct slice ending)
{
    return slice_ends_nocase(slice_from(path), ending);
}

/* ---- What is wrong ---- */

static void tell(const struct gathering *all, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(const struct gathering *all, const char *path, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    all->problem(all->owner, path, text);
}

static void append(
    struct gathering *all, struct tls_identity *identity, bool is_new, bool is_parsed)
{
    struct tls_collected *grown =
        identity ? reallocarray(all->out->items, all->out->count + 1, sizeof(*grown)) : NULL;

    if (!grown) {
        tls_identity_unref(&identity);
        all->is_fine = false;
        return;
    }
    all->out->items = grown;
    grown[all->out->count++] = (struct tls_collected){identity, is_new, is_parsed};
}

/* Tells of a file that is wrong. Its certificate from before, if there is one, stays in service. */
static void refuse(struct gathering *all, const char *path, const char *why)
{
    struct tls_identity *before = table_get(&all->before, slice_from(path));

    tell(all, path, "%s%s", why, before ? "; the one from before stays in service" : "");
    if (before)
        append(all, tls_identity_ref(before), false, false);
}

/* ---- Certificates that have a key ---- */

static struct tls_staple *find_staple(
    const struct gathering *all, const struct tls_found_certificate *certificate)
{
    const unsigned char *at = certificate->block.der;
    char path[4096];
    const struct tls_file *file;
    struct tls_staple *staple = NULL;
    struct error error = {0};
    X509 *leaf;

    (void)snprintf(path, sizeof(path), "%s" FILES_STAPLE, certificate->file->path);
    file = find_file(all, path);
    if (!file)
        return NULL;
    leaf = d2i_X509(NULL, &at, certificate->block.n);
    if (leaf)
        staple = tls_staple_new(file->bytes, leaf, certificate->chain, all->source->now_s, &error);
    X509_free(leaf);
    if (!staple && error.text[0])
        tell(all, path, "it is not stapled: %s", error.text);
    return staple;
}

/* One that is new. Of the first ones it is seen whether the library can use them. */
static void add_new(struct gathering *all, const struct tls_identity_parts *parts)
{
    struct tls_identity *identity = tls_identity_new(parts);
    bool is_checked = identity && all->checks < all->source->check_max;
    struct error error;

    all->checks += is_checked ? 1 : 0;
    if (!is_checked || tls_identity_prepare(identity, &error)) {
        append(all, identity, true, is_checked);
        return;
    }
    tls_identity_unref(&identity);
    refuse(all, parts->path, error.text);
}

static void add_pair(struct gathering *all, const struct tls_found_certificate *certificate,
    const struct tls_found_key *key)
{
    const char *path = certificate->file->path;
    struct tls_identity *before = table_get(&all->before, slice_from(path));
    struct tls_staple *staple = find_staple(all, certificate);
    const struct tls_identity_parts parts = {.path = path,
        .leaf = slice_of((const char *)certificate->block.der, (size_t)certificate->block.n),
        .key = slice_of((const char *)key->block.der, (size_t)key->block.n),
        .key_name = key->block.name,
        .chain = certificate->chain,
        .staple = staple,
        .read = &certificate->read};
    struct slice names = certificate->read.names;
    char name[TLS_HOST_MAX + 3];

    if (!tls_leaf_name(&names, name))
        refuse(all, path, "it has no DNS name (subjectAltName), and clients look for no other");
    else if (before && tls_identity_is_same(before, &parts))
        append(all, tls_identity_ref(before), false, false);
    else
        add_new(all, &parts);
    tls_staple_unref(&staple);
}

/* ---- One directory ---- */

static bool is_named_for_tls(const char *path)
{
    return ends(path, SLICE(".pem")) || ends(path, SLICE(".crt")) || ends(path, SLICE(".cer")) ||
           ends(path, SLICE(".key"));
}

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
static bool is_part_of_another(const struct gathering *all, const char *path)
{
    struct slice directory = directory_of(path);
    struct slice file = slice_from(path + directory.n + 1);
    char whole[4096];

    if (slice_equal(file, SLICE("fullchain.pem")) ||
        (!is_called(file, SLICE("cert")) && !is_called(file, SLICE("chain")) &&
            !is_called(file, SLICE("fullchain"))))
        return false;
    (void)snprintf(whole, sizeof(whole), "%.*s/fullchain.pem", (int)directory.n, directory.p);
    return find_file(all, whole) != NULL;
}

static void take(struct gathering *all, struct tls_found *found, const struct tls_file *file)
{
    if (ends(file->path, SLICE(FILES_STAPLE)) || is_part_of_another(all, file->path))
        return;
    if (file->failure) {
        if (file->failure != EFBIG || is_named_for_tls(file->path))
            refuse(all, file->path,
                file->failure == EFBIG ? "it is too large for a certificate or a key"
                                       : strerror(file->failure));
        return;
    }
    switch (tls_found_take(found, &all->authorities, file)) {
    case TLS_FILE_TAKEN:
        break;
    case TLS_FILE_FOREIGN:
        if (is_named_for_tls(file->path))
            refuse(all, file->path, "it has neither a certificate nor a private key");
        break;
    case TLS_FILE_DAMAGED:
        refuse(all, file->path, "it is damaged, or was not written to its end");
        break;
    case TLS_FILE_ENCRYPTED:
        refuse(all, file->path,
            "its key is encrypted; `openssl pkey -in FILE -out PLAIN.pem` removes the password");
        break;
    case TLS_FILE_NO_MEMORY:
        all->is_fine = false;
        break;
    }
}

/*
 * A chain alone is no mistake, and needs no key. A self-signed certificate may sign others, too;
 * but it is for a host name, which those of a chain are not.
 */
static bool is_of_chain(const struct tls_found_certificate *one)
{
    struct slice names = one->read.names;
    char name[TLS_HOST_MAX + 3];

    return one->read.is_authority && !tls_leaf_name(&names, name);
}

static void pair(struct gathering *all, const struct tls_found *found)
{
    for (size_t i = 0; i < found->certificate_count && all->is_fine; i++) {
        const struct tls_found_certificate *one = &found->certificates[i];
        const struct tls_found_key *key = tls_found_key_of(found, &one->read.key);

        if (key)
            add_pair(all, one, key);
        else if (!is_of_chain(one))
            refuse(all, one->file->path, "no private key in its directory belongs to it");
    }
}

/* Takes the files from `at` on that stand in one directory. Returns where the next begins. */
static size_t take_directory(struct gathering *all, size_t at)
{
    struct slice directory = directory_of(all->files[at]->path);
    struct tls_found found = {0};

    while (at < all->source->count && slice_equal(directory_of(all->files[at]->path), directory) &&
           all->is_fine)
        take(all, &found, all->files[at++]);
    tls_found_sort(&found);
    pair(all, &found);
    tls_found_free(&found);
    return at;
}

/* ---- All of them ---- */

static bool begin(struct gathering *all)
{
    const struct tls_directory *before = all->source->before;

    all->files = calloc(all->source->count + 1, sizeof(const struct tls_file *));
    if (!all->files)
        return false;
    for (size_t i = 0; i < all->source->count; i++)
        all->files[i] = &all->source->files[i];
    qsort((void *)all->files, all->source->count, sizeof(const struct tls_file *), compare_files);
    for (size_t i = 0; before && i < tls_directory_count(before); i++) {
        struct tls_identity *identity = tls_directory_item(before, i);

        if (!table_put(&all->before, slice_from(tls_identity_path(identity)), identity))
            return false;
    }
    return true;
}

bool tls_collection_fill(struct tls_collection *collection,
    const struct tls_directory_source *source, tls_collection_problem *problem, void *owner)
{
    struct gathering all = {
        .out = collection, .source = source, .problem = problem, .owner = owner, .is_fine = true};

    all.is_fine = begin(&all);
    for (size_t at = 0; all.is_fine && at < source->count;)
        at = take_directory(&all, at);
    free((void *)all.files);
    table_free(&all.before);
    tls_authorities_free(&all.authorities);
    ERR_clear_error();
    return all.is_fine;
}

void tls_collection_free(struct tls_collection *collection)
{
    for (size_t i = 0; i < collection->count; i++)
        tls_identity_unref(&collection->items[i].identity);
    free(collection->items);
    *collection = (struct tls_collection){0};
}
