#include "pattern.h"

#include <string.h>

enum { LINE = 78, TEXT_PIECE = LINE * 840 };

static char octets[PATTERN_PIECE];
static char text[TEXT_PIECE];

static void make(void)
{
    unsigned value = 1;

    for (size_t i = 0; i < PATTERN_PIECE; i++) {
        value = value * 1103515245U + 12345U;
        octets[i] = (char)(value >> 16U);
    }
    for (size_t i = 0; i < TEXT_PIECE; i++)
        text[i] = (char)('A' + i * 7 % 26);
    for (size_t i = LINE; i <= TEXT_PIECE; i += LINE) {
        text[i - 2] = '\r';
        text[i - 1] = '\n';
    }
}

static const char *piece_at(
    const char *piece, size_t size, unsigned long long offset, size_t *length)
{
    const size_t begin = (size_t)(offset % size);

    if (text[0] == 0)
        make();
    if (*length > size - begin)
        *length = size - begin;
    return piece + begin;
}

const char *pattern_at(unsigned long long offset, size_t *length)
{
    return piece_at(octets, sizeof octets, offset, length);
}

const char *pattern_text_at(unsigned long long offset, size_t *length)
{
    return piece_at(text, sizeof text, offset, length);
}

bool pattern_is(unsigned long long offset, const char *found, size_t length)
{
    while (length > 0) {
        size_t count = length;
        const char *wanted = pattern_at(offset, &count);

        if (memcmp(wanted, found, count) != 0)
            return false;
        found += count;
        length -= count;
        offset += count;
    }
    return true;
}
