#include "tls_context.h"

#include "mailmux/files.h"
#include "tls.h"
#include "tls_certificate.h"
#include "tls_certificate_check.h"
#include "tls_own.h"
#include "tls_pem.h"
#include "tls_roots.h"
#include "tls_set.h"
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * The file's content is part of the session-id context: no TLS session may outlive a change of the
 * file.
 */
static bool digest_file(const char *path, unsigned char out[TLS_DIGEST_SIZE])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    FILE *file = files_stream(path);
    char bytes[4096];
    bool is_fine = digest && file && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    size_t n;

    while (is_fine && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        is_fine = EVP_DigestUpdate(digest, bytes, n) == 1;
    is_fine = is_fine && !ferror(file) && EVP_DigestFinal_ex(digest, out, NULL) == 1;
    if (file)
        (void)fclose(file);
    EVP_MD_CTX_free(digest);
    return is_fine;
}

static int compare_names(const X509_NAME *const *a, const X509_NAME *const *b)
{
    return X509_NAME_cmp(*a, *b);
}

static bool load_client_ca(struct tls_set *set, const char *path, struct tls_fault *fault)
{
    STACK_OF(X509_NAME) * names;

    if (!tls_pem_check(path, "CA file", TLS_CULPRIT_CA, 0, fault))
        return false;
    names = sk_X509_NAME_new(compare_names);
    if (!names || !tls_pem_trust(SSL_CTX_get_cert_store(set->context), path, names) ||
        !digest_file(path, set->ca_digest)) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        tls_fault_library(fault, TLS_CULPRIT_CA, 0,
            "cannot use %s as client_ca; expected PEM with the certificates of authorities", path);
        return false;
    }
    SSL_CTX_set_client_CA_list(set->context, names);
    return true;
}

/* Lets every handshake go on: with `request` the certificate is only reported. */
static int accept_all(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store; /* it keeps the error, which becomes the verify result */
    return 1;
}

static bool load_client_certificates(
    struct tls_set *set, const struct tls_set_parameters *parameters, struct tls_fault *fault)
{
    bool is_required = parameters->client_certificate == TLS_CLIENT_CERTIFICATE_REQUIRE;

    set->client_certificate = parameters->client_certificate;
    if (parameters->client_certificate == TLS_CLIENT_CERTIFICATE_NONE)
        return true;
    if (is_required && !parameters->client_ca) {
        tls_fault_library(fault, TLS_CULPRIT_CLIENT_CERTIFICATE, 0,
            "client_certificate = require needs client_ca, the file with the authorities that may "
            "sign them");
        return false;
    }
    SSL_CTX_set_verify(set->context,
        SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        is_required ? NULL : accept_all);
    return !parameters->client_ca || load_client_ca(set, parameters->client_ca, fault);
}

/* Judges the certificate that was loaded last, the i-th. */
static void judge(struct tls_set *set, const struct tls_set_parameters *parameters, size_t i)
{
    struct tls_own *own = &set->own[i];
    struct certificate_subject subject = {.file = parameters->certificates[i],
        .index = i,
        .leaf = own->leaf,
        .chain = own->chain,
        .use = CERTIFICATE_TO_CLIENTS,
        .name_count = parameters->name_count,
        .names = parameters->names,
        .is_under_root = tls_roots_issued,
        .now_s = time(NULL)};
    struct error error;

    set->covers_hostname = set->covers_hostname && parameters->hostname &&
                           certificate_covers(subject.leaf, parameters->hostname);
    certificate_check(&subject, &parameters->warning);
    if (tls_own_read_answer(own, &error) == TLS_ANSWER_WRONG && parameters->warning.warn)
        parameters->warning.warn(parameters->warning.owner, TLS_CULPRIT_CERTIFICATE, i, error.text);
}

static bool load_pairs(
    struct tls_set *set, const struct tls_set_parameters *parameters, struct tls_fault *fault)
{
    if (parameters->certificate_count == 0 && !parameters->is_bare && !parameters->directory) {
        tls_fault_library(fault, TLS_CULPRIT_CERTIFICATE, 0, "the set has no certificate");
        return false;
    }
    set->certificate_count = parameters->certificate_count;
    set->own = calloc(set->certificate_count + 1, sizeof(*set->own));
    set->covers_hostname = parameters->certificate_count > 0;
    if (!set->own) {
        error_set(&fault->error, "no memory");
        return false;
    }
    for (size_t i = 0; i < parameters->certificate_count; i++) {
        if (!tls_pem_load_pair(set->context, parameters->certificates[i], parameters->keys[i], i,
                &parameters->warning, fault))
            return false;
        if (!tls_own_take(&set->own[i], parameters->certificates[i], set->context)) {
            error_set(&fault->error, "no memory");
            return false;
        }
        judge(set, parameters, i);
    }
    return true;
}

