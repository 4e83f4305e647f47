/*
 * ClientHellos for tests, written octet by octet and cut into records as a test wants. Includes
 * nothing of TLS, so that the tests do not lean on the code under test.
 */
#ifndef MAILMUX_TEST_HELLO_H
#define MAILMUX_TEST_HELLO_H

#include "mailmux/slice.h"
#include <stdlib.h>
#include <string.h>

enum { HELLO_MAX = 128 * 1024, HELLO_BARE = 4 + 2 + 32 + 1 + 32 + 2 + 6 + 2 };

/* A message; its lengths are written by hello_end. */
struct hello {
    size_t n;
    size_t extensions; /* where their length stands; 0: it has none */
    char bytes[HELLO_MAX];
};

static inline void hello_put(struct hello *hello, const void *bytes, size_t n)
{
    if (n > sizeof(hello->bytes) - hello->n)
        abort();
    memcpy(hello->bytes + hello->n, bytes, n);
    hello->n += n;
}

static inline void hello_put_number(struct hello *hello, size_t octets, size_t number)
{
    for (size_t i = octets; i-- > 0;) {
        char octet = (char)(number >> (8 * i));

        hello_put(hello, &octet, 1);
    }
}

static inline void hello_begin_bare(struct hello *hello)
{
    hello->n = 0;
    hello->extensions = 0;
    hello_put_number(hello, 1, 1); /* ClientHello */
    hello_put_number(hello, 3, 0);
    hello_put_number(hello, 2, 0x0303);
    hello_put(hello, "0123456789abcdef0123456789abcdef", 32);
    hello_put_number(hello, 1, 32);
    hello_put(hello, "session-id-session-id-session-id", 32);
    hello_put_number(hello, 2, 6);
    hello_put(hello, "\x0a\x0a\x13\x01\x13\x02", 6); /* a value of GREASE, and two ciphers */
    hello_put(hello, "\x01\x00", 2);
}

/* Begins one with extensions. */
static inline void hello_begin(struct hello *hello)
{
    hello_begin_bare(hello);
    hello->extensions = hello->n;
    hello_put_number(hello, 2, 0);
}

static inline void hello_extension(struct hello *hello, unsigned type, struct slice data)
{
    hello_put_number(hello, 2, type);
    hello_put_number(hello, 2, data.n);
    hello_put(hello, data.p, data.n);
}

static inline void hello_sni(struct hello *hello, struct slice name)
{
    hello_put_number(hello, 2, 0);
    hello_put_number(hello, 2, name.n + 5);
    hello_put_number(hello, 2, name.n + 3);
    hello_put_number(hello, 1, 0);
    hello_put_number(hello, 2, name.n);
    hello_put(hello, name.p, name.n);
}

/* list: as on the wire, each name behind its length. */
static inline void hello_alpn(struct hello *hello, struct slice list)
{
    hello_put_number(hello, 2, 16);
    hello_put_number(hello, 2, list.n + 2);
    hello_put_number(hello, 2, list.n);
    hello_put(hello, list.p, list.n);
}

static inline void hello_set(struct hello *hello, size_t at, size_t octets, size_t number)
{
    for (size_t i = 0; i < octets; i++)
        hello->bytes[at + i] = (char)(number >> (8 * (octets - 1 - i)));
}

static inline void hello_end(struct hello *hello)
{
    hello_set(hello, 1, 3, hello->n - 4);
    if (hello->extensions > 0)
        hello_set(hello, hello->extensions, 2, hello->n - hello->extensions - 2);
}

/* Returns it in records of that many octets. The memory is the hello's next one's. */
static inline struct slice hello_records(const struct hello *hello, size_t each)
{
    static char memory[HELLO_MAX * 6];
    size_t n = 0;

    for (size_t at = 0; at < hello->n; at += each) {
        size_t size = hello->n - at < each ? hello->n - at : each;

        memcpy(memory + n, "\x16\x03\x01", 3);
        memory[n + 3] = (char)(size >> 8);
        memory[n + 4] = (char)(size & 0xff);
        memcpy(memory + n + 5, hello->bytes + at, size);
        n += 5 + size;
    }
    return slice_of(memory, n);
}

#endif
