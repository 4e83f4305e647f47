/*
 * The session-id context. It is made of names, so that a TLS session can be resumed by other
 * instances and after reloads. It includes how client certificates are asked for: a session from
 * before a change of that rule must not evade it.
 */
#include "tls_scope.h"

#include "tls_served.h"
#include <stdlib.h>
#include <string.h>

struct tls_scope {
    unsigned char context[TLS_DIGEST_SIZE];
};

/* Returns what tells the certificates of a directory apart, and is the same after a renewal. */
static const char *first_name(const struct tls_served *served)
{
    for (size_t i = 0; served && i < TLS_KEY_KINDS; i++) {
        if (served->by_kind[i])
            return tls_identity_name(served->by_kind[i], 0);
    }
    return "";
}

/* The name is that of a certificate of a directory, or empty. */
static bool make_scope(const struct tls_service *service, const struct tls_set *set,
    const char *name, struct tls_scope *scope)
{
    unsigned char mode = (unsigned char)set->client_certificate;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_fine =
        digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(digest, service->listener, strlen(service->listener) + 1) == 1 &&
        EVP_DigestUpdate(digest, service->protocol, strlen(service->protocol) + 1) == 1 &&
        EVP_DigestUpdate(digest, set->name, strlen(set->name) + 1) == 1 &&
        EVP_DigestUpdate(digest, &mode, sizeof(mode)) == 1 &&
        EVP_DigestUpdate(digest, set->ca_digest, sizeof(set->ca_digest)) == 1 &&
        EVP_DigestUpdate(digest, name, strlen(name)) == 1 &&
        EVP_DigestFinal_ex(digest, scope->context, NULL) == 1;

    EVP_MD_CTX_free(digest);
    return is_fine;
}

bool tls_scopes_make(struct tls_service *service)
{
    struct tls_scope *scopes = calloc(service->set_count, sizeof(*scopes));
    bool is_fine = scopes != NULL;

    for (size_t i = 0; is_fine && i < service->set_count; i++)
        /* A check makes no certificate, and a set that has none stays NULL. */
        is_fine = !service->sets[i] || make_scope(service, service->sets[i], "", &scopes[i]);
    service->scopes = scopes;
    if (!is_fine)
        tls_scopes_free(service);
    return is_fine;
}

void tls_scopes_free(struct tls_service *service)
{
    free(service->scopes);
    service->scopes = NULL;
}

/* Returns what was made beforehand, or NULL. */
static const struct tls_scope *find_scope(
    const struct tls_service *service, const struct tls_set *set)
{
    for (size_t i = 0; service->scopes && i < service->set_count; i++) {
        if (service->sets[i] == set)
            return &service->scopes[i];
    }
    return NULL;
}

bool tls_scope_set(SSL *ssl, const struct tls_service *service, const struct tls_choice *choice)
{
    const struct tls_scope *known = choice->served ? NULL : find_scope(service, choice->set);
    struct tls_scope made;

    if (!known) {
        if (!make_scope(service, choice->set, first_name(choice->served), &made))
            return false;
        known = &made;
    }
    return SSL_set_session_id_context(ssl, known->context, sizeof(known->context)) == 1;
}
