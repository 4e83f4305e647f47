#include "tls_pem.h"

#include "mailmux/files.h"
#include "tls.h"
#include "tls_certificate.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool tls_pem_check(const char *path, const char *what, enum tls_culprit culprit, size_t index,
    struct tls_fault *fault)
{
    struct stat status;
    int problem = -files_look(path, &status);

    if (problem == 0 && !S_ISREG(status.st_mode))
        problem = EINVAL;
    if (problem == 0)
        return true;
    fault->culprit = culprit;
    fault->index = index;
    error_set(&fault->error, "cannot read the %s %s: %s", what, path,
        problem == EINVAL ? "not a regular file" : strerror(problem));
    return false;
}

int tls_pem_no_password(char *into, int cap, int is_writing, void *unused)
{
    (void)into;
    (void)cap;
    (void)is_writing;
    (void)unused;
    return -1;
}

/* Returns what the file is. The library's words say no more than that there is no PEM. */
static const char *find_kind(const char *path)
{
    const char *kind = tls_pem_kind(path);

    if (kind[0] || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error();
    return kind;
}

static EVP_PKEY *read_key(const char *path, size_t index, struct tls_fault *fault)
{
    FILE *file = files_stream(path);
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, tls_pem_no_password, NULL) : NULL;
    int reason = ERR_GET_REASON(ERR_peek_last_error());

    if (file)
        (void)fclose(file);
    if (key)
        return key;
    if (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_BAD_DECRYPT) {
        ERR_clear_error(); /* it would say that the question was cancelled */
        tls_fault_library(fault, TLS_CULPRIT_KEY, index,
            "the key %s is encrypted; `openssl pkey -in %s -out PLAIN.pem` removes the password",
            path, path);
        return NULL;
    }
    tls_fault_library(fault, TLS_CULPRIT_KEY, index,
        "no private key in %s%s; expected PEM with a line -----BEGIN PRIVATE KEY-----", path,
        find_kind(path));
    return NULL;
}

/*
 * Does what SSL_CTX_use_certificate_chain_file does, for a stream: the first certificate is the
 * server's own, those behind it are its chain.
 */
