#include "config_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    max_align_t bytes[];
};

struct config_store {
    struct block *first;
};

static void *checked(void *memory)
{
    if (!memory) {
        (void)fputs("mailmux: out of memory while reading the configuration\n", stderr);
        abort();
    }
    return memory;
}

struct config_store *config_store_new(void)
{
    return checked(calloc(1, sizeof(struct config_store)));
}

void config_store_free(struct config_store **store)
{
    if (!*store)
        return;
    while ((*store)->first) {
        struct block *block = (*store)->first;

        (*store)->first = block->next;
        free(block);
    }
    free(*store);
    *store = NULL;
}

void *config_store_take(struct config_store *store, size_t count, size_t size)
{
    size_t bytes;
    struct block *block;

    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct block), &bytes))
        return checked(NULL);
    block = checked(calloc(1, bytes));
    block->next = store->first;
    store->first = block;
    return block->bytes;
}

char *config_store_text(struct config_store *store, struct slice text)
{
    char *copy = config_store_take(store, text.n + 1, 1);

    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    return copy;
}

char *config_store_vprint(struct config_store *store, const char *format, va_list arguments)
{
    va_list again;
    char *text;
    int n;

    va_copy(again, arguments);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = config_store_take(store, n > 0 ? (size_t)n + 1 : 1, 1);
    if (n > 0)
        (void)vsnprintf(text, (size_t)n + 1, format, arguments);
    return text;
}

char *config_store_print(struct config_store *store, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = config_store_vprint(store, format, arguments);
    va_end(arguments);
    return text;
}

char *config_store_path(struct config_store *store, const char *base, struct slice path)
{
    const char *slash = strrchr(base, '/');
    size_t directory = slash ? (size_t)(slash - base) + 1 : 0;
    char *whole;

    if (path.n == 0 || path.p[0] == '/' || directory == 0)
        return config_store_text(store, path);
    whole = config_store_take(store, directory + path.n + 1, 1);
    memcpy(whole, base, directory);
    memcpy(whole + directory, path.p, path.n);
    return whole;
}

void *config_store_grow(void *old, size_t count, size_t size)
{
    return checked(reallocarray(old, count, size));
}
