#include "permit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 16384 }; /* a bound against a file that was never meant to be a configuration */

struct name {
    enum file_kind kind;
    char *text;
};

struct permit {
    struct config *config; /* NULL: it had errors */
    size_t count;
    struct name *names;
};

static bool has(const struct permit *permit, enum file_kind kind, const char *text)
{
    for (size_t i = 0; i < permit->count; i++) {
        if (permit->names[i].kind == kind && strcmp(permit->names[i].text, text) == 0)
            return true;
    }
    return false;
}

static void add(struct permit *permit, enum file_kind kind, const char *text)
{
    struct name *grown = reallocarray(permit->names, permit->count + 1, sizeof(*grown));
    char *copy = strdup(text);

    if (grown)
        permit->names = grown;
    if (grown && copy)
        permit->names[permit->count++] = (struct name){kind, copy};
    else
        free(copy);
}

/* The source of files while the configuration is read: what it asks for is what it names. */
static int get(void *owner, enum file_kind kind, const char *text)
{
    struct permit *permit = owner;

    if (!has(permit, kind, text) && permit->count < NAMES_MAX)
        add(permit, kind, text);
    return permit_open(permit, kind, text);
}

struct permit *permit_read(const char *file, struct config_report *report)
{
    struct permit *permit = calloc(1, sizeof(*permit));

    *report = (struct config_report){0};
    if (!permit)
        return NULL;
    files_set_source(get, permit);
    (void)config_load(file, &permit->config, report);
    files_set_source(NULL, NULL);
    return permit;
}

struct config *permit_config(const struct permit *permit)
{
    return permit->config;
}

int permit_open(const struct permit *permit, enum file_kind kind, const char *name)
{
    return has(permit, kind, name) ? files_open_on_disk(kind, name) : -EPERM;
}

void permit_free(struct permit **pointer)
{
    struct permit *permit = *pointer;

    *pointer = NULL;
    if (!permit)
        return;
    config_free(&permit->config);
    for (size_t i = 0; i < permit->count; i++)
        free(permit->names[i].text);
    free(permit->names);
    free(permit);
}
