#include "tls_roots.h"

#include "mailmux/slice.h"
#include <dirent.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was opened between tls_roots_open and tls_roots_close, for it takes long to read. */
static _Thread_local struct {
    unsigned opened; /* calls of tls_roots_open that are not closed yet */
    X509_STORE *trusted;
    X509_STORE *directory; /* NULL: not opened yet */
    X509_STORE *file;
} roots;

/* Returns whether the store has the issuer. NULL is allowed. */
static bool has_issuer(X509_STORE *store, X509 *certificate)
{
    X509_STORE_CTX *context = store ? X509_STORE_CTX_new() : NULL;
    X509 *issuer = NULL;
    bool is_found = context && X509_STORE_CTX_init(context, store, certificate, NULL) == 1 &&
                    X509_STORE_CTX_get1_issuer(&issuer, context, certificate) == 1;

    X509_free(issuer);
    X509_STORE_CTX_free(context);
    ERR_clear_error(); /* a directory or file that is not there */
    return is_found;
}

static X509_STORE *open_directory(void)
{
    X509_STORE *store = X509_STORE_new();
    X509_LOOKUP *lookup = store ? X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir()) : NULL;

    if (lookup)
        (void)X509_LOOKUP_add_dir(lookup, NULL, X509_FILETYPE_DEFAULT);
    return store;
}

static X509_STORE *open_file(void)
{
    X509_STORE *store = X509_STORE_new();
    X509_LOOKUP *lookup = store ? X509_STORE_add_lookup(store, X509_LOOKUP_file()) : NULL;

    if (lookup)
        (void)X509_LOOKUP_load_file(lookup, NULL, X509_FILETYPE_DEFAULT);
    return store;
}

/* Returns whether a file is one that is looked for: it is named by a hash of 8 digits. */
static bool is_hash(const char *name)
{
    enum { DIGITS = 8 };

    return strspn(name, "0123456789abcdef") == DIGITS && name[DIGITS] == '.';
}

/* Returns whether the directory has files that are looked for. */
static bool has_hashes(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool is_found = false;

    if (!directory)
        return false;
    while (!is_found && (entry = readdir(directory)) != NULL)
        is_found = is_hash(entry->d_name);
    (void)closedir(directory);
    return is_found;
}

static bool needs_file(void)
{
    const char *directory = secure_getenv(X509_get_default_cert_dir_env());

    return secure_getenv(X509_get_default_cert_file_env()) ||
           !has_hashes(directory ? directory : X509_get_default_cert_dir());
}

static void forget(void)
{
    X509_STORE_free(roots.trusted);
    X509_STORE_free(roots.directory);
    X509_STORE_free(roots.file);
    roots.trusted = NULL;
    roots.directory = NULL;
    roots.file = NULL;
}

bool tls_roots_issued(X509 *certificate)
{
    bool is_found;

    if (!roots.directory)
        roots.directory = open_directory();
    is_found = has_issuer(roots.directory, certificate);
    if (!is_found && !roots.file && needs_file())
        roots.file = open_file();
    is_found = is_found || has_issuer(roots.file, certificate);
    if (roots.opened == 0)
        forget();
    return is_found;
}

/* ---- All of them ---- */

enum { HASHES_MAX = 4096 };

/* What the names of files in a directory say of the subjects. */
struct hashes {
    size_t count;
    unsigned long of[HASHES_MAX];
};

/* Writes the hashes of those that the store has. More than fit are read twice, which harms none. */
static void note_hashes(X509_STORE *store, struct hashes *hashes)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

    for (int i = 0; i < sk_X509_OBJECT_num(objects) && hashes->count < HASHES_MAX; i++) {
        X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

        if (certificate)
            hashes->of[hashes->count++] = X509_subject_name_hash(certificate);
    }
}

static bool has_hash(const struct hashes *hashes, const char *name)
{
    unsigned long hash = strtoul(name, NULL, 16);

    for (size_t i = 0; i < hashes->count; i++) {
        if (hashes->of[i] == hash)
            return true;
    }
    return false;
}

/* Adds what a directory has for subjects that are not known yet. */
static void add_directory(X509_LOOKUP *lookup, struct slice path, const struct hashes *hashes)
{
    char place[PATH_MAX];
    DIR *directory;
    const struct dirent *entry;

    if (snprintf(place, sizeof(place), "%.*s", (int)path.n, path.p) >= (int)sizeof(place))
        return;
    directory = opendir(place);
    while (directory && (entry = readdir(directory)) != NULL) {
        char file[PATH_MAX];

        if (is_hash(entry->d_name) && !has_hash(hashes, entry->d_name) &&
            snprintf(file, sizeof(file), "%s/%s", place, entry->d_name) < (int)sizeof(file))
            (void)X509_load_cert_file(lookup, file, X509_FILETYPE_PEM);
    }
    if (directory)
        (void)closedir(directory);
}

static void add_directories(X509_STORE *store, X509_LOOKUP *lookup)
{
    const char *named = secure_getenv(X509_get_default_cert_dir_env());
    struct slice paths = slice_from(named ? named : X509_get_default_cert_dir());
    struct hashes *hashes = calloc(1, sizeof(*hashes));
    struct slice path;

    if (!hashes)
        return;
    note_hashes(store, hashes);
    while (slice_split(&paths, ':', &path))
        add_directory(lookup, path, hashes);
    free(hashes);
}

static X509_STORE *open_all(void)
{
    X509_STORE *store = open_file();
    X509_LOOKUP *lookup = store ? X509_STORE_add_lookup(store, X509_LOOKUP_file()) : NULL;

    if (lookup)
        add_directories(store, lookup);
    ERR_clear_error(); /* of files that are not there, or are no certificates */
    return store;
}

X509_STORE *tls_roots_trusted(void)
{
    X509_STORE *store;

    if (!roots.trusted)
        roots.trusted = open_all();
    store = roots.trusted && X509_STORE_up_ref(roots.trusted) == 1 ? roots.trusted : NULL;
    if (roots.opened == 0)
        forget();
    return store;
}

void tls_roots_open(void)
{
    roots.opened++;
}

void tls_roots_close(void)
{
    roots.opened--;
    if (roots.opened == 0)
        forget();
}
