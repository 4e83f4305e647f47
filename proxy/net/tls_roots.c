#include "tls_roots.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

/* What was opened between tls_roots_open and tls_roots_close, for it takes long to read. */
static _Thread_local struct {
    bool are_kept;
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

/* Returns whether the directory is one that is looked into: files are named by a hash of 8 digits.
 */
static bool has_hashes(const char *path)
{
    enum { DIGITS = 8 };
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool is_found = false;

    if (!directory)
        return false;
    while (!is_found && (entry = readdir(directory)) != NULL)
        is_found =
            strspn(entry->d_name, "0123456789abcdef") == DIGITS && entry->d_name[DIGITS] == '.';
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
    X509_STORE_free(roots.directory);
    X509_STORE_free(roots.file);
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
    if (!roots.are_kept)
        forget();
    return is_found;
}

void tls_roots_open(void)
{
    roots.are_kept = true;
}

void tls_roots_close(void)
{
    roots.are_kept = false;
    forget();
}