static bool use_chain(SSL_CTX *context, FILE *file)
{
    X509 *one = PEM_read_X509_AUX(file, NULL, tls_pem_no_password, NULL);
    bool is_fine = one && SSL_CTX_use_certificate(context, one) == 1 &&
                   SSL_CTX_clear_chain_certs(context) == 1;

    X509_free(one);
    while (is_fine && (one = PEM_read_X509(file, NULL, tls_pem_no_password, NULL)) != NULL) {
        is_fine = SSL_CTX_add0_chain_cert(context, one) == 1;
        if (!is_fine)
            X509_free(one);
    }
    /* The library reports the end of the file as an error, too. */
    if (is_fine && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return false;
    if (is_fine)
        ERR_clear_error();
    return is_fine;
}

static bool use_chain_file(SSL_CTX *context, const char *path)
{
    FILE *file = files_stream(path);
    bool is_fine = file && use_chain(context, file);

    if (file)
        (void)fclose(file);
    return is_fine;
}

static bool trust_one(X509_STORE *store, const X509_INFO *info, STACK_OF(X509_NAME) * names)
{
    X509_NAME *subject = info->x509 ? X509_get_subject_name(info->x509) : NULL;
    X509_NAME *name;

    if (info->crl && X509_STORE_add_crl(store, info->crl) != 1)
        return false;
    if (!info->x509)
        return true;
    if (X509_STORE_add_cert(store, info->x509) != 1)
        return false;
    if (!names || sk_X509_NAME_find(names, subject) >= 0)
        return true;
    name = X509_NAME_dup(subject);
    if (name && sk_X509_NAME_push(names, name) > 0)
        return true;
    X509_NAME_free(name);
    return false;
}

bool tls_pem_trust(X509_STORE *store, const char *path, STACK_OF(X509_NAME) * names)
{
    FILE *file = files_stream(path);
    STACK_OF(X509_INFO) *infos =
        file ? PEM_X509_INFO_read(file, NULL, tls_pem_no_password, NULL) : NULL;
    bool is_fine = infos != NULL;
    int found = 0;

    for (int i = 0; is_fine && i < sk_X509_INFO_num(infos); i++) {
        const X509_INFO *info = sk_X509_INFO_value(infos, i);

        is_fine = trust_one(store, info, names);
        found += info->x509 ? 1 : 0;
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    if (file)
        (void)fclose(file);
    return is_fine && found > 0;
}

static void describe(const EVP_PKEY *key, char *out, size_t cap)
{
    const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;

    (void)snprintf(
        out, cap, "%s, %d bits", type ? type : "unknown", key ? EVP_PKEY_get_bits(key) : 0);
}

/* Returns the first certificate of the file, which the caller frees, or NULL. */
static X509 *read_first(const char *path)
{
    FILE *file = files_stream(path);
    X509 *certificate = file ? PEM_read_X509(file, NULL, tls_pem_no_password, NULL) : NULL;

    if (file)
        (void)fclose(file);
    ERR_clear_error();
    return certificate;
}

/*
 * Returns whether no earlier certificate has a key of this kind. Of two certificates of one kind
 * the library would silently keep the last.
 */
static bool is_first_of_its_kind(SSL_CTX *context, const char *path)
{
    X509 *coming = read_first(path);
    EVP_PKEY *key = coming ? X509_get0_pubkey(coming) : NULL;
    bool is_first = true;

    for (long more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); more == 1 && key;
         more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
        const X509 *present = SSL_CTX_get0_certificate(context);

        if (present && EVP_PKEY_get_base_id(X509_get0_pubkey(present)) == EVP_PKEY_get_base_id(key))
            is_first = false;
    }
    X509_free(coming);
    ERR_clear_error();
    return is_first;
}

bool certificate_dates_in(const char *path, struct certificate_dates *out)
{
    X509 *certificate = read_first(path);

    if (!certificate)
        return false;
    *out = certificate_dates_of(certificate);
    X509_free(certificate);
    return true;
}

static void warn_about(const char *certificate, const char *key, const X509 *leaf, size_t index,
    const struct tls_warning *warning)
{
    struct certificate_dates dates = certificate_dates_of(leaf);
    int64_t now_s = time(NULL);
    char age[CERTIFICATE_AGE_TEXT_MAX];
    char text[ERROR_TEXT_MAX];
    struct stat status;

    if (!warning->warn)
        return;
    if (*certificate_age_text(&dates, now_s, age)) {
        (void)snprintf(text, sizeof(text), "the certificate %s %s%s", certificate, age,
            certificate_age(&dates, now_s) == CERTIFICATE_NOT_BEGUN ? "; is the clock right?"
                                                                    : "; renew it, and reload");
        warning->warn(warning->owner, TLS_CULPRIT_CERTIFICATE, index, text);
    }
    if (files_look(key, &status) == 0 && (status.st_mode & S_IRWXO) != 0) {
        (void)snprintf(
            text, sizeof(text), "the key %s can be read by everybody; chmod o= %s", key, key);
        warning->warn(warning->owner, TLS_CULPRIT_KEY, index, text);
    }
}

static bool load_key(SSL_CTX *context, const char *certificate, const char *path, size_t index,
    struct tls_fault *fault)
{
    X509 *leaf = SSL_CTX_get0_certificate(context);
    EVP_PKEY *key = read_key(path, index, fault);
    char kind[2][64];
    bool is_fine;

    if (!key)
        return false;
    if (X509_check_private_key(leaf, key) != 1) {
        describe(X509_get0_pubkey(leaf), kind[0], sizeof(kind[0]));
        describe(key, kind[1], sizeof(kind[1]));
        ERR_clear_error();
        tls_fault_library(fault, TLS_CULPRIT_KEY, index,
            "the key %s (%s) does not belong to the first certificate in %s (%s); the n-th key "
            "belongs to the n-th certificate, and a chain begins with the server's own",
            path, kind[1], certificate, kind[0]);
        EVP_PKEY_free(key);
        return false;
    }
    is_fine = SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    if (!is_fine)
        tls_fault_library(fault, TLS_CULPRIT_KEY, index, "cannot use the key %s", path);
    return is_fine;
}

/* Notes why the certificate was not taken: the policy finds it too weak, or it is none. */
static void refuse_certificate(const char *certificate, size_t index, struct tls_fault *fault)
{
    switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
        tls_fault_library(fault, TLS_CULPRIT_CERTIFICATE, index,
            "the certificate %s, or one of its chain, is too weak: peers demand RSA keys of 2048 "
            "bits and signatures with SHA-256; have a new one made",
            certificate);
        break;
    default:
        tls_fault_library(fault, TLS_CULPRIT_CERTIFICATE, index,
            "cannot use the certificate %s%s; expected PEM, the server's own certificate first, "
            "then its intermediates",
            certificate, find_kind(certificate));
        break;
    }
}

bool tls_pem_load_pair(SSL_CTX *context, const char *certificate, const char *key, size_t index,
    const struct tls_warning *warning, struct tls_fault *fault)
{
    if (!tls_pem_check(certificate, "certificate", TLS_CULPRIT_CERTIFICATE, index, fault) ||
        !tls_pem_check(key, "key", TLS_CULPRIT_KEY, index, fault))
        return false;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(context, tls_pem_no_password);
    /* Checked before loading, which would replace the earlier certificate. */
    if (!is_first_of_its_kind(context, certificate)) {
        tls_fault_library(fault, TLS_CULPRIT_CERTIFICATE, index,
            "the certificate %s has a key of the same kind as one before it; a set serves one RSA "
            "and one ECDSA certificate",
            certificate);
        return false;
    }
    if (!use_chain_file(context, certificate)) {
        refuse_certificate(certificate, index, fault);
        return false;
    }
    if (!load_key(context, certificate, key, index, fault))
        return false;
    warn_about(certificate, key, SSL_CTX_get0_certificate(context), index, warning);
    return true;
}