static void set_tickets(struct tls_set *set, unsigned tickets)
{
    set->tickets = tickets;
    if (tickets == 0)
        (void)SSL_CTX_set_options(set->context, SSL_OP_NO_TICKET);
}

struct tls_set *tls_set_new(const struct tls_set_parameters *parameters, struct tls_fault *fault)
{
    struct tls_set *set = calloc(1, sizeof(*set));

    *fault = (struct tls_fault){0};
    ERR_clear_error();
    if (set) {
        (void)pthread_mutex_init(&set->lock, NULL);
        set->has_directory = parameters->directory != NULL;
        set->directory = set->has_directory ? tls_directory_ref(parameters->directory) : NULL;
        set->name = strdup(parameters->name);
        set->context = SSL_CTX_new(TLS_server_method());
    }
    if (!set || !set->name || !set->context) {
        tls_fault_library(fault, TLS_CULPRIT_NONE, 0, "cannot set TLS up");
        tls_set_free(&set);
        return NULL;
    }
    tls_server_prepare(set->context);
    set_tickets(set, parameters->tickets);
    if (!tls_policy_apply(
            set->context, &parameters->rules, &parameters->warning, &set->applied, fault) ||
        !load_pairs(set, parameters, fault) || !load_client_certificates(set, parameters, fault) ||
        !tls_names_load(set, parameters, fault))
        tls_set_free(&set);
    ERR_clear_error();
    return set;
}

void tls_set_free(struct tls_set **pointer)
{
    struct tls_set *set = *pointer;

    *pointer = NULL;
    if (!set)
        return;
    for (size_t i = 0; i < set->name_count; i++)
        free(set->names[i]);
    free((void *)set->names);
    table_free(&set->by_name);
    for (size_t i = 0; i < set->claim_count; i++)
        free(set->claims[i]);
    free((void *)set->claims);
    table_free(&set->by_claim);
    tls_directory_unref(&set->directory);
    (void)pthread_mutex_destroy(&set->lock);
    free(set->name);
    for (size_t i = 0; set->own && i < set->certificate_count; i++)
        tls_own_free(&set->own[i]);
    free(set->own);
    SSL_CTX_free(set->context);
    free(set);
}

bool tls_set_is_rsa_alone(const struct tls_set *set)
{
    bool is_rsa = false;

    for (long more = SSL_CTX_set_current_cert(set->context, SSL_CERT_SET_FIRST); more == 1;
         more = SSL_CTX_set_current_cert(set->context, SSL_CERT_SET_NEXT)) {
        const X509 *certificate = SSL_CTX_get0_certificate(set->context);

        is_rsa = certificate && EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == EVP_PKEY_RSA;
        if (!is_rsa)
            break;
    }
    return is_rsa;
}

const struct certificate_dates *tls_set_dates(const struct tls_set *set, size_t n)
{
    return &set->own[n].dates;
}

enum tls_answer tls_set_read_answer(struct tls_set *set, size_t n, struct error *why)
{
    return tls_own_read_answer(&set->own[n], why);
}

bool tls_set_covers_hostname(const struct tls_set *set, const char *hostname)
{
    struct tls_directory *directory = tls_set_directory(set);
    bool covers = set->covers_hostname || (directory && tls_directory_covers(directory, hostname));

    tls_directory_unref(&directory);
    return covers;
}

bool tls_set_covers(const struct tls_set *set, const char *name)
{
    struct tls_directory *directory = tls_set_directory(set);
    bool covers = directory && tls_directory_covers(directory, name);
    bool covers_all = set->certificate_count > 0;

    for (long more = SSL_CTX_set_current_cert(set->context, SSL_CERT_SET_FIRST);
         more == 1 && covers_all; more = SSL_CTX_set_current_cert(set->context, SSL_CERT_SET_NEXT))
        covers_all = certificate_covers(SSL_CTX_get0_certificate(set->context), name);
    tls_directory_unref(&directory);
    return covers || covers_all;
}

/* Adds a name to those that stand there, if there is room. */
static void add_name(char *out, size_t cap, const char *name)
{
    size_t n = strlen(out);

    if (n + strlen(name) + 3 < cap)
        (void)snprintf(out + n, cap - n, "%s%s", n > 0 ? ", " : "", name);
}

const char *tls_set_names_text(const struct tls_set *set, char *out, size_t cap)
{
    struct tls_directory *directory = tls_set_directory(set);
    size_t count = directory ? tls_directory_count(directory) : 0;

    out[0] = '\0';
    for (size_t i = 0; i < set->name_count; i++)
        add_name(out, cap, set->names[i]);
    for (size_t i = 0; i < count; i++)
        add_name(out, cap, tls_directory_first_name(directory, i));
    tls_directory_unref(&directory);
    return out;
}
