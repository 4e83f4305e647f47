#include "tls_roots.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

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

bool tls_roots_issued(X509 *certificate)
{
    return has_issuer(open_directory(), certificate) || has_issuer(open_file(), certificate);
}
