#include "tls_directory_parts.h"
#include <stdlib.h>
#include <string.h>

struct tls_directory *tls_directory_ref(struct tls_directory *directory)
{
    refcount_take(&directory->references);
    return directory;
}

static void served_free(void *unused, void *served)
{
    (void)unused;
    free(served);
}

void tls_directory_unref(struct tls_directory **pointer)
{
    struct tls_directory *directory = *pointer;

    *pointer = NULL;
    if (!directory || !refcount_drop(&directory->references))
        return;
    table_each(&directory->names, served_free, NULL);
    table_free(&directory->names);
    for (size_t i = 0; i < directory->all_count; i++)
        tls_identity_unref(&directory->all[i]);
    tls_known_free(&directory->known);
    free((void *)directory->all);
    for (size_t i = 0; i < directory->problem_count; i++)
        free(directory->problems[i]);
    free((void *)directory->items);
    free(directory);
}

/* ---- Asking ---- */

const char *tls_directory_problem(const struct tls_directory *directory, size_t n)
{
    return n < directory->problem_count ? directory->problems[n] : NULL;
}

bool tls_directory_is_same(const struct tls_directory *a, const struct tls_directory *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp((const void *)a->items, (const void *)b->items,
                                 a->count * sizeof(struct tls_identity *)) == 0);
}

size_t tls_directory_count(const struct tls_directory *directory)
{
    return directory->count;
}

size_t tls_directory_name_count(const struct tls_directory *directory)
{
    return directory->names.count;
}

size_t tls_directory_prepare(const struct tls_directory *directory, size_t n, size_t most)
{
    while (n < directory->count && most > 0)
        most -= tls_identity_warm(directory->items[n++]) ? 1 : 0;
    return n;
}

const char *tls_directory_path(const struct tls_directory *directory, size_t n)
{
    return tls_identity_path(directory->items[n]);
}

const char *tls_directory_first_name(const struct tls_directory *directory, size_t n)
{
    return tls_identity_name(directory->items[n], 0);
}

const struct certificate_dates *tls_directory_dates(const struct tls_directory *directory, size_t n)
{
    return tls_identity_dates(directory->items[n]);
}

const struct tls_served *tls_directory_find(const struct tls_directory *directory, const char *name)
{
    return table_get(&directory->names, slice_from(name));
}

/* The same for a wildcard that stands for the name. */
static const struct tls_served *find_wildcard(
    const struct tls_directory *directory, const char *name)
{
    const char *parent = strchr(name, '.');
    char pattern[TLS_HOST_MAX + 3];

    if (!parent || strlen(parent) > TLS_HOST_MAX)
        return NULL;
    pattern[0] = '*';
    memcpy(pattern + 1, parent, strlen(parent) + 1);
    return tls_directory_find(directory, pattern);
}

bool tls_directory_covers(const struct tls_directory *directory, const char *name)
{
    char host[TLS_HOST_MAX + 1];

    return tls_names_normalise(slice_from(name), host) &&
           (tls_directory_find(directory, host) || find_wildcard(directory, host));
}

const struct tls_served *tls_directory_fallback(const struct tls_directory *directory)
{
    return directory->fallback;
}

bool tls_served_use(const struct tls_served *served, SSL *ssl)
{
    bool is_fine = false;

    SSL_certs_clear(ssl);
    for (size_t i = 0; i < TLS_KEY_KINDS; i++) {
        if (served->by_kind[i] && tls_identity_use(served->by_kind[i], ssl))
            is_fine = true;
    }
    return is_fine;
}
