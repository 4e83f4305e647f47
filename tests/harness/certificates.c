#include "certificates.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAP = 512, PATHS = 64, DAY_S = 86400, RSA_BITS = 2048 };

static void need(bool is_fine, const char *what)
{
    if (is_fine)
        return;
    (void)fprintf(stderr, "certificates: %s failed\n", what);
    abort();
}

const char *certificates_path(const char *directory, const char *file, const char *suffix)
{
    static char paths[PATHS][PATH_CAP];
    static unsigned turn;
    char *path = paths[turn++ % PATHS];

    (void)snprintf(path, PATH_CAP, "%s/%s.%s", directory, file, suffix);
    return path;
}

char *certificates_directory_new(void)
{
    const char *parent = getenv("TMPDIR");
    char name[PATH_CAP];

    (void)snprintf(name, sizeof(name), "%s/mailmux-test-XXXXXX", parent ? parent : "/tmp");
    need(mkdtemp(name) != NULL, "mkdtemp");
    return strdup(name);
}

static void remove_all(const char *directory)
{
    DIR *open = opendir(directory);
    const struct dirent *entry;
    char path[PATH_CAP * 2];

    while (open && (entry = readdir(open)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (unlink(path) != 0)
            remove_all(path);
    }
    if (open)
        (void)closedir(open);
    (void)rmdir(directory);
}

void certificates_directory_free(char **directory)
{
    remove_all(*directory);
    free(*directory);
    *directory = NULL;
}

static X509 *read_certificate(const char *directory, const char *name)
{
    FILE *file = fopen(certificates_path(directory, name, "pem"), "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    need(certificate != NULL, name);
    (void)fclose(file);
    return certificate;
}

static EVP_PKEY *read_key(const char *directory, const char *name)
{
    FILE *file = fopen(certificates_path(directory, name, "key"), "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    need(key != NULL, name);
    (void)fclose(file);
    return key;
}

static void extend(X509 *certificate, int what, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, what, value);

    need(extension && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static X509 *make(const struct certificate_request *request, EVP_PKEY *key)
{
    static long serial = 1000;
    X509 *certificate = X509_new();
    char names[300];
    long end = request->is_expired ? -DAY_S : (request->days ? request->days : 30L) * DAY_S;

    need(certificate != NULL, "X509_new");
    need(X509_set_version(certificate, X509_VERSION_3) == 1, "version");
    need(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++) == 1, "serial");
    need(X509_gmtime_adj(X509_getm_notBefore(certificate), -2L * DAY_S) != NULL, "not before");
    need(X509_gmtime_adj(X509_getm_notAfter(certificate), end) != NULL, "not after");
    need(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
             (const unsigned char *)request->name, -1, -1, 0) == 1,
        "subject");
    need(X509_set_pubkey(certificate, key) == 1, "key");
    (void)snprintf(names, sizeof(names), "DNS:%s", request->name);
    extend(certificate, NID_basic_constraints,
        request->is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!request->is_authority)
        extend(certificate, NID_subject_alt_name, request->names ? request->names : names);
    return certificate;
}

/* Appends the issuer's chain to the certificate, in the order in which a server sends it. */
static void append_chain(const char *directory, const char *issuer, FILE *into)
{
    FILE *file = fopen(certificates_path(directory, issuer, "pem"), "re");
    int c;

    need(file != NULL, issuer);
    while ((c = fgetc(file)) != EOF)
        (void)fputc(c, into);
    (void)fclose(file);
}

static void sign(X509 *certificate, EVP_PKEY *key, const char *directory,
    const struct certificate_request *request)
{
    X509 *issuer = request->issuer ? read_certificate(directory, request->issuer) : NULL;
    EVP_PKEY *signer = request->issuer ? read_key(directory, request->issuer) : key;

    need(X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate)) ==
             1,
        "issuer");
    need(X509_sign(certificate, signer, EVP_sha256()) > 0, "sign");
    X509_free(issuer);
    if (signer != key)
        EVP_PKEY_free(signer);
}

void certificates_make(const char *directory, const struct certificate_request *request)
{
    EVP_PKEY *key = request->kind == CERTIFICATE_RSA ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    X509 *certificate = make(request, key);
    FILE *file = fopen(certificates_path(directory, request->file, "pem"), "we");

    sign(certificate, key, directory, request);
    need(file && PEM_write_X509(file, certificate) == 1, request->file);
    if (request->issuer)
        append_chain(directory, request->issuer, file);
    (void)fclose(file);
    file = fopen(certificates_path(directory, request->file, "key"), "we");
    need(file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1, request->file);
    (void)fchmod(fileno(file), 0600);
    (void)fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void certificates_pin(const char *directory, const char *file, unsigned char pin[32])
{
    X509 *certificate = read_certificate(directory, file);
    unsigned char *encoded = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);

    need(n > 0 && EVP_Digest(encoded, (size_t)n, pin, NULL, EVP_sha256(), NULL) == 1, "pin");
    OPENSSL_free(encoded);
    X509_free(certificate);
}
