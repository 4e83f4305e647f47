#include "tls_pem.h"

#include "mailmux/files.h"
#include "mailmux/slice.h"
#include <stdio.h>
#include <string.h>

enum { LOOK_MAX = 16384 }; /* octets; the text before a certificate may be long */

static bool has(struct slice text, const char *word)
{
    return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

/* A DER file begins with a sequence that has a length of two octets. */
static bool is_der(struct slice text)
{
    return text.n > 4 && memcmp(text.p, "\x30\x82", 2) == 0;
}

/* PKCS #12 begins with its version, which is 3. */
static bool is_pkcs12(struct slice text)
{
    return is_der(text) && text.n > 7 && memcmp(text.p + 4, "\x02\x01\x03", 3) == 0;
}

/* Returns whether the last thing that begins in it has no end, as in a file that is half written.
 */
static bool is_cut(struct slice text)
{
    const char *at = text.p;
    bool is_open = false;

    while ((at = memmem(at, (size_t)(text.p + text.n - at), "-----", 5)) != NULL) {
        struct slice rest = slice_of(at, (size_t)(text.p + text.n - at));

        if (slice_starts(rest, slice_from("-----BEGIN ")))
            is_open = true;
        else if (slice_starts(rest, slice_from("-----END ")))
            is_open = false;
        at += 5;
    }
    return is_open;
}

static const char *kind_of(struct slice text)
{
    bool has_key = has(text, "PRIVATE KEY-----");
    bool has_certificate = has(text, "-----BEGIN CERTIFICATE-----");

    if (text.n == 0)
        return ": it is empty";
    if (text.n < LOOK_MAX && is_cut(text))
        return ": it breaks off in the middle; is it still being written?";
    if (has_key && !has_certificate)
        return ": it has a private key and no certificate; are certificate and key exchanged?";
    if (has_certificate && !has_key)
        return ": it has certificates and no private key; are certificate and key exchanged?";
    if (has(text, "PUBLIC KEY-----"))
        return ": it has a public key";
    if (has(text, "-----BEGIN CERTIFICATE REQUEST-----"))
        return ": it is a request for a certificate, for the authority";
    if (has(text, "-----BEGIN PKCS7-----"))
        return ": it is PKCS #7; `openssl pkcs7 -print_certs` makes PEM of it";
    if (is_pkcs12(text))
        return ": it is PKCS #12; `openssl pkcs12 -nodes` makes PEM of it";
    if (is_der(text))
        return ": it is DER; `openssl x509 -inform der`, or `openssl pkey -inform der` for a key, "
               "makes PEM of it";
    return "";
}

const char *tls_pem_kind(const char *path)
{
    char text[LOOK_MAX];
    FILE *file = files_stream(path);
    size_t n = file ? fread(text, 1, sizeof(text), file) : 0;

    if (!file)
        return "";
    (void)fclose(file);
    return kind_of(slice_of(text, n));
}
