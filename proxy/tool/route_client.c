#include "route_client.h"

#include "mailmux/client_hello.h"
#include <string.h>

enum {
    PROTOCOL_MAX = 255,
    NAME_MAX = 255,
    LIST_MAX = 2048,
    EXTENSION_SNI = 0,
    EXTENSION_ALPN = 16
};

bool route_client_has(const char *word)
{
    return *word && strcmp(word, "-") != 0;
}

/* ---- A ClientHello [RFC 8446 4.1.2] ---- */

static void put_number(struct buffer *out, size_t octets, size_t number)
{
    while (octets-- > 0) {
        char octet = (char)(number >> (8 * octets));

        (void)buffer_append(out, slice_of(&octet, 1));
    }
}

/* Writes the names of the list, each behind its length. */
static bool put_protocols(struct slice words, struct buffer *out, struct error *error)
{
    struct slice word;

    while (slice_split(&words, ',', &word)) {
        if (word.n == 0 || word.n > PROTOCOL_MAX || buffer_room(out) < word.n + 1) {
            error_set(error, "ALPN: write names of protocols with commas between them, or -");
            return false;
        }
        put_number(out, 1, word.n);
        (void)buffer_append(out, word);
    }
    return true;
}

static void put_name(struct slice name, struct buffer *out)
{
    put_number(out, 2, EXTENSION_SNI);
    put_number(out, 2, name.n + 5);
    put_number(out, 2, name.n + 3);
    put_number(out, 1, 0); /* a host name */
    put_number(out, 2, name.n);
    (void)buffer_append(out, name);
}

static bool put_extensions(
    const struct route_question *question, struct buffer *out, struct error *error)
{
    char memory[LIST_MAX];
    struct buffer list;

    buffer_init(&list, memory, sizeof(memory));
    if (route_client_has(question->sni) && strlen(question->sni) > NAME_MAX) {
        error_set(error, "SNI: a host name has at most %d octets", NAME_MAX);
        return false;
    }
    if (route_client_has(question->sni))
        put_name(slice_from(question->sni), out);
    if (!route_client_has(question->alpn))
        return true;
    if (!put_protocols(slice_from(question->alpn), &list, error))
        return false;
    put_number(out, 2, EXTENSION_ALPN);
    put_number(out, 2, buffer_held(&list).n + 2);
    put_number(out, 2, buffer_held(&list).n);
    (void)buffer_append(out, buffer_held(&list));
    return true;
}

static bool put_hello(
    const struct route_question *question, struct buffer *out, struct error *error)
{
    /* Version, random, no session, one cipher, no compression. */
    enum { FIXED = 2 + 32 + 1 + 2 + 2 + 2, ROOM = LIST_MAX + NAME_MAX + 64 };
    static const char random[32];
    char memory[ROOM];
    struct buffer extensions;
    size_t message;

    buffer_init(&extensions, memory, sizeof(memory));
    if (!put_extensions(question, &extensions, error))
        return false;
    message = FIXED + 2 + buffer_held(&extensions).n;
    put_number(out, 3, 0x160301);
    put_number(out, 2, 4 + message);
    put_number(out, 1, 1);
    put_number(out, 3, message);
    put_number(out, 2, 0x0303);
    (void)buffer_append(out, slice_of(random, sizeof(random)));
    put_number(out, 3, 0x000002);
    put_number(out, 2, 0x1301);
    put_number(out, 2, 0x0100);
    put_number(out, 2, buffer_held(&extensions).n);
    return buffer_append(out, buffer_held(&extensions));
}

/* ---- First bytes ---- */

static int digit_of(char c)
{
    if (byte_is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads what stands behind a backslash. Returns how many octets of `in` that are, or 0. */
static size_t unescape(struct slice in, char *octet)
{
    static const struct {
        char letter;
        char octet;
    } letters[] = {{'r', '\r'}, {'n', '\n'}, {'t', '\t'}, {'\\', '\\'}, {'0', '\0'}};

    for (size_t i = 0; in.n > 0 && i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (in.p[0] != letters[i].letter)
            continue;
        *octet = letters[i].octet;
        return 1;
    }
    if (in.n < 3 || in.p[0] != 'x' || digit_of(in.p[1]) < 0 || digit_of(in.p[2]) < 0)
        return 0;
    *octet = (char)(digit_of(in.p[1]) * 16 + digit_of(in.p[2]));
    return 3;
}

static bool put_bytes(struct slice in, struct buffer *out, struct error *error)
{
    while (in.n > 0) {
        char octet = in.p[0];
        size_t n = octet == '\\' ? unescape(slice_after(in, 1), &octet) : 0;

        if (in.p[0] == '\\' && n == 0) {
            error_set(error, "FIRSTBYTES: a backslash begins \\r, \\n, \\t, \\0, \\\\ or \\xNN");
            return false;
        }
        if (!buffer_append(out, slice_of(&octet, 1))) {
            error_set(error, "FIRSTBYTES: at most %d octets", ROUTE_CLIENT_MAX);
            return false;
        }
        in = slice_after(in, n + 1);
    }
    return true;
}

bool route_client_write(
    const struct route_question *question, struct buffer *out, struct error *error)
{
    bool asks = route_client_has(question->sni) || route_client_has(question->alpn);
    struct slice bytes;

    if (route_client_has(question->bytes) && !put_bytes(slice_from(question->bytes), out, error))
        return false;
    bytes = buffer_held(out);
    if (!asks)
        return true;
    if (bytes.n > 0 && bytes.p[0] != CLIENT_HELLO_FIRST) {
        error_set(error,
            "a client with SNI or ALPN begins with TLS, and not with FIRSTBYTES; write "
            "- for these, or for both others");
        return false;
    }
    buffer_consume(out, bytes.n); /* of a ClientHello, which is written whole */
    return put_hello(question, out, error);
}
