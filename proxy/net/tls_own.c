#include "tls_own.h"

#include "mailmux/files.h"
#include "tls_certificate.h"
#include "tls_staple.h"
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_OCTETS_MAX = 65536 };

bool tls_own_take(struct tls_own *own, const char *file, SSL_CTX *context)
{
    X509 *leaf = SSL_CTX_get0_certificate(context);
    STACK_OF(X509) *chain = NULL;

    (void)SSL_CTX_get0_chain_certs(context, &chain);
    if (!leaf || X509_up_ref(leaf) != 1)
        return false;
    own->leaf = leaf;
    own->chain = chain ? X509_chain_up_ref(chain) : sk_X509_new_null();
    own->dates = certificate_dates_of(leaf);
    if (asprintf(&own->answer_path, "%s" FILES_STAPLE, file) < 0)
        own->answer_path = NULL;
    return own->chain && own->answer_path && tls_staple_prepare_leaf(leaf);
}

void tls_own_free(struct tls_own *own)
{
    X509_free(own->leaf);
    sk_X509_pop_free(own->chain, X509_free);
    free(own->answer_path);
    *own = (struct tls_own){0};
}

/*
 * Returns how many octets it has, or a negative errno. -EPERM: the configuration does not name it,
 * since the certificate is one of our making.
 */
static ssize_t read_file(const char *path, char bytes[ANSWER_OCTETS_MAX])
{
    struct stat info;
    ssize_t n = 0;
    ssize_t more = 1;
    int fd = files_open(FILE_NAMED, path);

    if (fd < 0)
        return fd;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void)close(fd);
        return -EINVAL;
    }
    while (more > 0 && n < ANSWER_OCTETS_MAX) {
        more = read(fd, bytes + n, (size_t)(ANSWER_OCTETS_MAX - n));
        n += more > 0 ? more : 0;
    }
    (void)close(fd);
    return n;
}

enum tls_answer tls_own_read_answer(struct tls_own *own, struct error *why)
{
    static char bytes[ANSWER_OCTETS_MAX]; /* main thread */
    ssize_t n = read_file(own->answer_path, bytes);
    bool is_there = n != -ENOENT && n != -EPERM;
    unsigned char digest[TLS_DIGEST_SIZE] = {0};
    struct tls_staple *staple = NULL;
    struct error error = {0};

    if (is_there)
        (void)SHA256((const unsigned char *)bytes, n > 0 ? (size_t)n : 0, digest);
    if (memcmp(digest, own->judged, sizeof(digest)) == 0)
        return TLS_ANSWER_SAME;
    memcpy(own->judged, digest, sizeof(digest));
    if (n >= 0)
        staple = tls_staple_new(
            slice_of(bytes, (size_t)n), own->leaf, own->chain, (int64_t)time(NULL), &error);
    else
        error_set(&error, "%s", n == -EINVAL ? "it is no regular file" : strerror((int)-n));
    tls_staple_attach(staple, own->leaf);
    if (is_there && !staple)
        error_set(why, "%s is not stapled: %s", own->answer_path, error.text);
    tls_staple_unref(&staple);
    return !is_there ? TLS_ANSWER_GONE : error.text[0] ? TLS_ANSWER_WRONG : TLS_ANSWER_STAPLED;
}
