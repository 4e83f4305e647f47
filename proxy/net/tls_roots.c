#include "tls_roots.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

/* Returns whether the store has the issuer. Frees the store; NULL is allowed. */
static bool has_issuer(X509_STORE *store, X509 *certificate)
{
    X509_STORE_CTX *context = store ? X509_STORE_CTX_new() : NULL;
    X509 *issuer = NULL;
    bool is_found = context && X509_STORE_CTX_init(context, store, certificate, NULL) == 1 &&
                    X509_STORE_CTX_get1_issuer(&issuer, context, certificate) == 1;

    X509_free(issuer);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
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

bool tls_roots_issued(X509 *certificate)
{
    return has_issuer(open_directory(), certificate) ||
           (needs_file() && has_issuer(open_file(), certificate));
}
