#include "self_signed.h"

#include "mailmux/address.h"
#include "tls_pem.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SERIAL_SIZE = 16,
    COMMON_NAME_MAX = 64, /* the limit of X.520 */
    DAY_S = 24 * 60 * 60,
    LIFETIME_DAYS = 3650, /* it proves nothing, so changing it often gains nothing */
    RENEW_DAYS = 30
};

static bool is_ip(const char *hostname)
{
    struct address unused;

    return address_parse_ip(slice_from(hostname), 0, &unused);
}

static bool is_hostname(const char *hostname)
{
    size_t n = strlen(hostname);

    return n > 0 && n <= 253 &&
           strspn(hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               n;
}

static X509_EXTENSION *make_names(const char *hostname)
{
    char text[300];

    /*
     * The text is a small language of OpenSSL's. The name has no byte that means something in it:
     * see is_hostname.
     */
    (void)snprintf(text, sizeof(text), "%s:%s", is_ip(hostname) ? "IP" : "DNS", hostname);
    return X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
}

static bool add_extension(X509 *certificate, X509_EXTENSION *extension)
{
    bool is_fine = extension && X509_add_ext(certificate, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return is_fine;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_SIZE];
    BIGNUM *number;
    bool is_fine;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f; /* positive, and at most 16 bytes */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    is_fine = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return is_fine;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *hostname)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    const char *name = strlen(hostname) <= COMMON_NAME_MAX ? hostname : "mailmux";

    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), LIFETIME_DAYS, 0, NULL) &&
           X509_NAME_add_entry_by_txt(
               subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, make_names(hostname)) &&
           add_extension(certificate,
               X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:FALSE")) &&
           add_extension(
               certificate, X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "serverAuth")) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

/*
 * Returns whether the file has a key and a certificate that fit together and the name, and that are
 * valid for 30 days more.
 */
static bool is_usable(const char *path, const char *hostname)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, tls_pem_no_password, NULL) : NULL;
    X509 *certificate = file ? PEM_read_X509(file, NULL, tls_pem_no_password, NULL) : NULL;
    time_t soon = time(NULL) + (time_t)RENEW_DAYS * DAY_S;
    bool is_fine = key && certificate && X509_check_private_key(certificate, key) == 1 &&
                   X509_cmp_time(X509_get0_notAfter(certificate), &soon) > 0 &&
                   (is_ip(hostname) ? X509_check_ip_asc(certificate, hostname, 0)
                                    : X509_check_host(certificate, hostname, 0, 0, NULL)) == 1;

    if (file)
        (void)fclose(file);
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return is_fine;
}

static bool write_pem(FILE *file, EVP_PKEY *key, X509 *certificate)
{
    return PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           PEM_write_X509(file, certificate) == 1 && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/*
 * Writes the pair to a temporary file next to the path and renames it, so that readers see the old
 * pair or the new one. Returns false with *error set on failure.
 */
static bool save(const char *path, EVP_PKEY *key, X509 *certificate, struct error *error)
{
    char temporary[SELF_SIGNED_PATH_MAX + 8];
    bool is_fine = false;
    int fd;
    FILE *file;

    (void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    fd = mkostemp(temporary, O_CLOEXEC); /* with mode 0600 */
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file) {
        is_fine = write_pem(file, key, certificate);
        is_fine = fclose(file) == 0 && is_fine && rename(temporary, path) == 0;
    } else if (fd >= 0) {
        (void)close(fd);
    }
    if (!is_fine) {
        error_set(error, "cannot write the self-signed certificate %s: %s", path, strerror(errno));
        if (fd >= 0)
            (void)unlink(temporary);
    }
    return is_fine;
}

static bool make(const char *path, const char *hostname, struct error *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool is_made = key && certificate && fill(certificate, key, hostname);
    bool is_saved = is_made && save(path, key, certificate, error);

    if (!is_made) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());

        error_set(error, "cannot make a self-signed certificate for %s: %s", hostname,
            reason ? reason : "no memory");
    }
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return is_saved;
}

/* Makes the directory and its missing parents, all with mode 0700. */
static bool make_directory(const char *directory, struct error *error)
{
    char path[SELF_SIGNED_PATH_MAX];
    struct stat status;

    (void)snprintf(path, sizeof(path), "%s", directory);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* if a failure matters, the last mkdir fails, too */
        *slash = '/';
    }
    if ((mkdir(path, 0700) == 0 || errno == EEXIST) && stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return true;
        errno = ENOTDIR;
    }
    error_set(error,
        "cannot make the directory %s: %s; state_directory must be a place that mailmux may write "
        "to, or a certificate must be configured",
        directory, strerror(errno));
    return false;
}

enum self_signed self_signed_ensure(const char *directory, const char *hostname,
    char path[SELF_SIGNED_PATH_MAX], struct error *error)
{
    int n;

    ERR_clear_error();
    if (!is_hostname(hostname) && !is_ip(hostname)) {
        error_set(error, "no certificate can be made for %s: it is no host name", hostname);
        return SELF_SIGNED_FAILED;
    }
    n = snprintf(path, SELF_SIGNED_PATH_MAX, "%s/self-signed.pem", directory);
    if (n < 0 || n >= SELF_SIGNED_PATH_MAX || directory[0] == '\0') {
        error_set(error, "the name of the state directory is empty or too long");
        return SELF_SIGNED_FAILED;
    }
    if (is_usable(path, hostname))
        return SELF_SIGNED_REUSED;
    if (!make_directory(directory, error) || !make(path, hostname, error))
        return SELF_SIGNED_FAILED;
    return SELF_SIGNED_MADE;
}
