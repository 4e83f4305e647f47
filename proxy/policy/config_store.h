/*
 * The memory of one configuration or one report: blocks that are taken singly and freed all at
 * once. Taking never fails: without memory for its configuration the program ends with a message.
 * One thread.
 */
#ifndef MAILMUX_CONFIG_STORE_H
#define MAILMUX_CONFIG_STORE_H

#include "mailmux/slice.h"
#include <stdarg.h>

struct config_store;

struct config_store *config_store_new(void);

/* Frees every block of it and sets the pointer to NULL; NULL is allowed. */
void config_store_free(struct config_store **store);

/* count * size bytes, zeroed, aligned for anything; lives as long as the store. */
void *config_store_take(struct config_store *store, size_t count, size_t size);

/* A copy that ends with NUL. */
char *config_store_text(struct config_store *store, struct slice text);

/* Text as printf makes it. */
char *config_store_print(struct config_store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *config_store_vprint(struct config_store *store, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* The path itself when it is absolute, else the path from the directory of the file `base`. */
char *config_store_path(struct config_store *store, const char *base, struct slice path);

/* What malloc and realloc give, or the end of the program. */
void *config_store_grow(void *old, size_t count, size_t size);

#endif
