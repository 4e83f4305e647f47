#include "tls_ticket_keys.h"

#include "mailmux/files.h"
#include "mailmux/slice.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
    SMALL_SIZE = 48, /* name 16, AES-128 16, HMAC 16 */
    LARGE_SIZE = 80, /* name 16, two secrets of 32: see mac_first */
    FILE_SIZE_MAX = 4096
};

/* Takes a key apart. nginx puts the MAC secret first in 80 bytes, HAProxy the cipher secret. */
static void set_key(
    struct tls_ticket_key *key, const unsigned char *bytes, size_t n, bool mac_first)
{
    size_t size = n == SMALL_SIZE ? 16 : 32;
    const unsigned char *first = bytes + TLS_TICKET_NAME_SIZE;

    *key = (struct tls_ticket_key){.secret_size = size};
    memcpy(key->name, bytes, TLS_TICKET_NAME_SIZE);
    memcpy(mac_first ? key->mac : key->cipher, first, size);
    memcpy(mac_first ? key->cipher : key->mac, first + size, size);
}

/* Decodes a line of base64. Returns 48 or 80, the number of bytes, or 0 if the line is no key. */
static size_t decode(struct slice line, unsigned char out[FILE_SIZE_MAX])
{
    int n;

    if (line.n == 0 || line.n % 4 != 0 || line.n > 112)
        return 0;
    n = EVP_DecodeBlock(out, (const unsigned char *)line.p, (int)line.n);
    while (n > 0 && line.n > 0 && line.p[line.n - 1] == '=') {
        line.n--; /* the library counts the padding as bytes */
        n--;
    }
    return n == SMALL_SIZE || n == LARGE_SIZE ? (size_t)n : 0;
}

static bool add_lines(struct tls_ticket_keys *keys, struct slice text)
{
    unsigned char bytes[FILE_SIZE_MAX];
    struct slice line;
    bool is_fine = true;

    while (is_fine && slice_split(&text, '\n', &line)) {
        size_t n;

        while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
            line.n--;
        if (line.n == 0)
            continue;
        n = decode(line, bytes);
        is_fine = n > 0 && keys->count < TLS_TICKET_KEYS_MAX;
        if (is_fine)
            set_key(&keys->key[keys->count++], bytes, n, false);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return is_fine && keys->count > 0;
}

static bool read_file(
    const char *path, unsigned char out[FILE_SIZE_MAX], size_t *n, struct error *error)
{
    FILE *file = files_stream(path);

    if (!file) {
        error_set(error, "cannot read the ticket keys in %s: %s", path,
            errno == EINVAL ? "not a regular file" : strerror(errno));
        return false;
    }
    setbuf(file, NULL); /* no buffer, so that no copy of a key is left behind */
    *n = fread(out, 1, FILE_SIZE_MAX, file);
    (void)fclose(file);
    return true;
}

static bool add_file(
    struct tls_ticket_keys *keys, const char *path, bool is_only, struct error *error)
{
    unsigned char bytes[FILE_SIZE_MAX];
    size_t n;
    bool is_fine = false;

    if (!read_file(path, bytes, &n, error))
        return false;
    if ((n == SMALL_SIZE || n == LARGE_SIZE) && keys->count < TLS_TICKET_KEYS_MAX) {
        set_key(&keys->key[keys->count++], bytes, n, n == LARGE_SIZE);
        is_fine = true;
    } else if (is_only && n < FILE_SIZE_MAX) {
        is_fine = add_lines(keys, slice_of((const char *)bytes, n));
        if (keys->count > 1)
            keys->encrypting = keys->count - 2; /* the last key is the next one to encrypt */
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (!is_fine)
        error_set(error,
            "no ticket key in %s; expected 48 or 80 raw bytes a file, or one file with a key of 48 "
            "or 80 bytes in base64 on each of at most %d lines",
            path, TLS_TICKET_KEYS_MAX);
    return is_fine;
}

bool tls_ticket_keys_load(struct tls_ticket_keys *keys, const char *const *files, size_t count,
    size_t *failed, struct error *error)
{
    *keys = (struct tls_ticket_keys){0};
    for (size_t i = 0; i < count; i++) {
        *failed = i;
        if (!add_file(keys, files[i], count == 1, error))
            return false;
    }
    if (count == 0) {
        *failed = 0;
        error_set(error, "no file with ticket keys is named");
    }
    return count > 0;
}
