/*
 * Reading a ClientHello in two passes. The first goes over the heads of the records, and finds out
 * whether the whole message is there. The second reads the message through a cursor that steps over
 * these heads; it checks each length against the part that encloses it.
 */
#include "mailmux/client_hello.h"

#include <string.h>

enum {
    RECORD_HEAD = 5,    /* type, version, length */
    RECORD_MAX = 16384, /* octets of a record without its head [RFC 8446 5.1] */
    MAJOR_VERSION = 3,
    MESSAGE_HEAD = 4, /* type, length */
    MESSAGE_CLIENT_HELLO = 1,
    VERSION_AND_RANDOM = 2 + 32,
    SESSION_ID_MAX = 32,
    EXTENSION_SNI = 0,
    EXTENSION_ALPN = 16,
    SNI_HOST_NAME = 0
};

static unsigned octet_at(struct slice in, size_t at)
{
    return (unsigned char)in.p[at];
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- Is all of it there? ---- */

/* How far the first pass has come. */
struct scan {
    size_t head;     /* octets of the present record's head that were read */
    size_t record;   /* octets of that record that are left */
    size_t message;  /* octets of the message that were passed */
    size_t expected; /* octets of the message, once its head was read */
};

/* Each octet is judged by itself, so that the first wrong one decides. */
static bool scan_record_head(struct scan *scan, unsigned octet)
{
    switch (scan->head++) {
    case 0:
        return octet == CLIENT_HELLO_FIRST;
    case 1:
        return octet == MAJOR_VERSION;
    case 2:
        return true;
    case 3:
        scan->record = (size_t)octet << 8;
        return true;
    default:
        scan->record |= octet;
        return scan->record > 0 && scan->record <= RECORD_MAX;
    }
}

static bool scan_message_head(struct scan *scan, unsigned octet)
{
    scan->record--;
    if (scan->message++ == 0)
        return octet == MESSAGE_CLIENT_HELLO;
    scan->expected = scan->expected << 8 | octet;
    if (scan->message == MESSAGE_HEAD)
        scan->expected += MESSAGE_HEAD;
    return true;
}

static bool is_in_head(const struct scan *scan)
{
    return scan->head < RECORD_HEAD;
}

static enum client_hello_result scan(struct slice in, size_t limit)
{
    struct scan scan = {0};

    for (size_t at = 0; at < in.n;) {
        size_t n = 1;

        if (at >= limit)
            return CLIENT_HELLO_LARGE;
        if (is_in_head(&scan)) {
            if (!scan_record_head(&scan, octet_at(in, at)))
                return CLIENT_HELLO_MALFORMED;
        } else if (scan.message < MESSAGE_HEAD) {
            if (!scan_message_head(&scan, octet_at(in, at)))
                return CLIENT_HELLO_MALFORMED;
        } else {
            if (scan.expected - scan.message > limit - at)
                return CLIENT_HELLO_LARGE;
            n = smaller(scan.expected - scan.message, smaller(scan.record, in.n - at));
            scan.message += n;
            scan.record -= n;
        }
        at += n;
        if (scan.message >= MESSAGE_HEAD && scan.message == scan.expected)
            return CLIENT_HELLO_COMPLETE;
        if (!is_in_head(&scan) && scan.record == 0)
            scan.head = 0;
    }
    return CLIENT_HELLO_MORE;
}

/* ---- Reading the message ---- */

/* Takes n octets off a part, and copies them to `out` unless it is NULL. False: it is shorter. */
static bool take(struct client_hello_part *part, size_t n, void *out)
{
    char *to = out;

    if (n > part->n)
        return false;
    part->n -= n;
    while (n > 0) {
        size_t step;

        if (part->record == 0) {
            part->record = (size_t)octet_at(part->rest, 3) << 8 | octet_at(part->rest, 4);
            part->rest = slice_after(part->rest, RECORD_HEAD);
        }
        step = smaller(n, part->record);
        if (to) {
            memcpy(to, part->rest.p, step);
            to += step;
        }
        part->rest = slice_after(part->rest, step);
        part->record -= step;
        n -= step;
    }
    return true;
}

/* Takes a number of one or two octets. */
static bool take_number(struct client_hello_part *part, size_t octets, size_t *number)
{
    unsigned char bytes[2];

    if (!take(part, octets, bytes))
        return false;
    *number = octets == 1 ? bytes[0] : (size_t)bytes[0] << 8 | bytes[1];
    return true;
}

/* Takes a part that stands behind its length, a number of one or two octets. */
static bool take_part(
    struct client_hello_part *part, size_t octets, struct client_hello_part *inner)
{
    size_t n;

    if (!take_number(part, octets, &n))
        return false;
    *inner = *part;
    inner->n = n;
    return take(part, n, NULL);
}

/* One name, and nothing else: other types were never defined, nor was what two names mean. */
static bool take_sni(struct client_hello_part extension, struct client_hello *hello)
{
    struct client_hello_part list;
    struct client_hello_part name;
    size_t type;

    if (!take_part(&extension, 2, &list) || extension.n > 0 || !take_number(&list, 1, &type) ||
        type != SNI_HOST_NAME || !take_part(&list, 2, &name) || list.n > 0 ||
        name.n > sizeof(hello->sni))
        return false;
    hello->sni_n = name.n;
    return take(&name, name.n, hello->sni) && memchr(hello->sni, '\0', hello->sni_n) == NULL;
}

bool client_hello_next_protocol(
    struct client_hello_part *list, char name[CLIENT_HELLO_NAME_MAX], size_t *n)
{
    return take_number(list, 1, n) && take(list, *n, name);
}

static bool take_alpn(struct client_hello_part extension, struct client_hello *hello)
{
    struct client_hello_part list;
    struct client_hello_part name;

    if (!take_part(&extension, 2, &list) || extension.n > 0 || list.n == 0)
        return false;
    hello->alpn = list;
    while (list.n > 0) {
        if (!take_part(&list, 1, &name) || name.n == 0)
            return false;
    }
    return true;
}

/* Of the extensions that are read none may come twice. Others are for the TLS library to judge. */
static bool take_extensions(struct client_hello_part extensions, struct client_hello *hello)
{
    bool has_sni = false;
    bool has_alpn = false;

    while (extensions.n > 0) {
        struct client_hello_part extension;
        size_t type;

        if (!take_number(&extensions, 2, &type) || !take_part(&extensions, 2, &extension))
            return false;
        if (type == EXTENSION_SNI) {
            if (has_sni || !take_sni(extension, hello))
                return false;
            has_sni = true;
        } else if (type == EXTENSION_ALPN) {
            if (has_alpn || !take_alpn(extension, hello))
                return false;
            has_alpn = true;
        }
    }
    return true;
}

/* The message without its head. Behind the compression it may end. */
static bool take_message(struct client_hello_part message, struct client_hello *hello)
{
    struct client_hello_part session_id;
    struct client_hello_part ciphers;
    struct client_hello_part compressions;
    struct client_hello_part extensions;

    if (!take(&message, VERSION_AND_RANDOM, NULL) || !take_part(&message, 1, &session_id) ||
        session_id.n > SESSION_ID_MAX || !take_part(&message, 2, &ciphers) ||
        !take_part(&message, 1, &compressions))
        return false;
    return message.n == 0 || (take_part(&message, 2, &extensions) && message.n == 0 &&
                                 take_extensions(extensions, hello));
}

enum client_hello_result client_hello_parse(struct slice in, size_t limit, struct client_hello *out)
{
    struct client_hello hello = {0};
    struct client_hello_part message = {.rest = in, .n = MESSAGE_HEAD};
    unsigned char head[MESSAGE_HEAD];
    enum client_hello_result result;

    if (in.n > 0 && octet_at(in, 0) != CLIENT_HELLO_FIRST)
        return CLIENT_HELLO_NOT_TLS;
    result = scan(in, limit);
    if (result != CLIENT_HELLO_COMPLETE)
        return result;
    (void)take(&message, MESSAGE_HEAD, head);
    message.n = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (!take_message(message, &hello))
        return CLIENT_HELLO_MALFORMED;
    *out = hello;
    return CLIENT_HELLO_COMPLETE;
}
