/*
 * The memory of one configuration or one report. Blocks are taken one by one and freed all at once.
 * No function here fails: without memory the program ends with a message (abort). One thread.
 */
#ifndef MAILMUX_CONFIG_STORE_H
#define MAILMUX_CONFIG_STORE_H

#include "mailmux/slice.h"
#include <stdarg.h>

struct config_store;

/* Returns a new store. The caller frees it with config_store_free. */
struct config_store *config_store_new(void);

/* Frees the store with its blocks and sets the pointer to NULL; NULL is allowed. */
void config_store_free(struct config_store **store);

/*
 * Returns a block of count * size bytes, zeroed, aligned for any type. It lives as long as the
 * store.
 */
void *config_store_take(struct config_store *store, size_t count, size_t size);

/* The texts below are blocks as well, and end with NUL. This function returns a copy of `text`. */
char *config_store_text(struct config_store *store, struct slice text);

/* Returns the text that printf would write. */
char *config_store_print(struct config_store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *config_store_vprint(struct config_store *store, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/*
 * Returns a copy of an absolute path. A relative path is taken from the directory of the file
 * `base`.
 */
char *config_store_path(struct config_store *store, const char *base, struct slice path);

/* Like realloc, of count * size bytes. The memory is not the store's: the caller frees it. */
void *config_store_grow(void *old, size_t count, size_t size);

#endif
